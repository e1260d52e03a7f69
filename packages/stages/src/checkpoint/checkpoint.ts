/**
 * The checkpoint stage: publishes a trained state as a folder that Hugging Face opens, then loads the folder back and checks that
 * it computes the same.
 */
import { join } from "node:path"
import type { Artifact } from "@trainyard/core/Artifact"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { exportGguf, fileName, halfNote } from "../export/gguf/exportGguf.ts"
import { types } from "../export/gguf/numbers.ts"
import { tokenizerOf } from "../export/gguf/tokenizer.ts"
import { exportOnnx } from "../export/onnx/exportOnnx.ts"
import { type Loaded, load } from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import type { Provenance } from "../generate/Provenance.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { gpt2Settings } from "../tokenize/tokenizerJson.ts"
import { curveSvg } from "../train/curveSvg.ts"
import { CurvePoint, TrainedRun } from "../train/TrainedRun.ts"
import { modelCard } from "./card.ts"
import { pretty, writeConfigs, writeWeights } from "./modelFiles.ts"
import * as TrainedState from "./trainedState.ts"
import { verify } from "./verify.ts"

export { PublishingImpossible } from "./trainedState.ts"
export { ModelDiffers } from "./verify.ts"

const decodePoint = Schema.decodeUnknownEffect(Schema.fromJsonString(CurvePoint))
const JsonObject = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const decodeObject = Schema.decodeUnknownEffect(JsonObject)

/** Settings of a tokenizer for which the run has none. */
const plainTokenizer: Readonly<Record<string, unknown>> = {
  tokenizer_class: "PreTrainedTokenizerFast",
  clean_up_tokenization_spaces: false
}

/** Writes the files of the run's tokenizer. */
const writeTokenizer = Effect.fnUntraced(function* (
  run: string,
  output: string,
  endToken: string,
  sequenceLength: number
) {
  const fs = yield* FileSystem.FileSystem
  yield* fs.writeFile(join(output, "tokenizer.json"), yield* fs.readFile(join(run, "tokenizer.json")))
  const settings = yield* fs.readFileString(join(run, "tokenizer_config.json")).pipe(
    Effect.flatMap((text) => decodeObject(text)),
    Effect.orElseSucceed(() => plainTokenizer)
  )
  yield* fs.writeFileString(
    join(output, "tokenizer_config.json"),
    pretty({ ...settings, ...gpt2Settings(endToken), model_max_length: sequenceLength })
  )
})

/** Copies the run's curve and draws it. Gives its points. */
const writeCurve = Effect.fnUntraced(function* (run: string, output: string) {
  const fs = yield* FileSystem.FileSystem
  const curve = yield* fs.readFile(join(run, "curve.jsonl"))
  yield* fs.writeFile(join(output, "curve.jsonl"), curve)
  const lines = Buffer.from(curve)
    .toString("utf8")
    .split("\n")
    .filter((line) => line !== "")
  const points = yield* Effect.forEach(lines, (line) => decodePoint(line)).pipe(
    Effect.mapError(
      () =>
        new TrainedState.PublishingImpossible({
          message: `${run}/curve.jsonl is damaged. Run train again, without reusing this run.`
        })
    )
  )
  yield* fs.writeFileString(join(output, "curve.svg"), curveSvg(points))
  return points
})

/** How the published state was trained. */
const provenanceOf = (
  { value }: Artifact<typeof TrainedRun>,
  state: "best" | "last",
  step: number
): Provenance => {
  const temperature = value.temperature[state]
  return {
    tokenizer: value.tokenizer,
    state,
    step,
    validationLoss: state === "best" ? value.bestValidationLoss : value.lastValidationLoss,
    trainedOn: value.data.train,
    ...(temperature === 1 ? {} : { temperature })
  }
}

/** Writes the other formats into the folder. */
const writeOthers = Effect.fnUntraced(function* (
  model: Loaded,
  tokenizer: Tokenizer.Tokenizer["model"],
  { gguf, onnx }: { readonly gguf: ReadonlyArray<(typeof types)[number]>; readonly onnx: boolean }
) {
  const journal = yield* Journal
  for (const type of new Set(gguf)) {
    const { asHalf } = yield* exportGguf(model, join(model.directory, fileName(type)), type)
    if (asHalf.length > 0)
      yield* journal.publish({ type: "Note", level: "warning", message: halfNote(type, asHalf) })
  }
  if (!onnx) return
  yield* exportOnnx(model, model.directory)
  if (tokenizer === "word-level")
    yield* journal.publish({
      type: "Note",
      level: "warning",
      message:
        "Transformers.js has no word-level tokenizer, so it gives unknown words no token. trainyard export --format onnx writes a folder with a tokenizer that does the same and that it knows."
    })
})

/**
 * Publishes a trained state as a model folder, with the tokenizer that the run was trained with.
 *
 * Fails with `PublishingImpossible` when the run is damaged, `TokenizerMismatch` when its tokenizer is not the one that it was trained
 * with, `ModelDiffers` when the folder does not compute what the state did, `ExportImpossible` when it has no form in another format that was asked
 * for, `BrokenCheckpoint`, `SafetensorsError`, `ModelUnreadable` or
 * `InvalidTokenizer` for damage on the disk, and how the engine and the file system fail.
 */
export const checkpoint = Stage.make({
  name: "checkpoint",
  version: 2,
  source: import.meta.url,
  inputs: { run: TrainedRun },
  config: {
    /** Which state to publish: the one with the lowest validation loss, or the last one. */
    state: Schema.Literals(["best", "last"]).pipe(
      Schema.withDecodingDefaultKey(Effect.succeed("best" as const))
    ),
    /** Title of the model card. */
    title: Schema.String.pipe(Schema.withDecodingDefaultKey(Effect.succeed("A small code language model"))),
    /**
     * SPDX identifier of the licence, for the model card.
     * @defaultValue none
     */
    licence: Schema.optionalKey(Schema.String),
    /** GGUF files to write too, by the type of their weights: `model-f16.gguf` and so on. */
    gguf: Schema.Array(Schema.Literals(types)).pipe(Schema.withDecodingDefaultKey(Effect.succeed([]))),
    /** Whether to write `onnx/model.onnx` too, so that Transformers.js loads the folder. */
    onnx: Schema.Boolean.pipe(Schema.withDecodingDefaultKey(Effect.succeed(false)))
  },
  output: Model,
  // It checks on the engine that the folder computes what the state does.
  usesBackend: true,
  run: Effect.fn("checkpoint")(function* ({ config, inputs, output }) {
    const { run } = inputs
    const fs = yield* FileSystem.FileSystem
    const tokenizer = yield* Tokenizer.loadExact(run.directory, run.value.tokenizer)
    // A tokenizer without a form in GGUF is refused before anything is written.
    if (config.gguf.length > 0)
      yield* tokenizerOf(run.directory, run.value.vocabularySize, tokenizer.endTokenId)
    const { parameters, spec, step } = yield* TrainedState.open(run, config.state)
    const provenance = provenanceOf(run, config.state, step)
    const bytes = yield* writeWeights(output, spec, parameters, provenance)
    yield* writeConfigs(output, spec, tokenizer.endTokenId)
    yield* writeTokenizer(run.directory, output, tokenizer.endToken, spec.sequenceLength)
    const loaded = yield* load(output)
    const logitDifference = yield* verify(spec, parameters, loaded)
    yield* fs.writeFileString(
      join(output, "README.md"),
      modelCard({
        title: config.title,
        licence: config.licence,
        run: run.value,
        tokenizer: tokenizer.model,
        published: provenance,
        curve: yield* writeCurve(run.directory, output)
      })
    )
    yield* writeOthers(loaded, tokenizer.model, config)
    return {
      model: spec.model,
      vocabularySize: spec.vocabularySize,
      sequenceLength: spec.sequenceLength,
      parameters: run.value.parameters,
      bytes,
      tokenizer: tokenizer.digest,
      provenance,
      logitDifference
    }
  })
})

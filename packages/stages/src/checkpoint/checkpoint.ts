/**
 * The checkpoint stage: publishes a trained state as a folder that Hugging Face opens, then loads the folder back and proves that
 * it computes the same.
 */
import { join } from "node:path"
import { Backend } from "@trainyard/backends/Backend"
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Schema } from "effect"
import { load } from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { metadataOf, type Provenance } from "../generate/Provenance.ts"
import { scaled, temperatureScaled } from "../model/Calibration.ts"
import { draws } from "../model/draws.ts"
import { configJson, generationConfigJson, toHuggingFace } from "../model/huggingFace.ts"
import { parameters, type Spec } from "../model/Parameters.ts"
import { generate, Ports, tensorsOf } from "../model/Programs.ts"
import { release } from "../tensors/release.ts"
import type { Source } from "../tensors/Safetensors.ts"
import * as TensorFile from "../tensors/TensorFile.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { gpt2Settings } from "../tokenize/tokenizerJson.ts"
import { read as readCheckpoint } from "../train/CheckpointFolder.ts"
import { curveSvg } from "../train/curveSvg.ts"
import { CurvePoint, TrainedRun, weightsFile } from "../train/TrainedRun.ts"
import { modelCard } from "./card.ts"

/** The trained run does not make a model. */
export class PublishingImpossible extends Schema.TaggedError<PublishingImpossible>()("PublishingImpossible", {
  message: Schema.String
}) {}

/** The published folder computes something else than the trained state. */
export class ModelDiffers extends Schema.TaggedError<ModelDiffers>()("ModelDiffers", {
  difference: Schema.Finite
}) {
  override get message() {
    return `The model loaded back from its folder gives logits that differ by ${this.difference} from the trained state's. The disk or the engine is not to be trusted here; run again with --backend reference to tell which.`
  }
}

/** Rounding that is forgiven: a model without biases is published with zero ones, which an engine may sum in another order. */
const forgiven = 1e-5

/** Logits [T, V] of a fixed run of tokens under these parameters. */
const logitsOf = <E>(spec: Spec, values: ReadonlyArray<Source<E>>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const backend = yield* Backend
      const length = Math.min(spec.sequenceLength, 16)
      const program = generate(spec, length)
      const session = yield* backend.open(tensorsOf([program]))
      for (const { name, read } of values) {
        const own = yield* read
        yield* session.write(name, own)
        release(own)
      }
      const prepared = yield* session.prepare(program)
      const draw = draws("checkpoint", "probe")
      const outputs = yield* prepared.run({
        [Ports.tokens]: Int32Array.from({ length }, () => Math.floor(draw() * spec.vocabularySize)),
        [Ports.offset]: new Int32Array(1)
      })
      return outputs[Ports.logits]!
    })
  )

const largestDifference = (a: Float32Array, b: Float32Array): number =>
  a.reduce((largest, value, index) => {
    const difference = Math.abs(value - b[index]!)
    // A NaN on either side must not pass for equality.
    return difference > largest || Number.isNaN(difference) ? difference : largest
  }, 0)

const decodePoint = Schema.decodeUnknownEffect(Schema.fromJsonString(CurvePoint))
const JsonObject = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const decodeObject = Schema.decodeUnknownEffect(JsonObject)

const pretty = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

/**
 * Publishes a trained state as a model folder, with the tokenizer that the run was trained with.
 *
 * Fails with `PublishingImpossible` when the run is damaged, `TokenizerMismatch` when its tokenizer is not the one that it was trained
 * with, `ModelDiffers` when the folder does not compute what the
 * state did, `BrokenCheckpoint`, `SafetensorsError`, `ModelUnreadable` or `InvalidTokenizer` for damage on the disk, and how the engine and the
 * file system fail.
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
    licence: Schema.optionalKey(Schema.String)
  },
  output: Model,
  // It proves on the engine that the folder computes what the state does.
  usesBackend: true,
  run: Effect.fn("checkpoint")(function* ({ config, inputs, output }) {
    const { run } = inputs
    const fs = yield* FileSystem.FileSystem
    const journal = yield* Journal
    const impossible = (message: string) => new PublishingImpossible({ message })
    const tokenizer = yield* Tokenizer.loadExact(run.directory, run.value.tokenizer)
    const spec: Spec = {
      model: run.value.model,
      vocabularySize: run.value.vocabularySize,
      sequenceLength: run.value.sequenceLength
    }
    const folder = join(run.directory, config.state)
    const saved = yield* readCheckpoint(folder)
    const name = weightsFile(saved.files)
    const { tensors } = yield* TensorFile.open(join(folder, name))
    const wanted = parameters(spec)
    const absent = wanted.find(({ name, shape }) => tensors.get(name)?.shape.join() !== shape.join())
    if (absent !== undefined)
      return yield* impossible(
        `${folder} holds no ${absent.name} of shape [${absent.shape.join(", ")}]. Run train again with --force.`
      )
    const temperature = run.value.temperature[config.state]
    const norm = new Set(temperature === 1 ? [] : scaled(spec).map((parameter) => parameter.name))
    const trained = wanted.map(({ name }) => {
      const tensor = tensors.get(name)!
      return norm.has(name)
        ? { ...tensor, read: Effect.map(tensor.read, (values) => temperatureScaled(values, temperature)) }
        : tensor
    })

    const tokenizerJson = yield* fs.readFile(join(run.directory, "tokenizer.json"))
    const tokenizerConfig = yield* fs.readFileString(join(run.directory, "tokenizer_config.json")).pipe(
      Effect.flatMap((text) => decodeObject(text)),
      Effect.orElseSucceed(
        (): Readonly<Record<string, unknown>> => ({
          tokenizer_class: "PreTrainedTokenizerFast",
          clean_up_tokenization_spaces: false
        })
      )
    )
    const { endToken, endTokenId } = tokenizer
    const provenance: Provenance = {
      tokenizer: tokenizer.digest,
      state: config.state,
      step: saved.step,
      validationLoss: config.state === "best" ? run.value.bestValidationLoss : run.value.lastValidationLoss,
      trainedOn: run.value.data.train,
      ...(temperature === 1 ? {} : { temperature })
    }
    const bytes = yield* TensorFile.write(
      join(output, "model.safetensors"),
      toHuggingFace(spec, new Map(trained.map((tensor) => [tensor.name, tensor]))),
      { format: "pt", ...metadataOf(provenance) }
    )
    yield* fs.writeFile(join(output, "tokenizer.json"), tokenizerJson)
    const curve = yield* fs.readFile(join(run.directory, "curve.jsonl"))
    yield* fs.writeFile(join(output, "curve.jsonl"), curve)
    const texts = {
      "config.json": configJson(spec, endTokenId),
      "generation_config.json": generationConfigJson(endTokenId),
      "tokenizer_config.json": {
        ...tokenizerConfig,
        ...gpt2Settings(endToken),
        model_max_length: spec.sequenceLength
      }
    }
    for (const [name, value] of Object.entries(texts))
      yield* fs.writeFileString(join(output, name), pretty(value))

    const loaded = yield* load(output)
    const logitDifference = largestDifference(
      yield* logitsOf(spec, trained),
      yield* logitsOf(loaded.spec, loaded.parameters)
    )
    if (!(logitDifference <= forgiven)) return yield* new ModelDiffers({ difference: logitDifference })

    const value: (typeof Model)["value"]["Type"] = {
      model: spec.model,
      vocabularySize: spec.vocabularySize,
      sequenceLength: spec.sequenceLength,
      parameters: run.value.parameters,
      bytes,
      tokenizer: tokenizer.digest,
      provenance,
      logitDifference
    }
    const points = yield* Effect.forEach(
      Buffer.from(curve)
        .toString("utf8")
        .split("\n")
        .filter((line) => line !== ""),
      (line) => decodePoint(line)
    ).pipe(
      Effect.mapError(() =>
        impossible(`${run.directory}/curve.jsonl is damaged. Run train again with --force.`)
      )
    )
    yield* fs.writeFileString(join(output, "curve.svg"), curveSvg(points))
    yield* fs.writeFileString(
      join(output, "README.md"),
      modelCard({
        title: config.title,
        licence: config.licence,
        run: run.value,
        tokenizer: tokenizer.model,
        published: provenance,
        curve: points
      })
    )
    yield* journal.publish({
      type: "Facts",
      facts: [
        { label: "State", text: `${provenance.state}, step ${provenance.step}` },
        { label: "Validation loss", text: provenance.validationLoss.toFixed(4) },
        { label: "Size", text: `${(value.bytes / 1e6).toFixed(1)} MB` },
        { label: "Loaded back", text: `logits differ by ${logitDifference}` }
      ]
    })
    return value
  })
})

/** The import-model stage: takes a model of one of the families that was made elsewhere, so that it can be trained further, validated, or published again. */
import { Journal } from "@trainyard/core/Journal"
import * as Stage from "@trainyard/core/Stage"
import { Effect, FileSystem, Path, Schema } from "effect"
import { load, ModelUnreadable } from "../generate/Model.ts"
import { Model } from "../generate/ModelArtifact.ts"
import { parameterCount } from "../model/Parameters.ts"
import type { Source } from "../tensors/Safetensors.ts"
import { copyTokenizer, digestOfFiles, tokenizerFiles } from "../tokenize/importTokenizer.ts"
import * as Tokenizer from "../tokenize/Tokenizer.ts"
import { weightsName, writeConfigs, writeWeights } from "./modelFiles.ts"

/** Weights in a form that is not read here, and how to have them in the one that is. */
const otherWeights = [
  [
    `${weightsName}.index.json`,
    'its weights are in several files. Save them in one: model.save_pretrained(folder, max_shard_size="1000GB") in Python'
  ],
  [
    "pytorch_model.bin",
    "its weights are in pytorch_model.bin, which is code to be run and is not read here. Save them as safetensors: model.save_pretrained(folder) in Python"
  ]
] as const

const checkForm = Effect.fnUntraced(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const has = (name: string) => Effect.orElseSucceed(fs.exists(path.join(folder, name)), () => false)
  if (yield* has(weightsName)) return
  for (const [name, why] of otherWeights)
    if (yield* has(name)) return yield* new ModelUnreadable({ directory: folder, why })
})

/** A tensor whose values are checked when they are read: one that is not finite would make every later step not finite. */
const finite = <E>(folder: string, { name, read, shape }: Source<E>) => ({
  name,
  shape,
  read: Effect.flatMap(read, (values) => {
    const at = values.findIndex((value) => !Number.isFinite(value))
    return at === -1
      ? Effect.succeed(values)
      : Effect.fail(
          new ModelUnreadable({
            directory: folder,
            why: `number ${at} of its tensor ${name} is ${values[at]}, so the weights are damaged`
          })
        )
  })
})

/**
 * Takes a model folder with the layout of Hugging Face's `GPT2LMHeadModel`, `Qwen3ForCausalLM` or `LlamaForCausalLM`: `config.json`,
 * `model.safetensors` in F32, F16 or BF16, with or without `transformer.` or `model.` before the names, and `tokenizer.json`. It is written
 * anew in float32.
 *
 * Fails with `ModelUnreadable`, `SafetensorsError` or `InvalidTokenizer` when the folder is not such a model, and how the file system fails.
 *
 * @example
 * ```ts
 * const run = train({ dataset, from: importModel({ folder: "models/gpt2" }), epochs: 1, learningRate: 1e-4 })
 * ```
 */
export const importModel = Stage.make({
  name: "import-model",
  version: 1,
  source: import.meta.url,
  inputs: {},
  config: {
    /** Folder with `config.json`, `model.safetensors` and `tokenizer.json`. Relative paths start at the current folder. */
    folder: Schema.NonEmptyString
  },
  output: Model,
  // The digest of the files identifies the model, not their folder.
  excludeFromCacheKey: ["folder"],
  externalDigest: ({ folder }) => digestOfFiles(folder, ["config.json", weightsName, ...tokenizerFiles]),
  run: Effect.fn("importModel")(function* ({ config, output }) {
    const path = yield* Path.Path
    const journal = yield* Journal
    const folder = path.resolve(config.folder)
    yield* checkForm(folder)
    const { endTokenId, parameters, provenance, spec } = yield* load(folder)
    const tokenizer = yield* Tokenizer.load(folder)
    if (tokenizer.endTokenId !== endTokenId)
      yield* journal.publish({
        type: "Note",
        level: "warning",
        message: `${folder}: config.json ends a document with token ${endTokenId} and the tokenizer with ${tokenizer.endToken} (${tokenizer.endTokenId}); the tokenizer's is used. Name the right one as eos_token in tokenizer_config.json, or as eos_token_id in config.json.`
      })
    const bytes = yield* writeWeights(
      output,
      spec,
      parameters.map((tensor) => finite(folder, tensor)),
      provenance
    )
    yield* copyTokenizer(folder, output, tokenizer, { model_max_length: spec.sequenceLength })
    yield* writeConfigs(output, spec, tokenizer.endTokenId)
    const loaded = yield* load(output)
    return {
      model: spec.model,
      vocabularySize: spec.vocabularySize,
      sequenceLength: spec.sequenceLength,
      parameters: parameterCount(spec),
      bytes,
      tokenizer: loaded.tokenizer,
      ...(provenance && { provenance })
    }
  })
})

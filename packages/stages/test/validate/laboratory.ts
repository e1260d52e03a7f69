/** A dataset of a few short C files, tokenized byte by byte, and an untrained model for it. */
import { createHash } from "node:crypto"
import { NodeServices } from "@effect/platform-node"
import { Backend } from "@trainyard/backends/Backend"
import { engine } from "@trainyard/backends/reference/engine"
import type { Artifact } from "@trainyard/core/Artifact"
import { Effect, FileSystem, Layer, Path } from "effect"
import type { Dataset, Placed } from "../../src/dataset/Dataset.ts"
import type { Model } from "../../src/generate/ModelArtifact.ts"
import { metadataOf, type Provenance } from "../../src/generate/Provenance.ts"
import { configJson, generationConfigJson, toHuggingFace } from "../../src/model/huggingFace.ts"
import { initialValues, parameterCount, parameters, type Spec } from "../../src/model/Parameters.ts"
import type { SplitName } from "../../src/split/Split.ts"
import * as TensorFile from "../../src/tensors/TensorFile.ts"
import { digestOf } from "../../src/tokenize/digest.ts"

/** The characters that byte-level tokenizers write bytes as: printable ones as themselves, the others from U+0100 on. */
const byteCharacters = (): ReadonlyArray<string> => {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae
    return String.fromCharCode(printable ? byte : next++)
  })
}

export const endTokenId = 256
export const vocabularySize = 257

export const tokenizerJson = (unused = "unused"): string =>
  JSON.stringify({
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: endTokenId,
        content: "<|endoftext|>",
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true
      }
    ],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: unused === "unused" ? null : unused,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries([
        ...byteCharacters().map((text, id) => [text, id]),
        ["<|endoftext|>", endTokenId]
      ]),
      merges: []
    }
  })

export const tokenizerDigest = digestOf(JSON.parse(tokenizerJson()), endTokenId)

const trainTexts = [
  '#include <stdio.h>\n\nint main(void)\n{\n  printf("hello");\n  return 0;\n}\n',
  "struct list {\n  struct list *next;\n  int value;\n};\n\nint length(struct list *list)\n{\n  int n = 0;\n  for (; list; list = list->next) n++;\n  return n;\n}\n",
  "void function(int a)\n{\n  if (a) print(a);\n}\n",
  "# Notes\n\nRead me.\n"
]
const validationTexts = [
  "int twice(int a)\n{\n  return 2 * a;\n}\n",
  "typedef struct point {\n  int x;\n  int y;\n} point;\n"
]
const testTexts = [
  "struct pair {\n  int first;\n  int second;\n};\n\nint sum(int a)\n{\n  return a + global.first;\n}\n",
  "#ifndef A_H\n#define A_H\nint add(int a, int b);\n#endif\n",
  "# More notes\n"
]

const split = (texts: ReadonlyArray<string>, name: SplitName, firstId: number, ending = "c") => {
  const tokens: Array<number> = []
  const placed = texts.map((text, index): Placed => {
    const bytes = Buffer.from(text)
    const start = tokens.length
    tokens.push(...bytes, endTokenId)
    const kind = text.startsWith("# ") ? "md" : ending
    return {
      id: firstId + index,
      path: `${name}/${index}.${kind}`,
      origin: "folder:test",
      kind,
      split: name,
      start,
      tokens: bytes.length + 1,
      bytes: bytes.length
    }
  })
  const bytes = placed.reduce((sum, document) => sum + document.bytes, 0)
  const data = Buffer.from(Uint16Array.from(tokens).buffer)
  const digest = createHash("sha256").update(data).digest("hex")
  return { data, placed, counts: { documents: texts.length, tokens: tokens.length, bytes, digest } }
}

/** Writes the dataset's files and gives its artifact. `tested`: whether it has a test split. `ending`: of most of its documents. */
export const makeDataset = Effect.fnUntraced(function* (directory: string, tested = true, ending = "c") {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(directory, { recursive: true })
  const train = split(trainTexts, "train", 0, ending)
  const validation = split(validationTexts, "validation", trainTexts.length, ending)
  const test = split(testTexts, "test", trainTexts.length + validationTexts.length, ending)
  const write = (name: string, data: Uint8Array | string) =>
    fs.writeFile(path.join(directory, name), typeof data === "string" ? Buffer.from(data) : data)
  if (tested) yield* write("test.bin", test.data)
  yield* write("train.bin", train.data)
  yield* write("validation.bin", validation.data)
  yield* write("tokenizer.json", tokenizerJson())
  yield* write(
    "documents.jsonl",
    [...train.placed, ...validation.placed, ...(tested ? test.placed : [])]
      .map((document) => `${JSON.stringify(document)}\n`)
      .join("")
  )
  const value: Artifact<typeof Dataset>["value"] = {
    tokenizer: tokenizerDigest,
    vocabularySize,
    endTokenId,
    tokenBytes: 2,
    seed: 1,
    train: train.counts,
    validation: validation.counts,
    ...(tested && { test: test.counts })
  }
  yield* write("dataset.json", JSON.stringify(value))
  const dataset: Artifact<typeof Dataset> = { kind: "dataset", directory, cacheKey: "d0", value }
  return dataset
})

const spec: Spec = {
  model: { embedding: 16, layers: 1, heads: 2, bias: true, dropout: 0 },
  vocabularySize,
  sequenceLength: 32
}

/** Writes an untrained model's files and gives its artifact. */
export const makeModel = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(directory, { recursive: true })
  const sources = new Map(
    parameters(spec).map((parameter) => [
      parameter.name,
      { ...parameter, read: Effect.sync(() => initialValues(parameter, 1)) }
    ])
  )
  const provenance: Provenance = {
    tokenizer: tokenizerDigest,
    state: "best",
    step: 20,
    validationLoss: 5.5,
    trainedOn: split(trainTexts, "train", 0).counts
  }
  const bytes = yield* TensorFile.write(
    path.join(directory, "model.safetensors"),
    toHuggingFace(spec, sources),
    metadataOf(provenance)
  )
  const write = (name: string, data: Uint8Array | string) =>
    fs.writeFile(path.join(directory, name), typeof data === "string" ? Buffer.from(data) : data)
  yield* write("config.json", JSON.stringify(configJson(spec, endTokenId)))
  yield* write("generation_config.json", JSON.stringify(generationConfigJson(endTokenId)))
  yield* write("tokenizer.json", tokenizerJson())
  const curve = Array.from({ length: 20 }, (_, step) => ({
    step,
    loss: 5.5 - step / 100,
    learningRate: 1e-3,
    gradientNorm: 1,
    ...(step % 5 === 0 ? { validationLoss: 5.6 - step / 100 } : {})
  }))
  yield* write("curve.jsonl", curve.map((point) => `${JSON.stringify(point)}\n`).join(""))
  const model: Artifact<typeof Model> = {
    kind: "model",
    directory,
    cacheKey: "0123456789abcdef",
    value: {
      model: spec.model,
      vocabularySize,
      sequenceLength: spec.sequenceLength,
      parameters: parameterCount(spec),
      bytes,
      tokenizer: tokenizerDigest,
      provenance,
      logitDifference: 0
    }
  }
  return model
})

/** Node's services and the reference engine. */
export const layer = Layer.mergeAll(
  NodeServices.layer,
  Layer.succeed(Backend, {
    engine: "reference",
    settings: { threads: 1, precision: "f32" },
    why: "asked for",
    open: (tensors) => engine.open(tensors, { threads: 1, precision: "f32" })
  })
)

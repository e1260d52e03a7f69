/**
 * A model folder as a folder for ONNX Runtime, in the layout that Transformers.js (@huggingface/transformers) loads: `onnx/model.onnx` with a
 * key-value cache, and the JSON files beside it.
 */
import { Effect, FileSystem, Path, Schema } from "effect"
import type { Loaded } from "../../generate/Model.ts"
import type { SafetensorsError } from "../../tensors/Safetensors.ts"
import { ExportImpossible } from "../ExportImpossible.ts"
import { type Append, writeWhole } from "../wholeFile.ts"
import { open } from "./blocks.ts"
import { forward } from "./forwards.ts"
import * as OnnxGraph from "./OnnxGraph.ts"
import { lengthOf } from "./protobuf.ts"
import { forTransformersJs } from "./tokenizer.ts"

/** Usual name of the folder. */
export const folderName = "model-onnx"

/** Files that are the same in both folders; those that a folder need not have are left out where it has none. */
const copied = ["tokenizer_config.json", "generation_config.json", "README.md"] as const

/** Protocol Buffers have no message longer than this, in bytes. */
const longest = 2 ** 31 - 1

const decodeObject = Schema.decodeUnknownEffect(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
)

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))

const writeText = (file: string, text: string) => writeWhole(file, (append) => append(Buffer.from(text)))

/**
 * Writes a loaded model into a folder, which may be its own; files of the same names there are replaced, each whole. Gives the size of `onnx/model.onnx` in bytes.
 * All numbers are float32.
 *
 * Inputs: `input_ids` [B, S], `attention_mask` [B, T], `position_ids` [B, S], and `past_key_values.N.key` and `.value` [B, H, T − S, D] of each
 * layer. Outputs: `logits` [B, S, V], and `present.N.key` and `.value` [B, H, T, D].
 *
 * Fails with `ExportImpossible` for a model above 2 GB, `SafetensorsError` for damaged weights, and how the file system fails.
 */
export const exportOnnx = Effect.fn("exportOnnx")(function* (model: Loaded, folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { directory, parameters, spec } = model
  const own = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const graph = OnnxGraph.make<SafetensorsError>()
  forward(
    open(graph, (name) => own.get(name)!),
    spec
  )
  const file = graph.file("trainyard")
  if (lengthOf(file) > longest)
    return yield* new ExportImpossible({
      message: `${directory} is larger than the 2 GB that one ONNX file can hold. Export it as GGUF.`
    })
  const config = yield* fs
    .readFileString(path.join(directory, "config.json"))
    .pipe(Effect.flatMap((text) => decodeObject(text)))
  const bytes = yield* writeWhole(
    path.join(folder, "onnx", "model.onnx"),
    Effect.fnUntraced(function* (append: Append) {
      for (const piece of file) yield* append(piece instanceof Uint8Array ? piece : yield* piece.bytes)
    })
  )
  const others = path.resolve(folder) === path.resolve(directory) ? [] : copied
  if (others.length > 0) {
    const tokenizer = yield* decodeJson(yield* fs.readFileString(path.join(directory, "tokenizer.json")))
    yield* writeText(path.join(folder, "tokenizer.json"), JSON.stringify(forTransformersJs(tokenizer)))
  }
  for (const name of others) {
    const from = path.join(directory, name)
    if (yield* fs.exists(from)) yield* writeText(path.join(folder, name), yield* fs.readFileString(from))
  }
  // The last file, without which nothing is loaded. In a browser Transformers.js would look for a quantized model by default.
  const settings = { ...config, "transformers.js_config": { dtype: "fp32" } }
  yield* writeText(path.join(folder, "config.json"), `${JSON.stringify(settings, undefined, 2)}\n`)
  return bytes
})

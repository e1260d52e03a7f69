/** A model folder as one GGUF file, which llama.cpp opens, and what is built on it: Ollama, LM Studio, node-llama-cpp. */
import { Effect, FileSystem, Path } from "effect"
import type { Loaded } from "../../generate/Model.ts"
import { release } from "../../tensors/release.ts"
import type { Source } from "../../tensors/Safetensors.ts"
import { ExportImpossible } from "../ExportImpossible.ts"
import * as GgufFile from "./GgufFile.ts"
import { layoutOf, type Placed } from "./layouts.ts"
import { formats, type Type } from "./numbers.ts"
import { tokenizerOf } from "./tokenizer.ts"

/** What was written. */
export interface Exported {
  readonly file: string
  readonly bytes: number
  /** Parameters whose rows are no whole blocks of the type, so that they are float16. */
  readonly asHalf: ReadonlyArray<string>
}

/** Usual name of the file. */
export const fileName = (type: Type): string => `model-${type}.gguf`

/** Says which weights are of another type than was asked for. */
export const halfNote = (type: Type, asHalf: Exported["asHalf"]): string =>
  `${asHalf.length} of the weights are f16 and not ${type}, because their rows are no multiple of ${formats[type].block} numbers: ${asHalf.join(", ")}.`

/** The type of a tensor in a file whose matrices have `wanted`: vectors stay float32, as in every GGUF file. */
const typeOf = ({ exact }: Placed, shape: ReadonlyArray<number>, wanted: Type): Type => {
  if (exact === true || shape.length < 2) return "f32"
  return shape.at(-1)! % formats[wanted].block === 0 ? wanted : "f16"
}

/** The numbers of a tensor in its type; `ExportImpossible` where the type cannot hold one. */
const bytesOf = <E>(source: Source<E>, { arrange }: Placed, type: Type) =>
  Effect.gen(function* () {
    const read = yield* source.read
    const values = arrange === undefined ? read : arrange(read)
    const { encode, largest } = formats[type]
    const beyond = values.find((value) => !(Math.abs(value) <= largest))
    if (beyond !== undefined)
      return yield* new ExportImpossible({
        message: Number.isFinite(beyond)
          ? `${source.name} holds ${beyond}, more than ${type} can hold. Export as bf16 or f32.`
          : `${source.name} holds ${beyond}, so the weights are damaged. Make or copy the model again.`
      })
    const bytes = encode(values)
    if (bytes.buffer !== values.buffer) release(values)
    if (values !== read) release(read)
    return bytes
  })

/** The title of the model card; the folder's own name where there is none. */
const nameOf = Effect.fnUntraced(function* (directory: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const card = yield* fs
    .readFileString(path.join(directory, "README.md"))
    .pipe(Effect.orElseSucceed(() => ""))
  return /^# (.+)$/m.exec(card)?.[1] ?? path.basename(path.resolve(directory))
})

/**
 * Writes a loaded model as a GGUF file, whole or not at all, in the memory of its largest tensor. The weights have `type`; vectors and
 * GPT-2's positions are float32.
 *
 * Fails with `ExportImpossible` where the format has no form for the model, `SafetensorsError` for damaged weights, and how the file
 * system fails.
 */
export const exportGguf = Effect.fn("exportGguf")(function* (model: Loaded, file: string, type: Type) {
  const { directory, endTokenId, parameters, spec } = model
  const tokenizer = yield* tokenizerOf(directory, spec.vocabularySize, endTokenId)
  const layout = layoutOf(spec)
  const own = new Map(parameters.map((parameter) => [parameter.name, parameter]))
  const asHalf: Array<string> = []
  const tensors = yield* Effect.forEach(layout.tensors, (placed) => {
    const source = own.get(placed.parameter)
    if (source === undefined)
      return Effect.fail(
        new ExportImpossible({
          message: `${directory} has no ${placed.parameter}, which llama.cpp needs. Publish the model again with the checkpoint stage.`
        })
      )
    const { shape } = source
    const chosen = typeOf(placed, shape, type)
    if (type === "q8_0" && chosen === "f16") asHalf.push(source.name)
    return Effect.succeed({ name: placed.name, shape, type: chosen, bytes: bytesOf(source, placed, chosen) })
  })
  const metadata: GgufFile.Metadata = [
    ["general.architecture", GgufFile.string(layout.architecture)],
    ["general.name", GgufFile.string(yield* nameOf(directory))],
    ["general.file_type", GgufFile.uint32(formats[type].fileType)],
    ["general.quantization_version", GgufFile.uint32(2)],
    ...layout.settings,
    ...tokenizer
  ]
  const bytes = yield* GgufFile.write(file, metadata, tensors)
  const exported: Exported = { file, bytes, asHalf }
  return exported
})

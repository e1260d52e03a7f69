/**
 * The layouts of Hugging Face's model classes and the parameters here, into each other; each family has its own `layout`.
 *
 * Files made elsewhere may leave out the prefix of a family's names (those of `GPT2Model`, and the first GPT-2 itself), and hold masks and
 * a second copy of the embedding beside the parameters, which are ignored.
 */
import { Effect, Schema } from "effect"
import type { Source } from "../tensors/Safetensors.ts"
import type { Published, ReadConfig } from "./Family.ts"
import { modelTypes, readers, type Spec, using } from "./families.ts"
import type { ModelConfig } from "./ModelConfig.ts"
import { parameters } from "./Parameters.ts"

/** values [rows, columns] as [columns, rows]. */
export const transpose = (values: Float32Array, rows: number, columns: number): Float32Array => {
  const result = new Float32Array(values.length)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = values[row * columns + column]!
  return result
}

const publishedOf = (spec: Spec): ReadonlyArray<Published> =>
  using(spec.model, ({ layout }, model) => layout.published({ ...spec, model }))

const prefixOf = (spec: Spec): string => using(spec.model, ({ layout }) => layout.prefix)

const sizeOf = (shape: ReadonlyArray<number>): number => shape.reduce((product, side) => product * side, 1)

/** The parameters, by name, as the tensors of model.safetensors. */
export const toHuggingFace = <E>(spec: Spec, own: ReadonlyMap<string, Source<E>>): ReadonlyArray<Source<E>> =>
  publishedOf(spec).map(({ name, shape, transposed }) => {
    const read = own.get(name)?.read ?? Effect.sync(() => new Float32Array(sizeOf(shape)))
    const [rows, columns] = shape
    return transposed
      ? {
          name,
          shape: [columns!, rows!],
          read: Effect.map(read, (values) => transpose(values, rows!, columns!))
        }
      : { name, shape, read }
  })

/** The tensors of model.safetensors as parameters, or a sentence that names the one that is missing or of another shape. */
export const fromHuggingFace = <E>(
  spec: Spec,
  tensors: ReadonlyMap<string, Source<E>>
): ReadonlyArray<Source<E>> | string => {
  const prefix = prefixOf(spec)
  const own = new Set(parameters(spec).map(({ name }) => name))
  const result: Array<Source<E>> = []
  for (const { name, shape, transposed } of publishedOf(spec).filter((each) => own.has(each.name))) {
    const wanted = transposed ? [...shape].reverse() : shape
    const found =
      tensors.get(name) ?? (name.startsWith(prefix) ? tensors.get(name.slice(prefix.length)) : undefined)
    if (found === undefined) return `model.safetensors has no tensor ${name}`
    if (found.shape.join() !== wanted.join())
      return `${name} is [${found.shape.join(", ")}] in model.safetensors and [${wanted.join(", ")}] by config.json`
    result.push({
      name,
      shape,
      read: transposed
        ? Effect.map(found.read, (values) => transpose(values, wanted[0]!, wanted[1]!))
        : found.read
    })
  }
  return result
}

/** config.json. */
export const configJson = (spec: Spec, endTokenId: number): Readonly<Record<string, unknown>> =>
  using(spec.model, ({ layout }, model) => layout.configJson({ ...spec, model }, endTokenId))

/** Class of transformers that opens the model, such as `GPT2LMHeadModel`. */
export const classNameOf = (model: ModelConfig): string =>
  using(model, ({ layout }, own) => layout.className(own))

/** Value of `model_type` in config.json, such as `gpt2`. */
export const modelTypeOf = (model: ModelConfig): string =>
  using(model, ({ layout }, own) => layout.modelType(own))

/** generation_config.json: a document begins after an end token, and ends with one. */
export const generationConfigJson = (endTokenId: number) => ({
  bos_token_id: endTokenId,
  eos_token_id: endTokenId,
  pad_token_id: endTokenId
})

const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Unknown))
const decodeType = Schema.decodeUnknownEffect(Schema.Struct({ model_type: Schema.Literals(modelTypes) }))

/** Reads the text of config.json, for the family of its `model_type`. */
export const readConfig = Effect.fnUntraced(function* (
  text: string
): Effect.fn.Return<ReadConfig<ModelConfig>, Schema.SchemaError> {
  const json = yield* decodeJson(text)
  const { model_type } = yield* decodeType(json)
  return yield* readers[model_type](json)
})

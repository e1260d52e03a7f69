/**
 * The layout of Hugging Face's `GPT2LMHeadModel` and ours, into each other.
 *
 * Names are the same. Linear weights are [in, out] there (`Conv1D`) and [out, in] here. There every layer has biases; a model
 * without them is written with zeros. The output layer is tied to `transformer.wte.weight` and not written twice.
 *
 * Files made elsewhere may leave out the prefix `transformer.` (those of `GPT2Model`, and the first GPT-2 itself), and hold masks and
 * a second copy of the table beside the parameters, which are not looked at.
 */
import { Effect, Schema } from "effect"
import type { Source } from "../tensors/Safetensors.ts"
import { type Parameter, parameters, type Spec } from "./Parameters.ts"

/** values [rows, columns] as [columns, rows]. */
export const transpose = (values: Float32Array, rows: number, columns: number): Float32Array => {
  const result = new Float32Array(values.length)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      result[column * rows + row] = values[row * columns + column]!
  return result
}

const withBiases = (spec: Spec): Spec => ({ ...spec, model: { ...spec.model, bias: true } })

const sizeOf = (parameter: Parameter): number => parameter.shape.reduce((product, side) => product * side, 1)

/** Our parameters, by name, as the tensors of model.safetensors. */
export const toHuggingFace = <E>(spec: Spec, own: ReadonlyMap<string, Source<E>>): ReadonlyArray<Source<E>> =>
  parameters(withBiases(spec)).map((parameter) => {
    const { name, shape, transposed } = parameter
    const read = own.get(name)?.read ?? Effect.sync(() => new Float32Array(sizeOf(parameter)))
    const [rows, columns] = shape
    return transposed
      ? {
          name,
          shape: [columns!, rows!],
          read: Effect.map(read, (values) => transpose(values, rows!, columns!))
        }
      : { name, shape, read }
  })

const prefix = "transformer."

/** The tensors of model.safetensors as our parameters, or a sentence that names the one that is missing or misshapen. */
export const fromHuggingFace = <E>(
  spec: Spec,
  tensors: ReadonlyMap<string, Source<E>>
): ReadonlyArray<Source<E>> | string => {
  const result: Array<Source<E>> = []
  for (const parameter of parameters(spec)) {
    const { name, shape, transposed } = parameter
    const wanted = transposed ? [...shape].reverse() : shape
    const found = tensors.get(name) ?? tensors.get(name.slice(prefix.length))
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

/** config.json. Attention weights are never dropped here, so attn_pdrop is 0. */
export const configJson = (spec: Spec, endTokenId: number) => ({
  architectures: ["GPT2LMHeadModel"],
  model_type: "gpt2",
  activation_function: "gelu_new",
  attn_pdrop: 0,
  bos_token_id: endTokenId,
  dtype: "float32",
  embd_pdrop: spec.model.dropout,
  eos_token_id: endTokenId,
  initializer_range: 0.02,
  layer_norm_epsilon: 1e-5,
  n_ctx: spec.sequenceLength,
  n_embd: spec.model.embedding,
  n_head: spec.model.heads,
  n_inner: null,
  n_layer: spec.model.layers,
  n_positions: spec.sequenceLength,
  reorder_and_upcast_attn: false,
  resid_pdrop: spec.model.dropout,
  scale_attn_by_inverse_layer_idx: false,
  scale_attn_weights: true,
  tie_word_embeddings: true,
  torch_dtype: "float32",
  use_cache: true,
  vocab_size: spec.vocabularySize
})

/** generation_config.json: a document begins after an end token, and ends with one. */
export const generationConfigJson = (endTokenId: number) => ({
  bos_token_id: endTokenId,
  eos_token_id: endTokenId,
  pad_token_id: endTokenId
})

const positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const absentOr = <S extends Schema.Top>(schema: S) => Schema.optionalKey(schema)

/** What of config.json must be so for our programs to compute the same. Everything else is ignored. */
export const ReadableConfig = Schema.fromJsonString(
  Schema.Struct({
    model_type: Schema.Literal("gpt2"),
    activation_function: Schema.Literal("gelu_new").pipe(
      Schema.withDecodingDefaultKey(Effect.succeed("gelu_new" as const))
    ),
    layer_norm_epsilon: absentOr(Schema.Literal(1e-5)),
    scale_attn_weights: absentOr(Schema.Literal(true)),
    scale_attn_by_inverse_layer_idx: absentOr(Schema.Literal(false)),
    tie_word_embeddings: absentOr(Schema.Literal(true)),
    n_embd: positive,
    n_head: positive,
    // Far above any model; a hostile number would make a list that long.
    n_layer: positive.pipe(Schema.check(Schema.isLessThanOrEqualTo(10_000))),
    n_positions: positive,
    vocab_size: positive,
    eos_token_id: Schema.Int,
    resid_pdrop: Schema.Finite.pipe(Schema.withDecodingDefaultKey(Effect.succeed(0)))
  })
)

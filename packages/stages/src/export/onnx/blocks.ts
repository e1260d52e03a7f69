/** The layers of transformers as ONNX operators. Shapes: B texts, S new tokens, T tokens with those of the cache, H heads of width D. */
import { Effect } from "effect"
import { transpose } from "../../model/huggingFace.ts"
import { release } from "../../tensors/release.ts"
import type { Source } from "../../tensors/Safetensors.ts"
import { dataTypes, type OnnxGraph, type Value } from "./OnnxGraph.ts"

/** What the layers of one model have in common. */
export interface Context<E> {
  readonly graph: OnnxGraph<E>
  /** A parameter by its name, in our layout. */
  readonly parameter: (name: string) => Source<E>
  readonly ids: Value
  readonly positions: Value
  /** [B, 1, S, T]: 0 where a position sees another, a large negative number elsewhere. */
  readonly mask: Value
}

/** A matrix [out, in] as [in, out], by which rows are multiplied. */
const transposed = <E>({ name, read, shape }: Source<E>): Source<E> => {
  const [rows = 1, columns = 1] = shape
  return {
    name: `${name}.transposed`,
    shape: [columns, rows],
    read: Effect.map(read, (values) => {
      const turned = transpose(values, rows, columns)
      release(values)
      return turned
    })
  }
}

/** The inputs that Transformers.js gives a decoder, and the mask that follows from them. */
export const open = <E>(graph: OnnxGraph<E>, parameter: Context<E>["parameter"]): Context<E> => {
  const { int64s, op } = graph
  const ids = graph.input("input_ids", dataTypes.int64, ["batch_size", "sequence_length"])
  const attended = graph.input("attention_mask", dataTypes.int64, ["batch_size", "total_sequence_length"])
  const positions = graph.input("position_ids", dataTypes.int64, ["batch_size", "sequence_length"])
  const [zero, one] = [int64s([0], true), int64s([1], true)]
  const side = (x: Value) => op("Gather", [op("Shape", [x]), one], { axis: 0 })
  const total = side(attended)
  const queries = op("Range", [op("Sub", [total, side(ids)]), total, one])
  const earlier = op("LessOrEqual", [
    op("Range", [zero, total, one]),
    op("Unsqueeze", [queries, int64s([1])])
  ])
  const present = op("Unsqueeze", [op("Cast", [attended], { to: dataTypes.bool }), int64s([1, 2])])
  const mask = op("Where", [op("And", [earlier, present]), graph.float32s([0]), graph.float32s([-1e9])])
  return { graph, parameter, ids, positions, mask }
}

/** x · Wᵀ + b. */
export const linear = <E>(
  { graph, parameter }: Context<E>,
  x: Value,
  weight: string,
  bias?: string
): Value => {
  const product = graph.op("MatMul", [x, graph.weight(transposed(parameter(weight)))])
  return bias === undefined ? product : graph.op("Add", [product, graph.weight(parameter(bias))])
}

/** Layer norm over the last side. */
export const layerNorm = <E>({ graph, parameter }: Context<E>, x: Value, name: string): Value =>
  graph.op(
    "LayerNormalization",
    [x, graph.weight(parameter(`${name}.weight`)), graph.weight(parameter(`${name}.bias`))],
    { axis: -1, epsilon: { float: 1e-5 } }
  )

/** RMSNorm over the last side: x / √(mean(x²) + epsilon) ⊙ gain. */
export const rmsNorm = <E>(
  { graph, parameter }: Context<E>,
  x: Value,
  name: string,
  epsilon: number
): Value => {
  const mean = graph.op("ReduceMean", [graph.op("Mul", [x, x])], { axes: [-1], keepdims: 1 })
  const scale = graph.op("Sqrt", [graph.op("Add", [mean, graph.float32s([epsilon])])])
  return graph.op("Mul", [graph.op("Div", [x, scale]), graph.weight(parameter(name))])
}

/** GELU by its tanh form (Hendrycks, Gimpel 2016): ½x(1 + tanh(√(2/π)(x + 0.044715x³))). */
export const gelu = <E>({ graph: { float32s, op } }: Context<E>, x: Value): Value => {
  const cube = op("Mul", [op("Mul", [x, x]), x])
  const inner = op("Add", [x, op("Mul", [cube, float32s([0.044715])])])
  const tanh = op("Tanh", [op("Mul", [inner, float32s([Math.sqrt(2 / Math.PI)])])])
  return op("Mul", [op("Mul", [x, float32s([0.5])]), op("Add", [tanh, float32s([1])])])
}

/** [B, S, H·D] as [B, S, H, D]. */
export const intoHeads = <E>({ graph }: Context<E>, x: Value, heads: number, headWidth: number): Value =>
  graph.op("Reshape", [x, graph.int64s([0, 0, heads, headWidth])])

/** [B, S, H, D] as [B, H, S, D]. */
export const headsFirst = <E>({ graph }: Context<E>, x: Value): Value =>
  graph.op("Transpose", [x], { perm: [0, 2, 1, 3] })

/** Sizes of attention. Each key-value head serves as many query heads as the others. */
export interface AttentionSizes {
  readonly heads: number
  readonly keyValueHeads: number
  readonly headWidth: number
}

/** Keys or values of the cache and of the new tokens, which are the cache of the next call: [B, H, T, D]. */
const cached = <E>({ graph }: Context<E>, x: Value, name: string, sizes: AttentionSizes): Value => {
  const { headWidth, keyValueHeads } = sizes
  const past = graph.input(`past_key_values.${name}`, dataTypes.float32, [
    "batch_size",
    keyValueHeads,
    "past_sequence_length",
    headWidth
  ])
  const present = graph.named(`present.${name}`, "Concat", [past, x], { axis: 2 })
  graph.output(present, dataTypes.float32, ["batch_size", keyValueHeads, "total_sequence_length", headWidth])
  return present
}

/** Attention of layer `index` over the cache: queries, keys and values [B, H, S, D] give [B, S, H·D]. */
export const attention = <E>(
  context: Context<E>,
  index: number,
  sizes: AttentionSizes,
  [queries, newKeys, newValues]: readonly [Value, Value, Value]
): Value => {
  const { graph, mask } = context
  const { int64s, op } = graph
  const { headWidth, heads, keyValueHeads } = sizes
  const shared = heads / keyValueHeads
  const keys = cached(context, newKeys, `${index}.key`, sizes)
  const values = cached(context, newValues, `${index}.value`, sizes)
  // With shared heads there is one side more: [B, key-value heads, those that share one, S, D].
  const grouped = (x: Value) => (shared === 1 ? x : op("Unsqueeze", [x, int64s([2])]))
  const scaled = op("Mul", [queries, graph.float32s([1 / Math.sqrt(headWidth)])])
  const asked =
    shared === 1 ? scaled : op("Reshape", [scaled, int64s([0, keyValueHeads, shared, -1, headWidth])])
  const turned = op("Transpose", [keys], { perm: [0, 1, 3, 2] })
  const scores = op("MatMul", [asked, grouped(turned)])
  const masked = op("Add", [scores, shared === 1 ? mask : op("Unsqueeze", [mask, int64s([1])])])
  const mixed = op("MatMul", [op("Softmax", [masked], { axis: -1 }), grouped(values)])
  const together = shared === 1 ? mixed : op("Reshape", [mixed, int64s([0, heads, -1, headWidth])])
  return op("Reshape", [headsFirst(context, together), int64s([0, 0, heads * headWidth])])
}

/** Logits [B, S, V] by the rows of a table, which is the embedding's where they are tied. */
export const logits = <E>({ graph, parameter }: Context<E>, x: Value, table: string, size: number): void => {
  const turned = graph.op("Transpose", [graph.weight(parameter(table))], { perm: [1, 0] })
  graph.named("logits", "MatMul", [x, turned])
  graph.output("logits", dataTypes.float32, ["batch_size", "sequence_length", size])
}

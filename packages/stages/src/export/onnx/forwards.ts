/** The forward passes of the model families as ONNX graphs: those of `model/gpt/forward.ts` and `model/qwen/forward.ts`. */
import type { Sized } from "../../model/Family.ts"
import type { Spec } from "../../model/families.ts"
import type { GptConfig } from "../../model/Gpt.ts"
import { names as gptNames } from "../../model/gpt/parameters.ts"
import type { QwenConfig } from "../../model/Qwen.ts"
import { names as qwenNames } from "../../model/qwen/parameters.ts"
import { widthsOf } from "../../model/qwen/widths.ts"
import * as Blocks from "./blocks.ts"
import { dataTypes, type Value } from "./OnnxGraph.ts"

const gpt = <E>(context: Blocks.Context<E>, { model, vocabularySize }: Sized<GptConfig>): void => {
  const { graph, ids, parameter, positions } = context
  const { embedding, heads, layers } = model
  const sizes = { heads, keyValueHeads: heads, headWidth: embedding / heads }
  const row = (table: string, at: Value) =>
    graph.op("Gather", [graph.weight(parameter(table)), at], { axis: 0 })
  const linear = (x: Value, name: string) => Blocks.linear(context, x, `${name}.weight`, `${name}.bias`)
  let x = graph.op("Add", [row(gptNames.table, ids), row(gptNames.positions, positions)])
  for (let index = 0; index < layers; index++) {
    const layer = gptNames.layer(index)
    const qkv = linear(Blocks.layerNorm(context, x, layer.attentionNorm), layer.attentionInput)
    const part = (at: number): Value => {
      const from = graph.int64s([at * embedding])
      const own = graph.op("Slice", [qkv, from, graph.int64s([(at + 1) * embedding]), graph.int64s([2])])
      return Blocks.headsFirst(context, Blocks.intoHeads(context, own, heads, sizes.headWidth))
    }
    const attended = Blocks.attention(context, index, sizes, [part(0), part(1), part(2)])
    x = graph.op("Add", [x, linear(attended, layer.attentionOutput)])
    const hidden = Blocks.gelu(context, linear(Blocks.layerNorm(context, x, layer.mlpNorm), layer.mlpInput))
    x = graph.op("Add", [x, linear(hidden, layer.mlpOutput)])
  }
  Blocks.logits(context, Blocks.layerNorm(context, x, gptNames.finalNorm), gptNames.table, vocabularySize)
}

/**
 * Turns the pairs (d, d + D/2) of each head by its position's angle, as Su et al. 2021, arXiv:2104.09864, section 3.4: x ⊙ cos + (−x₂, x₁) ⊙ sin.
 */
const rotary = <E>({ graph, positions }: Blocks.Context<E>, headWidth: number, theta: number) => {
  const { int64s, op } = graph
  const rates = Array.from({ length: headWidth / 2 }, (_, pair) => theta ** ((-2 * pair) / headWidth))
  const at = op("Unsqueeze", [op("Cast", [positions], { to: dataTypes.float32 }), int64s([1, 3])])
  const angles = op("Mul", [at, graph.float32s(rates)])
  const [cos, sin] = [op("Cos", [angles]), op("Sin", [angles])]
  return (x: Value): Value => {
    const [first, second] = graph.halves(x)
    return op(
      "Concat",
      [
        op("Sub", [op("Mul", [first, cos]), op("Mul", [second, sin])]),
        op("Add", [op("Mul", [second, cos]), op("Mul", [first, sin])])
      ],
      { axis: -1 }
    )
  }
}

const qwen = <E>(context: Blocks.Context<E>, { model, vocabularySize }: Sized<QwenConfig>): void => {
  const { graph, ids, parameter } = context
  const { epsilon, heads, layers, qkNorm, theta, tied } = model
  const { headWidth, keyValueHeads } = widthsOf(model)
  const norm = (x: Value, name: string) => Blocks.rmsNorm(context, x, name, epsilon)
  const linear = (x: Value, name: string) => Blocks.linear(context, x, name)
  const turn = rotary(context, headWidth, theta)
  let x = graph.op("Gather", [graph.weight(parameter(qwenNames.table)), ids], { axis: 0 })
  for (let index = 0; index < layers; index++) {
    const layer = qwenNames.layer(index)
    const input = norm(x, layer.attentionNorm)
    const project = (weight: string, count: number) =>
      Blocks.intoHeads(context, linear(input, weight), count, headWidth)
    const normed = (projected: Value, gain: string) => (qkNorm ? norm(projected, gain) : projected)
    const queries = normed(project(layer.query, heads), layer.queryNorm)
    const keys = normed(project(layer.key, keyValueHeads), layer.keyNorm)
    const attended = Blocks.attention(context, index, { heads, keyValueHeads, headWidth }, [
      turn(Blocks.headsFirst(context, queries)),
      turn(Blocks.headsFirst(context, keys)),
      Blocks.headsFirst(context, project(layer.value, keyValueHeads))
    ])
    x = graph.op("Add", [x, linear(attended, layer.attentionOutput)])
    const inner = norm(x, layer.mlpNorm)
    const gate = linear(inner, layer.gate)
    const silu = graph.op("Mul", [gate, graph.op("Sigmoid", [gate])])
    x = graph.op("Add", [x, linear(graph.op("Mul", [silu, linear(inner, layer.up)]), layer.mlpOutput)])
  }
  const table = tied ? qwenNames.table : qwenNames.output
  Blocks.logits(context, norm(x, qwenNames.finalNorm), table, vocabularySize)
}

/** Writes a model's forward pass into the graph. */
export const forward = <E>(context: Blocks.Context<E>, spec: Spec): void =>
  spec.model.family === "qwen"
    ? qwen(context, { ...spec, model: spec.model })
    : gpt(context, { ...spec, model: spec.model })

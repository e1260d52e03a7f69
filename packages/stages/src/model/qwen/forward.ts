/**
 * Qwen3's forward pass:
 *
 *   x = dropout(table[tokens])
 *   for each layer: x += dropout(attention(norm(x)));  x += dropout(mlp(norm(x)))
 *   attention(x) = Wo · attend(rope(norm(Wq · x)), rope(norm(Wk · x)), Wv · x), the norms on each head, without them where `qkNorm` is off
 *   mlp(x) = Wdown · (silu(Wgate · x) ⊙ Wup · x)
 *   logits = norm(x) · Woutputᵀ, Woutput = table where they are tied
 *
 * All norms are RMSNorm.
 *
 * Sources: Yang et al. 2025, "Qwen3 Technical Report", arXiv:2505.09388, section 2; Touvron et al. 2023, "LLaMA", arXiv:2302.13971, section 2.2.
 */
import * as Builder from "@trainyard/backends/program/Builder"
import type { Tensor } from "@trainyard/backends/program/Program"
import { dropoutOf } from "../dropoutOf.ts"
import type { Forward, ForwardOptions, Sized } from "../Family.ts"
import { Ports } from "../Ports.ts"
import { type Positions, positionsOf } from "../positions.ts"
import type { QwenConfig } from "../Qwen.ts"
import { dropoutsOf } from "./dropouts.ts"
import { names } from "./parameters.ts"
import { widthsOf } from "./widths.ts"

type LayerNames = ReturnType<typeof names.layer>

/** What the layers of one program have in common. */
interface Context {
  readonly builder: Builder.Builder
  readonly spec: Sized<QwenConfig>
  readonly options: ForwardOptions
  readonly positions: Positions
  readonly norm: (x: Tensor, weights: string, size: number, scope: string) => Tensor
  readonly linear: (x: Tensor, weights: string, output: number, scope: string) => Tensor
}

const contextOf = (spec: Sized<QwenConfig>, options: ForwardOptions): Context => {
  const builder = Builder.make(options.name)
  const parameter = (own: string, shape: ReadonlyArray<number>) =>
    builder.parameter(options.weights(own), shape)
  return {
    builder,
    spec,
    options,
    positions: positionsOf(builder, options),
    norm: (x, weights, size, scope) =>
      builder.apply(
        "rmsNorm",
        { x, gain: parameter(weights, [size]) },
        { epsilon: spec.model.epsilon },
        scope
      ),
    linear: (x, weights, output, scope) =>
      builder.linear(x, { weight: parameter(weights, [output, x.shape.at(-1)!]) }, scope)
  }
}

/** Queries or keys [B, T, H·D], normalised head by head and turned by their positions. */
const positioned = (
  { norm, positions, spec, builder }: Context,
  x: Tensor,
  heads: number,
  weights: string,
  scope: string
): Tensor => {
  const { headWidth } = widthsOf(spec.model)
  const normed = spec.model.qkNorm ? norm(x, weights, headWidth, `${scope}_norm`) : x
  return builder.apply(
    "rope",
    { x: normed, offset: positions.offset },
    { heads, theta: spec.model.theta },
    `${scope}_rope`
  )
}

/** The attention layer without its output projection: [B, T, C] to [B, T, H·D]. */
const attention = (context: Context, x: Tensor, weights: LayerNames, scope: string): Tensor => {
  const { builder, linear, options, positions, spec } = context
  const { heads } = spec.model
  const { keyValue, keyValueHeads: groups, query: width } = widthsOf(spec.model)
  const query = positioned(
    context,
    linear(x, weights.query, width, `${scope}.q_proj`),
    heads,
    weights.queryNorm,
    `${scope}.q`
  )
  const key = positioned(
    context,
    linear(x, weights.key, keyValue, `${scope}.k_proj`),
    groups,
    weights.keyNorm,
    `${scope}.k`
  )
  const shared = { heads, groups }
  const value = linear(x, weights.value, keyValue, `${scope}.v_proj`)
  if (options.attention !== "cached") {
    const starts =
      options.attention === "documents"
        ? builder.input(Ports.starts, [options.batch, options.length], "i32")
        : undefined
    return builder.apply("groupedAttention", { query, key, value, starts }, shared, `${scope}.attention`)
  }
  const cache = [options.slots ?? options.batch, spec.sequenceLength, keyValue]
  const keys = builder.state(`${scope}.cache.keys`, cache)
  const values = builder.state(`${scope}.cache.values`, cache)
  return builder.apply(
    "groupedAttentionCached",
    { query, key, value, keys, values, ...positions },
    shared,
    `${scope}.attention`
  )
}

/** The SwiGLU layer: [B, T, C] to [B, T, C]. */
const mlp = ({ builder, linear, spec }: Context, x: Tensor, weights: LayerNames, scope: string): Tensor => {
  const { hidden } = widthsOf(spec.model)
  const gate = linear(x, weights.gate, hidden, `${scope}.gate_proj`)
  const up = linear(x, weights.up, hidden, `${scope}.up_proj`)
  const activated = builder.apply("swiglu", { gate, up }, {}, `${scope}.swiglu`)
  return linear(activated, weights.mlpOutput, spec.model.embedding, `${scope}.down_proj`)
}

export const forward = (spec: Sized<QwenConfig>, options: ForwardOptions): Forward => {
  const context = contextOf(spec, options)
  const { builder, linear, norm } = context
  const { embedding, layers, tied } = spec.model
  const dropout = dropoutsOf(spec.model)
  const drop = dropoutOf(builder, options.training)
  const vocabulary = [spec.vocabularySize, embedding]
  const table = builder.parameter(options.weights(names.table), vocabulary)
  const tokens = builder.input(Ports.tokens, [options.batch, options.length], "i32")
  let x = drop(
    builder.apply("gather", { table, index: tokens }, {}, "embedding"),
    dropout.embedding,
    "embedding.dropout"
  )
  for (let index = 0; index < layers; index++) {
    const weights = names.layer(index)
    const scope = `layers.${index}`
    const attended = attention(
      context,
      norm(x, weights.attentionNorm, embedding, `${scope}.input_norm`),
      weights,
      `${scope}.attn`
    )
    const projected = linear(attended, weights.attentionOutput, embedding, `${scope}.attn.o_proj`)
    x = builder.add(x, drop(projected, dropout.attention, `${scope}.attn.dropout`), `${scope}.attn.residual`)
    const output = mlp(
      context,
      norm(x, weights.mlpNorm, embedding, `${scope}.mlp_norm`),
      weights,
      `${scope}.mlp`
    )
    x = builder.add(x, drop(output, dropout.mlp, `${scope}.mlp.dropout`), `${scope}.mlp.residual`)
  }
  return {
    builder,
    x: norm(x, names.finalNorm, embedding, "norm"),
    output: tied ? table : builder.parameter(options.weights(names.output), vocabulary)
  }
}

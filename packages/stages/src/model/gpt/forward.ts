/**
 * GPT-2's forward pass, layer norm first:
 *
 *   x = dropout(table[tokens] + positions)
 *   for each layer: x += dropout(attention(norm(x)));  x += dropout(mlp(norm(x))), mlp = linear ∘ gelu ∘ linear
 *   logits = norm(x) · tableᵀ
 *
 * Source: Radford et al. 2019, GPT-2; its published weights fit these programs.
 */
import * as Builder from "@trainyard/backends/program/Builder"
import type { Tensor } from "@trainyard/backends/program/Program"
import { dropoutOf } from "../dropoutOf.ts"
import type { Forward, ForwardOptions, Sized } from "../Family.ts"
import type { GptConfig } from "../Gpt.ts"
import { Ports } from "../Ports.ts"
import { type Positions, positionsOf } from "../positions.ts"
import { names } from "./parameters.ts"

/** The layers that have weights, by the name of the weights and the scope of the step. */
const layersOf = (builder: Builder.Builder, { bias, embedding }: GptConfig, options: ForwardOptions) => {
  const parameter = (own: string, shape: ReadonlyArray<number>) =>
    builder.parameter(options.weights(own), shape)
  return {
    parameter,
    norm: (x: Tensor, weights: string, scope: string) =>
      builder.layerNorm(
        x,
        {
          gain: parameter(`${weights}.weight`, [embedding]),
          bias: bias ? parameter(`${weights}.bias`, [embedding]) : undefined
        },
        scope
      ),
    linear: (x: Tensor, weights: string, output: number, input: number, scope: string) =>
      builder.linear(
        x,
        {
          weight: parameter(`${weights}.weight`, [output, input]),
          bias: bias ? parameter(`${weights}.bias`, [output]) : undefined
        },
        scope
      )
  }
}

/** Attention within one layer: `layer` declares names in that layer's scope. */
const attend = (
  layer: Builder.Builder,
  qkv: Tensor,
  positions: Positions,
  spec: Sized<GptConfig>,
  options: ForwardOptions
): Tensor => {
  const { embedding, heads } = spec.model
  if (options.attention !== "cached") return layer.attention(qkv, { heads }, "attention")
  const cache = [options.slots ?? options.batch, spec.sequenceLength, embedding]
  return layer.attentionCached(
    qkv,
    {
      keys: layer.state("cache.keys", cache),
      values: layer.state("cache.values", cache),
      ...positions,
      heads
    },
    "attention"
  )
}

export const forward = (spec: Sized<GptConfig>, options: ForwardOptions): Forward => {
  const { dropout, embedding, layers } = spec.model
  const builder = Builder.make(options.name)
  const { linear, norm, parameter } = layersOf(builder, spec.model, options)
  const drop = dropoutOf(builder, options.training)
  const positions = positionsOf(builder, options)
  const table = parameter(names.table, [spec.vocabularySize, embedding])
  let x = builder.embedding(
    {
      tokens: builder.input(Ports.tokens, [options.batch, options.length], "i32"),
      offset: positions.offset,
      table,
      positions: parameter(names.positions, [spec.sequenceLength, embedding])
    },
    "embedding"
  )
  x = drop(x, dropout, "embedding.dropout")
  for (let index = 0; index < layers; index++) {
    const weights = names.layer(index)
    const scope = `h.${index}`
    const qkv = linear(
      norm(x, weights.attentionNorm, `${scope}.ln_1`),
      weights.attentionInput,
      3 * embedding,
      embedding,
      `${scope}.attn.c_attn`
    )
    const attended = attend(builder.within(scope), qkv, positions, spec, options)
    const projected = linear(attended, weights.attentionOutput, embedding, embedding, `${scope}.attn.c_proj`)
    x = builder.add(x, drop(projected, dropout, `${scope}.attn.dropout`), `${scope}.attn.residual`)
    const hidden = linear(
      norm(x, weights.mlpNorm, `${scope}.ln_2`),
      weights.mlpInput,
      4 * embedding,
      embedding,
      `${scope}.mlp.c_fc`
    )
    const activated = builder.gelu(hidden, `${scope}.mlp.gelu`)
    const output = linear(activated, weights.mlpOutput, embedding, 4 * embedding, `${scope}.mlp.c_proj`)
    x = builder.add(x, drop(output, dropout, `${scope}.mlp.dropout`), `${scope}.mlp.residual`)
  }
  return { builder, x: norm(x, names.finalNorm, "ln_f"), output: table }
}

/** The tensors of a Qwen3-style transformer: names, shapes, initial values. Names and shapes are those of Hugging Face's `Qwen3ForCausalLM`. */
import type { Parameter, Sized } from "../Family.ts"
import type { QwenConfig } from "../Qwen.ts"
import { widthsOf } from "./widths.ts"

export const names = {
  table: "model.embed_tokens.weight",
  finalNorm: "model.norm.weight",
  /** The output layer's weight where it is not the embedding's. */
  output: "lm_head.weight",
  layer: (index: number) => {
    const block = `model.layers.${index}`
    return {
      attentionNorm: `${block}.input_layernorm.weight`,
      query: `${block}.self_attn.q_proj.weight`,
      key: `${block}.self_attn.k_proj.weight`,
      value: `${block}.self_attn.v_proj.weight`,
      attentionOutput: `${block}.self_attn.o_proj.weight`,
      queryNorm: `${block}.self_attn.q_norm.weight`,
      keyNorm: `${block}.self_attn.k_norm.weight`,
      mlpNorm: `${block}.post_attention_layernorm.weight`,
      gate: `${block}.mlp.gate_proj.weight`,
      up: `${block}.mlp.up_proj.weight`,
      mlpOutput: `${block}.mlp.down_proj.weight`
    }
  }
} as const

const matrix = (
  name: string,
  shape: readonly [rows: number, columns: number],
  deviation: number,
  isHidden: boolean
): Parameter => ({ name, shape, decays: true, hiddenMatrices: isHidden ? 1 : 0, initial: { deviation } })

const gain = (name: string, size: number): Parameter => ({
  name,
  shape: [size],
  decays: false,
  hiddenMatrices: 0,
  initial: { constant: 1 }
})

/** All parameters, layer by layer. */
export const parameters = (spec: Sized<QwenConfig>): ReadonlyArray<Parameter> => {
  const { embedding, layers, qkNorm, tied } = spec.model
  const { headWidth, hidden, keyValue, query } = widthsOf(spec.model)
  // As in GPT-2: each layer adds to the residual stream twice, so those weights start smaller the deeper the model.
  const residual = 0.02 / Math.sqrt(2 * layers)
  return [
    matrix(names.table, [spec.vocabularySize, embedding], 0.02, false),
    ...Array.from({ length: layers }, (_, index) => names.layer(index)).flatMap((layer) => [
      gain(layer.attentionNorm, embedding),
      matrix(layer.query, [query, embedding], 0.02, true),
      matrix(layer.key, [keyValue, embedding], 0.02, true),
      matrix(layer.value, [keyValue, embedding], 0.02, true),
      ...(qkNorm ? [gain(layer.queryNorm, headWidth), gain(layer.keyNorm, headWidth)] : []),
      matrix(layer.attentionOutput, [embedding, query], residual, true),
      gain(layer.mlpNorm, embedding),
      matrix(layer.gate, [hidden, embedding], 0.02, true),
      matrix(layer.up, [hidden, embedding], 0.02, true),
      matrix(layer.mlpOutput, [embedding, hidden], residual, true)
    ]),
    gain(names.finalNorm, embedding),
    ...(tied ? [] : [matrix(names.output, [spec.vocabularySize, embedding], 0.02, false)])
  ]
}

/**
 * The tensors of a GPT-2-style transformer: names, shapes, initial values.
 *
 * The names are those of Hugging Face's `GPT2LMHeadModel`. Linear weights are [out, in] here and [in, out] in its files (`Conv1D`).
 */
import type { Parameter, Sized } from "../Family.ts"
import type { GptConfig } from "../Gpt.ts"

export const names = {
  table: "transformer.wte.weight",
  positions: "transformer.wpe.weight",
  finalNorm: "transformer.ln_f",
  layer: (index: number) => {
    const block = `transformer.h.${index}`
    return {
      attentionNorm: `${block}.ln_1`,
      attentionInput: `${block}.attn.c_attn`,
      attentionOutput: `${block}.attn.c_proj`,
      mlpNorm: `${block}.ln_2`,
      mlpInput: `${block}.mlp.c_fc`,
      mlpOutput: `${block}.mlp.c_proj`
    }
  }
} as const

/** A matrix of a hidden layer, or `hiddenMatrices` of them one below the other. */
const matrix = (
  name: string,
  shape: readonly [rows: number, columns: number],
  deviation: number,
  hiddenMatrices: number
): Parameter => ({ name, shape, decays: true, hiddenMatrices, initial: { deviation } })

const vector = (name: string, size: number, constant: number): Parameter => ({
  name,
  shape: [size],
  decays: false,
  hiddenMatrices: 0,
  initial: { constant }
})

/** All parameters, in the order of GPT-2's files. The output layer is tied to `transformer.wte.weight`. */
export const parameters = (spec: Sized<GptConfig>): ReadonlyArray<Parameter> => {
  const { bias, embedding, layers } = spec.model
  // As in GPT-2: each layer adds to the residual stream twice, so those weights start smaller the deeper the model.
  const residual = 0.02 / Math.sqrt(2 * layers)
  const norm = (name: string) => [
    vector(`${name}.weight`, embedding, 1),
    ...(bias ? [vector(`${name}.bias`, embedding, 0)] : [])
  ]
  const linear = (name: string, output: number, input: number, deviation: number, matrices = 1) => [
    matrix(`${name}.weight`, [output, input], deviation, matrices),
    ...(bias ? [vector(`${name}.bias`, output, 0)] : [])
  ]
  return [
    matrix(names.table, [spec.vocabularySize, embedding], 0.02, 0),
    // Positions begin sinusoidal and do not decay: see `initialValues`.
    {
      name: names.positions,
      shape: [spec.sequenceLength, embedding],
      decays: false,
      hiddenMatrices: 0,
      initial: { sinusoidal: 0.02 }
    },
    ...Array.from({ length: layers }, (_, index) => names.layer(index)).flatMap((layer) => [
      ...norm(layer.attentionNorm),
      ...linear(layer.attentionInput, 3 * embedding, embedding, 0.02, 3),
      ...linear(layer.attentionOutput, embedding, embedding, residual),
      ...norm(layer.mlpNorm),
      ...linear(layer.mlpInput, 4 * embedding, embedding, 0.02),
      ...linear(layer.mlpOutput, embedding, 4 * embedding, residual)
    ]),
    ...norm(names.finalNorm)
  ]
}

/**
 * The tensors of a GPT-2-style transformer: names, shapes, initial values.
 *
 * The names are those of Hugging Face's `GPT2LMHeadModel`. Linear weights are [out, in] here and [in, out] in its files
 * (`Conv1D`); `transposed` says which.
 */

import { draws, fillNormal } from "./draws.ts"
import type { GptConfig } from "./Gpt.ts"

/** A transformer with all its sizes. */
export interface Spec {
  readonly model: GptConfig
  readonly vocabularySize: number
  /** Longest context, in tokens; the number of learned positions. */
  readonly sequenceLength: number
}

export interface Parameter {
  readonly name: string
  readonly shape: ReadonlyArray<number>
  /** Matrices decay; biases, gains and positions do not. */
  readonly decays: boolean
  /** Whether Hugging Face's files hold the transpose. */
  readonly transposed: boolean
  /** A constant, the deviation of normal values, or the root mean square of sinusoidal rows. */
  readonly initial:
    | { readonly constant: number }
    | { readonly deviation: number }
    | { readonly sinusoidal: number }
}

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

/** All parameters, in the order of GPT-2's files. The output layer is tied to `transformer.wte.weight`. */
export const parameters = (spec: Spec): ReadonlyArray<Parameter> => {
  const { bias, embedding, layers } = spec.model
  // As in GPT-2: each layer adds to the residual stream twice, so those weights start smaller the deeper the model.
  const residual = 0.02 / Math.sqrt(2 * layers)
  const matrix = (name: string, rows: number, columns: number, deviation: number, transposed: boolean) => ({
    name,
    shape: [rows, columns],
    decays: true,
    transposed,
    initial: { deviation }
  })
  const vector = (name: string, size: number, constant: number): Parameter => ({
    name,
    shape: [size],
    decays: false,
    transposed: false,
    initial: { constant }
  })
  const norm = (name: string) => [
    vector(`${name}.weight`, embedding, 1),
    ...(bias ? [vector(`${name}.bias`, embedding, 0)] : [])
  ]
  const linear = (name: string, output: number, input: number, deviation: number) => [
    matrix(`${name}.weight`, output, input, deviation, true),
    ...(bias ? [vector(`${name}.bias`, output, 0)] : [])
  ]
  return [
    matrix(names.table, spec.vocabularySize, embedding, 0.02, false),
    // Positions begin sinusoidal and do not decay: see `fillSinusoidal`.
    {
      name: names.positions,
      shape: [spec.sequenceLength, embedding],
      decays: false,
      transposed: false,
      initial: { sinusoidal: 0.02 }
    },
    ...Array.from({ length: layers }, (_, index) => names.layer(index)).flatMap((layer) => [
      ...norm(layer.attentionNorm),
      ...linear(layer.attentionInput, 3 * embedding, embedding, 0.02),
      ...linear(layer.attentionOutput, embedding, embedding, residual),
      ...norm(layer.mlpNorm),
      ...linear(layer.mlpInput, 4 * embedding, embedding, 0.02),
      ...linear(layer.mlpOutput, embedding, 4 * embedding, residual)
    ]),
    ...norm(names.finalNorm)
  ]
}

const sizeOf = (parameter: Parameter): number => parameter.shape.reduce((product, side) => product * side, 1)

/** The true number of trained numbers; the tied output layer counts once. */
export const parameterCount = (spec: Spec): number =>
  parameters(spec).reduce((sum, parameter) => sum + sizeOf(parameter), 0)

/**
 * Fills [T, C] with sinusoidal positions: a sine and a cosine for each pair of columns, with wavelengths in geometric steps from 2π rows
 * to 4T. A fixed distance between two rows is then the same rotation at every position, so heads that look a fixed distance back are
 * learned within few steps. GPT-2's independent normal rows must learn each distance at each position, for which a small corpus is too
 * small (docs/benchmarks.md has a figure).
 *
 * Source: Vaswani et al. 2017, section 3.5, whose wavelengths end at 10,000 · 2π; wavelengths far beyond T would not distinguish rows.
 */
const fillSinusoidal = (values: Float32Array, [rows, columns]: ReadonlyArray<number>, rms: number): void => {
  const pairs = Math.ceil(columns! / 2)
  for (let index = 0; index < values.length; index++) {
    const row = Math.floor(index / columns!)
    const column = index % columns!
    const frequency = ((2 * Math.PI) / (4 * rows!)) ** ((column >> 1) / Math.max(1, pairs - 1))
    const wave = column % 2 === 0 ? Math.sin : Math.cos
    values[index] = rms * Math.SQRT2 * wave(row * frequency)
  }
}

/** A parameter's values before training: a pure function of (seed, its name). */
export const initialValues = (parameter: Parameter, seed: number): Float32Array => {
  const { initial, name, shape } = parameter
  const values = new Float32Array(sizeOf(parameter))
  if ("constant" in initial) values.fill(initial.constant)
  else if ("sinusoidal" in initial) fillSinusoidal(values, shape, initial.sinusoidal)
  else fillNormal(values, initial.deviation, draws(seed, "initial", name))
  return values
}

/** Why these sizes are invalid, or undefined when they are valid. */
export const faultOf = ({ embedding, heads }: GptConfig): string | undefined =>
  embedding % heads === 0
    ? undefined
    : `model.heads ${heads} does not divide model.embedding ${embedding}; use a number of heads that does`

/** The tensors of a model of any family, and their initial values. */
import { draws, fillNormal } from "./draws.ts"
import type { Parameter } from "./Family.ts"
import { type Spec, using } from "./families.ts"

export type { Parameter } from "./Family.ts"
export { faultOf, type Spec } from "./families.ts"

/** All parameters, in the order of the published file. */
export const parameters = (spec: Spec): ReadonlyArray<Parameter> =>
  using(spec.model, (family, model) => family.parameters({ ...spec, model }))

const sizeOf = (parameter: Parameter): number => parameter.shape.reduce((product, side) => product * side, 1)

/** The true number of trained numbers; a tied output layer counts once. */
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

/** How weights begin: at random, or with an induction head. */
export type Initialization = "random" | "induction"

/** Why a model cannot begin in this way, in a clause; undefined when it can. */
export const initializationFault = (spec: Spec, initialization: Initialization): string | undefined =>
  initialization === "random"
    ? undefined
    : using(spec.model, (family, model) =>
        family.induction === undefined
          ? `${family.title(model)} has no such initial weights`
          : family.induction.faultOf({ ...spec, model })
      )

/** The values of a model's parameters before training. */
export const initialWeights = (
  spec: Spec,
  seed: number,
  initialization: Initialization
): ((parameter: Parameter) => Float32Array) => {
  const change =
    initialization === "random"
      ? undefined
      : using(spec.model, (family, model) => family.induction?.change({ ...spec, model }, seed))
  return (parameter) => {
    const values = initialValues(parameter, seed)
    change?.(parameter.name, values)
    return values
  }
}

/** A parameter's random values before training: a pure function of (seed, its name). */
export const initialValues = (parameter: Parameter, seed: number): Float32Array => {
  const { initial, name, shape } = parameter
  const values = new Float32Array(sizeOf(parameter))
  if ("constant" in initial) values.fill(initial.constant)
  else if ("sinusoidal" in initial) fillSinusoidal(values, shape, initial.sinusoidal)
  else fillNormal(values, initial.deviation, draws(seed, "initial", name))
  return values
}

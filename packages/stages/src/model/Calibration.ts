/**
 * Temperature scaling: calibrates a model that is too confident because it has seen its text many times. All logits are divided by one
 * number, the temperature, which does not change the order of the tokens.
 *
 * The logits are linear in the output of the final norm, so the number goes into that norm's gain, and its bias where it has one: the
 * weights stay those of a plain transformer.
 *
 * Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599, section 4.2.
 */
import { Effect } from "effect"
import { using } from "./families.ts"
import { type Parameter, parameters, type Spec } from "./Parameters.ts"

/** The parameters that are divided by the temperature. */
export const scaled = (spec: Spec): ReadonlyArray<Parameter> =>
  parameters(spec).filter(({ name }) => using(spec.model, ({ finalNorm }) => finalNorm.includes(name)))

/** Their values for a temperature. */
export const temperatureScaled = (values: Float32Array, temperature: number): Float32Array =>
  values.map((value) => value / temperature)

/** Ratio of neighbouring temperatures that are tried: the loss is flat around its least. */
const stride = 1.05
const limits = { least: 0.5, most: 4 }

/**
 * The temperature near `start` whose loss is least, by walking downhill in strides of 5 percent. Stays at `start` where no loss is finite.
 */
export const fit = <E, R>(
  start: number,
  lossAt: (temperature: number) => Effect.Effect<number, E, R>
): Effect.Effect<number, E, R> =>
  Effect.gen(function* () {
    let best = { temperature: start, loss: yield* lossAt(start) }
    for (const ratio of [stride, 1 / stride]) {
      let moved = false
      while (true) {
        const temperature = best.temperature * ratio
        if (temperature < limits.least || temperature > limits.most) break
        const loss = yield* lossAt(temperature)
        if (!(loss < best.loss)) break
        best = { temperature, loss }
        moved = true
      }
      if (moved) break
    }
    return best.temperature
  })

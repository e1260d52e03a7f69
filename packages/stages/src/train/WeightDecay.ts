/**
 * Weight decay by its time scale. AdamW's weights are an exponential moving average of its updates over about 1 / (learning rate · weight decay)
 * steps. That number in epochs is what stays the same when batch size, steps or the amount of text change.
 *
 * Source: Wang, Aitchison 2024, arXiv:2405.13698; Kim et al. 2025, arXiv:2509.14786, whose settings for many epochs are all at 0.2 to 0.5.
 */
import { Schema } from "effect"
import { notNegative, positive } from "./numbers.ts"

/** A number, or the time scale in epochs that it is computed from. */
export const WeightDecay = Schema.Union([notNegative, Schema.Struct({ timescaleEpochs: positive })])
export type WeightDecay = typeof WeightDecay.Type

export interface Decay {
  /** The number that the optimizer is given. */
  readonly weightDecay: number
  /** Time scale at the peak learning rate, in steps; infinite without decay. */
  readonly steps: number
  /** The same in epochs. */
  readonly epochs: number
}

/** The decay of a group of weights with this peak learning rate. */
export const decayOf = (setting: WeightDecay, learningRate: number, stepsPerEpoch: number): Decay => {
  if (typeof setting === "number") {
    const steps = 1 / (learningRate * setting)
    return { weightDecay: setting, steps, epochs: steps / stepsPerEpoch }
  }
  const steps = setting.timescaleEpochs * stepsPerEpoch
  return { weightDecay: 1 / (learningRate * steps), steps, epochs: setting.timescaleEpochs }
}

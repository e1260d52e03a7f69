/**
 * The learning rate of each step: a linear warm-up, then a decay down to a floor, where it stays.
 *
 * - `cosine`: half a cosine from the end of the warm-up on. Source: Loshchilov, Hutter 2017, arXiv:1608.03983, without restarts; warm-up as
 *   in GPT-2.
 * - `linear`: constant, then a straight line. Source: Zhai et al. 2022, arXiv:2106.04560, section 3.5; Hägele et al. 2024, arXiv:2405.18392.
 */

export interface Schedule {
  readonly kind: "cosine" | "linear"
  /** Optimizer steps in the whole run. */
  readonly steps: number
  /** Steps of warm-up; 0 for none. */
  readonly warmUp: number
  /** Last step before the rate falls: the end of the warm-up, or later. */
  readonly constantUntil: number
  /** Last step of the decay. */
  readonly decay: number
  /** Rate at the end of the warm-up. */
  readonly peak: number
  /** Rate after the decay: a cosine has it at step `decay`, a line comes as near as one of its equal steps. */
  readonly floor: number
}

/** Share of the peak's distance to the floor that is left at a step of the decay. */
const left = ({ constantUntil, decay, kind }: Schedule, step: number): number => {
  const length = decay - constantUntil
  if (length <= 0 || step > decay) return 0
  // A line to zero that reached it at its last step would make that step for nothing.
  return kind === "linear"
    ? (decay + 1 - step) / (length + 1)
    : 0.5 * (1 + Math.cos((Math.PI * (step - constantUntil)) / length))
}

/** Learning rate of step `step`, counted from 1. */
export const learningRate = (schedule: Schedule, step: number): number => {
  const { constantUntil, floor, peak, warmUp } = schedule
  if (step <= warmUp) return (peak * step) / warmUp
  if (step <= constantUntil) return peak
  return floor + left(schedule, step) * (peak - floor)
}

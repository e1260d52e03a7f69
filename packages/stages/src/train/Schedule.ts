/**
 * The learning rate of each step: a straight warm-up, then half a cosine down to a floor, where it stays.
 *
 * Source: Loshchilov, Hutter 2017, arXiv:1608.03983, without restarts; warm-up as in GPT-2.
 */

export interface Schedule {
  /** Optimizer steps in the whole run. */
  readonly steps: number
  /** Steps of warm-up; 0 for none. */
  readonly warmUp: number
  /** Step at which the rate reaches its floor. */
  readonly decay: number
  /** Rate at the end of the warm-up. */
  readonly peak: number
  /** Rate from step `decay` on. */
  readonly floor: number
}

/** Learning rate of step `step`, counted from 1. */
export const learningRate = (schedule: Schedule, step: number): number => {
  const { decay, floor, peak, warmUp } = schedule
  if (step <= warmUp) return (peak * step) / warmUp
  const way = decay <= warmUp ? 1 : Math.min(1, (step - warmUp) / (decay - warmUp))
  return floor + 0.5 * (1 + Math.cos(Math.PI * way)) * (peak - floor)
}

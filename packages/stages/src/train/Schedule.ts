/**
 * The learning rate of each step: a straight warm-up, then half a cosine down to a floor.
 *
 * Source: Loshchilov, Hutter 2017, arXiv:1608.03983, without restarts; warm-up as in GPT-2.
 */

export interface Schedule {
  /** Optimizer steps in the whole run. */
  readonly steps: number
  /** Steps of warm-up; 0 for none. */
  readonly warmUp: number
  /** Rate at the end of the warm-up. */
  readonly peak: number
  /** Rate at the last step. */
  readonly floor: number
}

/** Learning rate of step `step`, counted from 1. */
export const learningRate = (schedule: Schedule, step: number): number => {
  const { floor, peak, steps, warmUp } = schedule
  if (step <= warmUp) return (peak * step) / warmUp
  if (steps <= warmUp) return peak
  const way = Math.min(1, (step - warmUp) / (steps - warmUp))
  return floor + 0.5 * (1 + Math.cos(Math.PI * way)) * (peak - floor)
}

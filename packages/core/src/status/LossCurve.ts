/** The curve of losses as a status keeps it: of any number of steps, about two thousand points. */

/** A point of the loss curve, in nats per token. Null where the loss was not finite. */
export interface LossPoint {
  readonly step: number
  readonly loss: number | null
}

const mostPoints = 2048

const mean = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : (a + b) / 2

/** Adds a point. When there are too many, each two neighbours become one. */
export const add = (losses: ReadonlyArray<LossPoint>, point: LossPoint): ReadonlyArray<LossPoint> => {
  // A run resumed or gone back to a checkpoint repeats steps: what came after that step is forgotten.
  const last = losses.at(-1)
  const kept =
    last !== undefined && last.step >= point.step ? losses.filter(({ step }) => step < point.step) : losses
  if (kept.length < mostPoints) return [...kept, point]
  const thinned: Array<LossPoint> = []
  for (let i = 0; i + 1 < kept.length; i += 2) {
    thinned.push({ step: kept[i + 1]!.step, loss: mean(kept[i]!.loss, kept[i + 1]!.loss) })
  }
  return [...thinned, point]
}

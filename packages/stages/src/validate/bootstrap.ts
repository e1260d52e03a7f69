/**
 * How far a figure over documents may be from that of other documents of the same kind: the percentile bootstrap (Efron and Tibshirani 1993,
 * chapter 13). The documents are drawn with replacement, as many as there are, 1,000 times; the interval holds the middle 95 %.
 */
import { draws } from "../model/draws.ts"

export interface Interval {
  readonly low: number
  readonly high: number
}

const resamples = 1000

/** The figure of each resample of the documents. */
const resampled = (above: ArrayLike<number>, below: ArrayLike<number>, seed: number): Array<number> => {
  const documents = above.length
  if (documents < 2) return []
  const draw = draws(seed, "validate", "bootstrap")
  const figures: Array<number> = []
  for (let sample = 0; sample < resamples; sample++) {
    let top = 0
    let bottom = 0
    for (let i = 0; i < documents; i++) {
      const index = Math.floor(draw() * documents)
      top += above[index]!
      bottom += below[index]!
    }
    if (bottom > 0) figures.push(top / bottom)
  }
  return figures
}

/** A figure is the sum of one value over the documents, divided by the sum of another. */
export const intervalOf = (
  above: ArrayLike<number>,
  below: ArrayLike<number>,
  seed: number
): Interval | null => {
  const figures = resampled(above, below, seed).sort((a, b) => a - b)
  if (figures.length === 0) return null
  const at = (share: number) => figures[Math.round(share * (figures.length - 1))]!
  return { low: at(0.025), high: at(0.975) }
}

/** Standard error of such a figure: the standard deviation over the resamples. Null where there is one document. */
export const standardErrorOf = (
  above: ArrayLike<number>,
  below: ArrayLike<number>,
  seed: number
): number | null => {
  const figures = resampled(above, below, seed)
  if (figures.length < 2) return null
  const mean = figures.reduce((sum, each) => sum + each, 0) / figures.length
  return Math.sqrt(figures.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (figures.length - 1))
}

/** The value in the middle; of an even number, the mean of the two. */
export const medianOf = (values: ReadonlyArray<number>): number | null => {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/**
 * Curves of bounded length: down-sampling of metrics and health to at most `maximumPoints`. When a curve is full, each two neighbours become
 * one point with their mean, minimum and maximum, so that a spike among a million steps stays visible.
 */
import type { HealthPoint, Point } from "./RunState.ts"

export const maximumPoints = 2048
export const maximumHealthPoints = 512

const mean = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : (a + b) / 2

const finite = (...values: ReadonlyArray<number | null | undefined>): ReadonlyArray<number> =>
  values.filter((value): value is number => value !== null && value !== undefined)

/** Two neighbours as one, at the step and time of the later. */
const merged = (a: Point, b: Point): Point => {
  const all = finite(a.value, a.low, a.high, b.value, b.low, b.high)
  const range = all.length === 0 ? {} : { low: Math.min(...all), high: Math.max(...all) }
  return { step: b.step, value: mean(a.value, b.value), seconds: b.seconds, ...range }
}

const halved = <A>(items: ReadonlyArray<A>, merge: (a: A, b: A) => A): Array<A> => {
  const half: Array<A> = []
  for (let i = 0; i + 1 < items.length; i += 2) half.push(merge(items[i]!, items[i + 1]!))
  return half
}

/** The curve with one more point. */
export const addPoint = (points: ReadonlyArray<Point>, point: Point): ReadonlyArray<Point> => {
  // A stage that resumes repeats steps: the points after the one that it went back to are dropped.
  const last = points.at(-1)
  const kept =
    last !== undefined && last.step >= point.step ? points.filter(({ step }) => step < point.step) : points
  return kept.length < maximumPoints ? [...kept, point] : [...halved(kept, merged), point]
}

/** The higher of both: a peak of memory must not vanish. */
const peak = (a: HealthPoint, b: HealthPoint): HealthPoint => ({
  seconds: b.seconds,
  residentBytes: Math.max(a.residentBytes, b.residentBytes),
  heapBytes: Math.max(a.heapBytes, b.heapBytes),
  cpu: Math.max(a.cpu, b.cpu)
})

/** The curve of health with one more sample. */
export const addHealth = (
  points: ReadonlyArray<HealthPoint>,
  point: HealthPoint
): ReadonlyArray<HealthPoint> =>
  points.length < maximumHealthPoints ? [...points, point] : [...halved(points, peak), point]

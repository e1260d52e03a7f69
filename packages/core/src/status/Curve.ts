/**
 * Curves of bounded length: down-sampling of metrics and health to at most `maximumPoints`. When a curve is full, each two neighbours become
 * one point, and from then on a point stands for twice as many values: all points of a curve but the last stand for equally many, so its
 * beginning is as fine as its end. A merged point of a metric keeps the lowest and highest value, so that a spike stays visible.
 */
import type { HealthPoint, Point } from "./RunState.ts"

export const maximumPoints = 2048
export const maximumHealthPoints = 512

interface Weighted {
  /** How many values it stands for; absent for one. */
  readonly of?: number
}

const weight = ({ of = 1 }: Weighted): number => of

/** The points with one more. */
const bounded = <A extends Weighted>(
  points: ReadonlyArray<A>,
  point: A,
  most: number,
  merge: (a: A, b: A) => A
): ReadonlyArray<A> => {
  const [first] = points
  const last = points.at(-1)
  if (first === undefined || last === undefined) return [point]
  const each = weight(first)
  if (points.length > 1 && weight(last) < each) return points.with(points.length - 1, merge(last, point))
  if (points.length < most) return [...points, point]
  const half: Array<A> = []
  for (let i = 0; i + 1 < points.length; i += 2) half.push(merge(points[i]!, points[i + 1]!))
  return [...half, point]
}

const finite = (...values: ReadonlyArray<number | null | undefined>): ReadonlyArray<number> =>
  values.filter((value): value is number => value !== null && value !== undefined)

/** Two neighbours as one, at the step and time of the later. A mean is of the values that are finite. */
const merged = (a: Point, b: Point): Point => {
  const of = weight(a) + weight(b)
  const value =
    a.value === null || b.value === null
      ? (a.value ?? b.value)
      : (a.value * weight(a) + b.value * weight(b)) / of
  const all = finite(a.value, a.low, a.high, b.value, b.low, b.high)
  const range = all.length === 0 ? {} : { low: Math.min(...all), high: Math.max(...all) }
  return { step: b.step, value, seconds: b.seconds, ...range, of }
}

/** The curve with one more point. */
export const addPoint = (points: ReadonlyArray<Point>, point: Point): ReadonlyArray<Point> => {
  // A stage that resumes repeats steps: the points after the one that it went back to are dropped.
  const last = points.at(-1)
  const kept =
    last !== undefined && last.step >= point.step ? points.filter(({ step }) => step < point.step) : points
  return bounded(kept, point, maximumPoints, merged)
}

/** The higher of both: a peak of memory must not vanish. */
const peak = (a: HealthPoint, b: HealthPoint): HealthPoint => ({
  seconds: b.seconds,
  residentBytes: Math.max(a.residentBytes, b.residentBytes),
  heapBytes: Math.max(a.heapBytes, b.heapBytes),
  cpu: Math.max(a.cpu, b.cpu),
  of: weight(a) + weight(b)
})

/** The curve of health with one more sample. */
export const addHealth = (
  points: ReadonlyArray<HealthPoint>,
  point: HealthPoint
): ReadonlyArray<HealthPoint> => bounded(points, point, maximumHealthPoints, peak)

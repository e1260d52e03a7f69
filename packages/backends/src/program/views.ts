/** What a view of a primitive's step must fulfil: inside its tensor, and for outputs each element at most once. */
import type { Shape } from "./Operation.ts"
import type { View } from "./primitives.ts"

const isNumbers = (value: unknown, length: number): value is ReadonlyArray<number> =>
  Array.isArray(value) && value.length === length && value.every((one) => Number.isInteger(one))

/** Coordinates along each axis where the view has elements: [low, high). */
const ranges = (view: View, shape: Shape): ReadonlyArray<readonly [number, number]> =>
  shape.map((size, axis) => [Math.max(0, view.low?.[axis] ?? 0), Math.min(size, view.high?.[axis] ?? size)])

/** What is wrong with a view of `size` elements from a step's shape; undefined when nothing is. */
export const viewFault = (view: View, shape: Shape, size: number): string | undefined => {
  const length = shape.length
  if (typeof view !== "object" || view === null || !Number.isInteger(view.offset))
    return "has a view without a whole offset"
  if (!isNumbers(view.strides, length)) return `has a view whose strides are not ${length} whole numbers`
  for (const bound of [view.low, view.high])
    if (bound !== undefined && !isNumbers(bound, length))
      return `has a view whose bounds are not ${length} whole numbers`
  const all = ranges(view, shape)
  if (all.some(([low, high]) => low >= high)) return undefined
  let [first, last] = [view.offset, view.offset]
  for (const [axis, [low, high]] of all.entries()) {
    const ends = [low * view.strides[axis]!, (high - 1) * view.strides[axis]!]
    first += Math.min(...ends)
    last += Math.max(...ends)
  }
  return first >= 0 && last < size
    ? undefined
    : `has a view of elements ${first} to ${last} of a tensor of ${size}`
}

/** How many elements a view of a step's shape reaches, where no two coordinates reach one. */
export const reachOf = (view: View, shape: Shape): number =>
  ranges(view, shape).reduce((product, [low, high]) => product * Math.max(0, high - low), 1)

/** Whether no two coordinates reach one element; strides that interleave count as if they did. */
export const isInjective = (view: View, shape: Shape): boolean => {
  const axes = ranges(view, shape)
    .map(([low, high], axis) => ({ count: high - low, stride: Math.abs(view.strides[axis]!) }))
    .filter(({ count }) => count > 1)
    .sort((a, b) => a.stride - b.stride)
  let reach = 0
  for (const { count, stride } of axes) {
    if (stride <= reach) return false
    reach += stride * (count - 1)
  }
  return true
}

const bound = (values: ReadonlyArray<number> | undefined, axis: number, otherwise: number) =>
  values?.[axis] ?? otherwise

/** Whether two views reach the same elements from the same coordinates. */
export const sameView = (a: View, b: View, shape: Shape): boolean =>
  a.offset === b.offset &&
  shape.every(
    (size, axis) =>
      (size === 1 || a.strides[axis] === b.strides[axis]) &&
      bound(a.low, axis, 0) === bound(b.low, axis, 0) &&
      bound(a.high, axis, size) === bound(b.high, axis, size)
  )

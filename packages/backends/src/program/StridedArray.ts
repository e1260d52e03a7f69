/**
 * Strided arrays: a tensor's elements seen in some shape. Transposing, slicing, padding and broadcasting change how elements are reached and
 * compute nothing. As in NumPy's `ndarray`; padding is an addition.
 */
import type { DataType, Shape, Tensor } from "./Program.ts"
import type { View } from "./primitives.ts"

export interface StridedArray {
  /** Name of the tensor that holds the elements. */
  readonly tensor: string
  readonly type: DataType
  readonly shape: Shape
  readonly view: View
}

/** Strides of a row-major array. */
export const rowMajor = (shape: Shape): ReadonlyArray<number> => {
  const strides = shape.map(() => 1)
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!
  return strides
}

/** A whole tensor. */
export const whole = (tensor: Tensor): StridedArray => ({
  tensor: tensor.name,
  type: tensor.type,
  shape: tensor.shape,
  view: { offset: 0, strides: rowMajor(tensor.shape) }
})

/** Where an axis of an array has elements: outside it is 0. */
const bounds = ({ shape, view }: StridedArray, axis: number): readonly [low: number, high: number] => [
  Math.max(0, view.low?.[axis] ?? 0),
  Math.min(shape[axis]!, view.high?.[axis] ?? shape[axis]!)
]

export const isPadded = (array: StridedArray, axis: number): boolean => {
  const [low, high] = bounds(array, axis)
  return low > 0 || high < array.shape[axis]!
}

interface Axis {
  readonly size: number
  readonly stride: number
  readonly low: number
  readonly high: number
}

const axesOf = (array: StridedArray): ReadonlyArray<Axis> =>
  array.shape.map((size, axis) => {
    const [low, high] = bounds(array, axis)
    return { size, stride: array.view.strides[axis]!, low, high }
  })

const withAxes = (
  array: StridedArray,
  axes: ReadonlyArray<Axis>,
  offset = array.view.offset
): StridedArray => ({
  ...array,
  shape: axes.map(({ size }) => size),
  view: {
    offset,
    strides: axes.map(({ stride }) => stride),
    ...(axes.some(({ high, low, size }) => low > 0 || high < size)
      ? { low: axes.map(({ low }) => low), high: axes.map(({ high }) => high) }
      : {})
  }
})

/** An axis counted from the front; negative ones count from the end. */
export const axisOf = (array: { readonly shape: Shape }, axis: number): number =>
  axis < 0 ? array.shape.length + axis : axis

/** The axes in another order: axis `order[i]` becomes axis i. */
export const transpose = (array: StridedArray, order: ReadonlyArray<number>): StridedArray => {
  const axes = axesOf(array)
  return withAxes(
    array,
    order.map((axis) => axes[axisOf(array, axis)]!)
  )
}

/** Elements `from` to `to` (excluded) along one axis. */
export const slice = (array: StridedArray, axis: number, from: number, to: number): StridedArray => {
  const at = axisOf(array, axis)
  const within = (value: number) => Math.min(Math.max(value - from, 0), to - from)
  return withAxes(
    array,
    axesOf(array).map((one, index) =>
      index === at ? { ...one, size: to - from, low: within(one.low), high: within(one.high) } : one
    ),
    array.view.offset + from * array.view.strides[at]!
  )
}

/** With zeros before and after the elements of one axis. */
export const pad = (array: StridedArray, axis: number, before: number, after: number): StridedArray => {
  const at = axisOf(array, axis)
  return withAxes(
    array,
    axesOf(array).map((one, index) =>
      index === at
        ? { ...one, size: before + one.size + after, low: one.low + before, high: one.high + before }
        : one
    ),
    array.view.offset - before * array.view.strides[at]!
  )
}

/** In a shape that it broadcasts to by NumPy's rule: axes of size 1, and those missing at the front, repeat. Undefined where it does not. */
export const broadcast = (array: StridedArray, shape: Shape): StridedArray | undefined => {
  const missing = shape.length - array.shape.length
  if (missing < 0) return undefined
  const own = axesOf(array)
  const axes = shape.map((size, index): Axis | undefined => {
    const axis = own[index - missing]
    if (axis === undefined) return { size, stride: 0, low: 0, high: size }
    if (axis.size === size) return axis
    if (axis.size !== 1) return undefined
    return { size, stride: 0, low: 0, high: axis.high > axis.low ? size : 0 }
  })
  return axes.every((axis) => axis !== undefined) ? withAxes(array, axes) : undefined
}

/** The shape that arrays of these shapes broadcast to; undefined where they do not fit. */
export const commonShape = (shapes: ReadonlyArray<Shape>): Shape | undefined => {
  const length = Math.max(0, ...shapes.map((shape) => shape.length))
  const sides = Array.from({ length }, (_, index) => {
    const all = shapes.map((shape) => shape[index - length + shape.length] ?? 1)
    const size = Math.max(...all)
    return all.every((side) => side === size || side === 1) ? size : undefined
  })
  return sides.every((side) => side !== undefined) ? sides : undefined
}

/** The size of an axis, and one axis of the source or several that lie behind each other. Undefined where they do not. */
const joined = (axes: ReadonlyArray<Axis>): number | undefined => {
  const real = axes.filter(({ size }) => size !== 1)
  for (const [index, axis] of real.slice(0, -1).entries()) {
    const next = real[index + 1]!
    if (axis.stride !== next.stride * next.size) return undefined
  }
  return real.at(-1)?.stride ?? 0
}

/** The same elements, row by row, in another shape. Undefined where that needs a copy. */
export const reshape = (array: StridedArray, shape: Shape): StridedArray | undefined => {
  const old = axesOf(array)
  const axes: Array<Axis> = []
  for (let [from, to] = [0, 0]; from < old.length || to < shape.length; ) {
    const [firstOld, firstNew] = [from, to]
    let [sizeOld, sizeNew] = [old[from++]?.size ?? 1, shape[to++] ?? 1]
    while (sizeOld !== sizeNew)
      if (sizeOld < sizeNew) sizeOld *= old[from++]?.size ?? Number.NaN
      else if (to < shape.length) sizeNew *= shape[to++]!
      else return undefined
    const group = old.slice(firstOld, from)
    const sides = shape.slice(firstNew, to)
    if (group.length === 1 && sides.length === 1) {
      axes.push(group[0]!)
      continue
    }
    if (group.some(({ high, low, size }) => low > 0 || high < size)) return undefined
    const last = joined(group)
    if (last === undefined) return undefined
    const strides = rowMajor(sides)
    for (const [index, size] of sides.entries())
      axes.push({ size, stride: strides[index]! * last, low: 0, high: size })
  }
  return withAxes(array, axes)
}

/** Whether an array is all elements of a tensor, in order. */
export const isWhole = (array: StridedArray, tensor: Tensor): boolean => {
  const flat = reshape(array, [array.shape.reduce((product, side) => product * side, 1)])
  if (flat === undefined || isPadded(flat, 0) || flat.view.offset !== 0) return false
  const size = flat.shape[0]!
  return (
    size === tensor.shape.reduce((product, side) => product * side, 1) &&
    (size === 1 || flat.view.strides[0] === 1)
  )
}

/**
 * A step of map, reduce or product as numbers for cpp/primitive.cc: axes in the order in which the kernels walk them, and the formula as
 * instructions of a stack machine.
 */
import { interpreted } from "../program/interpreted.ts"
import type { Program, Step } from "../program/Program.ts"
import {
  type MapAttributes,
  mapAttributes,
  productAttributes,
  reduceAttributes,
  type View
} from "../program/primitives.ts"
import { type FullView, full, joined, joins, kinds, ordered, type Space } from "../program/walk.ts"
import { blendOf } from "./blend.ts"

const flat = ({ shape, views }: Space, over: number, isLargest: boolean, across: boolean) => [
  shape.length,
  ...shape,
  over,
  isLargest ? 1 : 0,
  across ? 1 : 0,
  views.length,
  ...views.flatMap((view) => [view.kind, view.input, view.offset, ...view.strides, ...view.low, ...view.high])
]

/** The step's space, then constants, then instructions. */
const formulaNumbersOf = (
  program: Program,
  step: Step,
  attributes: MapAttributes,
  reduced: number,
  isLargest: boolean
) => {
  const isInteger = (input: number) => program.tensors[step.inputs[input] ?? ""]?.type === "i32"
  const { across, codes, constants, over, space } = interpreted(attributes, isInteger, reduced)
  return [
    ...flat(space, over, isLargest, across),
    ...[constants.length, ...constants, codes.length / 2, ...codes]
  ]
}

/** Batches joined where they can be; rows and columns change places where the result's rows are those that follow each other. */
const productNumbers = (step: Step) => {
  const { shape, views } = productAttributes(step)
  const [a, b, y] = views
  const batch = shape.length - 3
  const [m, n, k] = [batch, batch + 1, batch + 2]
  /** The view's strides along all axes, given which of them the view's own are. */
  const along = (view: View, rows: number, columns: number, input: number): FullView => {
    const own = [...Array.from({ length: batch }, (_, axis) => axis), rows, columns]
    const strides = shape.map((_, axis) => (own.includes(axis) ? (view.strides[own.indexOf(axis)] ?? 0) : 0))
    return full({ offset: view.offset, strides }, shape, kinds.floats, input)
  }
  const space = { shape, views: [along(a, m, k, 0), along(b, n, k, 1), along(y, m, n, -1)] }
  const result = space.views[2]!
  const turns = result.strides[n] !== 1 && shape[n]! > 1 && (result.strides[m] === 1 || shape[m] === 1)
  const kept = Array.from({ length: batch }, (_, axis) => axis).filter((axis) => shape[axis]! > 1)
  const transposed: Space = turns ? { shape, views: [space.views[1]!, space.views[0]!, result] } : space
  let now = ordered(transposed, [...kept, turns ? n : m, turns ? m : n, k])
  for (let axis = kept.length - 2; axis >= 0; axis--) if (joins(now, axis)) now = joined(now, axis)
  const blend = blendOf(step)
  return [...flat(now, 0, false, false), blend.length, ...blend]
}

/** The numbers of a step, or undefined for other operations and for gather and scatterAdd, which need none. */
export const primitiveNumbers = (program: Program, step: Step): Float64Array | undefined => {
  switch (step.operation) {
    case "map":
      return Float64Array.from(formulaNumbersOf(program, step, mapAttributes(step), 0, false))
    case "reduce": {
      const attributes = reduceAttributes(step)
      return Float64Array.from(
        formulaNumbersOf(program, step, attributes, attributes.over, attributes.kind === "max")
      )
    }
    case "product":
      return Float64Array.from(productNumbers(step))
    default:
      return undefined
  }
}

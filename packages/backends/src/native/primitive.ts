/**
 * A step of map, reduce or product as numbers for cpp/primitive.cc: axes in the order in which the kernels walk them, and the formula as
 * instructions of a stack machine.
 */
import { arity, type Instruction, parse, postfix } from "../program/Formula.ts"
import type { Program, Step } from "../program/Program.ts"
import {
  type MapAttributes,
  mapAttributes,
  productAttributes,
  reduceAttributes,
  type View
} from "../program/primitives.ts"
import {
  type FullView,
  full,
  joined,
  joins,
  kinds,
  ordered,
  plainView,
  type Space,
  walked
} from "../program/walk.ts"

const flat = ({ shape, views }: Space, over: number, isLargest: boolean, across: boolean) => [
  shape.length,
  ...shape,
  over,
  isLargest ? 1 : 0,
  across ? 1 : 0,
  views.length,
  ...views.flatMap((view) => [view.kind, view.input, view.offset, ...view.strides, ...view.low, ...view.high])
]

const functions = Object.keys(arity)

/** Constants, then instructions that push them, push views or call functions. `coordinateViews` says which view counts along an axis. */
const formulaNumbers = (
  instructions: ReadonlyArray<Instruction>,
  viewOf: ReadonlyMap<number, number>,
  coordinateViews: ReadonlyMap<number, number>
) => {
  const constants: Array<number> = []
  const pushed = (value: number) => {
    if (!constants.includes(value)) constants.push(value)
    return constants.indexOf(value)
  }
  const codeOf = (instruction: Instruction): readonly [code: number, operand: number] => {
    switch (instruction.kind) {
      case "number":
        return [-2, pushed(instruction.value)]
      case "input":
        return [-1, viewOf.get(instruction.index) ?? -1]
      case "coordinate":
        return [-1, coordinateViews.get(instruction.axis) ?? -1]
      case "call":
        return [functions.indexOf(instruction.name), 0]
    }
  }
  const codes = instructions.flatMap(codeOf)
  return [constants.length, ...constants, codes.length / 2, ...codes]
}

/** Views that the formula reads, each once, then the output's; and the formula over them. */
const formulaNumbersOf = (
  program: Program,
  step: Step,
  attributes: MapAttributes,
  over: number,
  isLargest: boolean
) => {
  const { formula, names, shape, views } = attributes
  const instructions = postfix(parse(formula, names))
  const used = new Set<number>()
  const axes = new Set<number>()
  for (const instruction of instructions) {
    if (instruction.kind === "input") used.add(instruction.index)
    if (instruction.kind === "coordinate") axes.add(instruction.axis)
  }
  const read = [...used].map((index) => {
    const type = program.tensors[step.inputs[index] ?? ""]?.type
    return full(views[index]!, shape, type === "i32" ? kinds.integers : kinds.floats, index)
  })
  const counted = [...axes].map((axis) =>
    plainView(
      kinds.places,
      shape.map((_, other) => (other === axis ? 1 : 0)),
      shape
    )
  )
  const output = full(views.at(-1)!, shape, kinds.floats, -1)
  const walk = walked({ shape, views: [...read, ...counted, output] }, over)
  return [
    ...flat(walk.space, walk.over, isLargest, walk.across),
    ...formulaNumbers(
      instructions,
      new Map([...used].map((index, view) => [index, view])),
      new Map([...axes].map((axis, view) => [axis, read.length + view]))
    )
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
  const turned: Space = turns ? { shape, views: [space.views[1]!, space.views[0]!, result] } : space
  let now = ordered(turned, [...kept, turns ? n : m, turns ? m : n, k])
  for (let axis = kept.length - 2; axis >= 0; axis--) if (joins(now, axis)) now = joined(now, axis)
  return [...flat(now, 0, false, false), 0]
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

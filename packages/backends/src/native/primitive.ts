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

/** Kinds of views, as `View::Kind` numbers them. */
const kinds = { floats: 0, integers: 1, places: 2 }

/** A view with bounds along every axis. */
interface FullView {
  readonly kind: number
  /** Which of the step's inputs, -1 for none. */
  readonly input: number
  readonly offset: number
  readonly strides: ReadonlyArray<number>
  readonly low: ReadonlyArray<number>
  readonly high: ReadonlyArray<number>
}

/** A shape and views over it, the output's last. */
interface Space {
  readonly shape: ReadonlyArray<number>
  readonly views: ReadonlyArray<FullView>
}

const full = (view: View, shape: ReadonlyArray<number>, kind: number, input: number): FullView => ({
  kind,
  input,
  offset: view.offset,
  strides: shape.map((_, axis) => view.strides[axis] ?? 0),
  low: shape.map((_, axis) => Math.max(0, view.low?.[axis] ?? 0)),
  high: shape.map((side, axis) => Math.max(0, Math.min(side, view.high?.[axis] ?? side)))
})

/** A view without padding along the axes that it is not told. */
const plainView = (kind: number, strides: ReadonlyArray<number>, shape: ReadonlyArray<number>): FullView =>
  full({ offset: 0, strides }, shape, kind, -1)

const isPadded = (view: FullView, axis: number, shape: ReadonlyArray<number>) =>
  view.low[axis]! > 0 || view.high[axis]! < shape[axis]!

/** The same space with these of its axes in this order. */
const ordered = ({ shape, views }: Space, axes: ReadonlyArray<number>): Space => {
  const pick = (from: ReadonlyArray<number>) => axes.map((axis) => from[axis]!)
  return {
    shape: pick(shape),
    views: views.map((view) => ({
      ...view,
      strides: pick(view.strides),
      low: pick(view.low),
      high: pick(view.high)
    }))
  }
}

/** Whether two neighbouring axes are as good as one. */
const joins = ({ shape, views }: Space, axis: number): boolean =>
  views.every(
    (view) =>
      view.strides[axis] === view.strides[axis + 1]! * shape[axis + 1]! &&
      !isPadded(view, axis, shape) &&
      !isPadded(view, axis + 1, shape)
  )

/** Two neighbouring axes as one. */
const joined = ({ shape, views }: Space, axis: number): Space => {
  const side = shape[axis]! * shape[axis + 1]!
  const replace = (from: ReadonlyArray<number>, by: number) => from.toSpliced(axis, 2, by)
  return {
    shape: replace(shape, side),
    views: views.map((view) => ({
      ...view,
      strides: replace(view.strides, view.strides[axis + 1]!),
      low: replace(view.low, 0),
      high: replace(view.high, side)
    }))
  }
}

/** What an element costs when this axis is the innermost: copies of views that do not follow each other, and short rows. */
const cost = ({ shape, views }: Space, axis: number): number => {
  const each = views.map((view) => {
    const stride = view.strides[axis]!
    return stride === 1 || stride === 0 || view.kind === kinds.places ? 1 : 4
  })
  return each.reduce((sum, one) => sum + one, 0) * (1 + 4 / shape[axis]!)
}

const cheapest = (space: Space, axes: ReadonlyArray<number>): number =>
  axes.reduce((best, axis) => (cost(space, axis) < cost(space, best) ? axis : best), axes.at(-1)!)

/** Axes with long strides first, those of the output before all. */
const outerFirst = ({ views }: Space, axes: ReadonlyArray<number>) => {
  const stride = (view: FullView | undefined, axis: number) => Math.abs(view?.strides[axis] ?? 0)
  return axes.toSorted(
    (a, b) =>
      stride(views.at(-1), b) - stride(views.at(-1), a) || stride(views[0], b) - stride(views[0], a) || a - b
  )
}

/** Leaves out axes of one element, and orders the others: those that stay, those that are reduced. */
const arranged = (space: Space, over: number) => {
  const axes = space.shape.map((_, axis) => axis)
  const matters = (axis: number) =>
    space.shape[axis]! > 1 || space.views.some((view) => isPadded(view, axis, space.shape))
  const isReduced = (axis: number) => axis >= axes.length - over
  const kept = axes.filter((axis) => matters(axis) && !isReduced(axis))
  const reduced = axes.filter((axis) => matters(axis) && isReduced(axis))
  const all = [...kept, ...reduced]
  // One axis at least, and one that is reduced where there was one.
  if (over > 0 && reduced.length === 0) reduced.push(axes.length - 1)
  else if (all.length === 0) kept.push(0)
  const inner = cheapest(space, [...kept, ...reduced])
  const without = (group: ReadonlyArray<number>) =>
    outerFirst(
      space,
      group.filter((axis) => axis !== inner)
    )
  const across = over > 0 && !isReduced(inner)
  const groups = [without(kept), without(reduced), [inner]]
  return { space: ordered(space, groups.flat()), kept: groups[0]!.length, over: reduced.length, across }
}

/** Joins the axes that can be, within those that stay and those that are reduced; `over` and `across` as in cpp/program.h. */
const walked = (given: Space, reduced: number) => {
  const { across, kept, over, space } = arranged(given, reduced)
  // The axis at which a group ends is never joined to the next one.
  const ends = new Set([kept - 1, ...(across ? [kept + over - 1] : [])])
  let [now, left] = [space, over]
  for (let axis = space.shape.length - 2; axis >= 0; axis--) {
    if ((reduced > 0 && ends.has(axis)) || !joins(now, axis)) continue
    now = joined(now, axis)
    if (reduced > 0 && axis >= kept) left--
  }
  return { space: now, over: left, across }
}

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

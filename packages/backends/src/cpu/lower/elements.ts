/** The primitives map and reduce: records for the interpreter of formulas in assembly/formula.ts. */
import { arity, depth, type Instruction, parse, postfix } from "../../program/Formula.ts"
import { type MapAttributes, reduceAttributes, type View } from "../../program/primitives.ts"
import { type FullView, full, kinds, plainView, type Space, walked } from "../../program/walk.ts"
import { f32, type Lowered, type Phase, type Place, type StepView, type Work } from "./Unit.ts"

/** Numbers of a block at most; BLOCK in assembly/formula.ts. */
const block = 256

/** Blocks of one task. */
const blocksEach = 32

/** Segments of sums that many workers find something in, each at least so many blocks; the same for any number of threads. */
const wantedSegments = 64
const leastBlocks = 16

const functions = Object.keys(arity)

/** A formula over a space whose views have addresses. */
interface Formulated {
  readonly space: Space
  /** Address of each view's tensor; 0 for coordinates. */
  readonly addresses: ReadonlyArray<number>
  readonly constants: ReadonlyArray<number>
  /** Pairs of a code and its operand: -2 pushes a constant, -1 a view, others call functions. */
  readonly codes: ReadonlyArray<number>
  readonly depth: number
}

/** How rows of the innermost axis are taken: whole ones, as many as fit a block, or one in pieces. */
const piecesOf = (width: number) => {
  if (width <= block / 2) return { rows: Math.floor(block / width), count: 1, width }
  const count = Math.ceil(width / block)
  return { rows: 1, count, width: count === 1 ? width : block }
}

const isPadded = (view: FullView, shape: ReadonlyArray<number>) =>
  shape.some((side, axis) => view.low[axis]! > 0 || view.high[axis]! < side)

const size = (sides: ReadonlyArray<number>) => sides.reduce((product, side) => product * side, 1)

/** The words that assembly/formula.ts reads. */
const record = (
  { addresses, codes, constants, depth: values, space }: Formulated,
  settings: {
    readonly flags: number
    readonly over: number
    readonly units: number
    readonly each: number
    readonly results: number
    readonly blocks: number
    readonly segments: number
    readonly partial: number
  }
): ReadonlyArray<number> => {
  const { shape, views } = space
  const pieces = piecesOf(shape.at(-1)!)
  return [
    ...[
      shape.length,
      views.length,
      constants.length,
      codes.length / 2,
      values,
      settings.flags,
      settings.over
    ],
    ...[pieces.rows, pieces.count, pieces.width, settings.units, settings.each],
    ...[settings.results, settings.blocks, settings.segments, settings.partial],
    ...shape,
    ...views.flatMap((view, index) => [
      ...[view.kind, addresses[index]!, view.offset, isPadded(view, shape) ? 1 : 0],
      ...[...view.strides, ...view.low, ...view.high]
    ]),
    ...constants.map(f32),
    ...codes
  ]
}

/** Bytes of a worker's own: rows for views, constants and waiting values, places, a row of results, a stack, coordinates. */
const ownBytes = ({ constants, depth: values, space }: Formulated): number =>
  (2 * space.views.length + constants.length + values + 1) * block * 4 + (values + 16) * 4

/** The formula with views numbered as the interpreter has them. */
const codesOf = (
  instructions: ReadonlyArray<Instruction>,
  viewOf: ReadonlyMap<number, number>,
  axisView: ReadonlyMap<number, number>
) => {
  const constants: Array<number> = []
  const constant = (value: number) => {
    if (!constants.includes(value)) constants.push(value)
    return constants.indexOf(value)
  }
  const codeOf = (instruction: Instruction): readonly [code: number, operand: number] => {
    switch (instruction.kind) {
      case "number":
        return [-2, constant(instruction.value)]
      case "input":
        return [-1, viewOf.get(instruction.index)!]
      case "coordinate":
        return [-1, axisView.get(instruction.axis)!]
      case "call":
        return [functions.indexOf(instruction.name), 0]
    }
  }
  const codes = instructions.flatMap(codeOf)
  return { codes, constants }
}

/** Inputs of a formula: address, and whether it holds integers. */
interface Source {
  readonly address: number
  readonly integers: boolean
}

const formulated = (
  { formula, names, shape, views }: Pick<MapAttributes, "formula" | "names" | "shape" | "views">,
  sources: ReadonlyArray<Source>,
  output: number,
  reduced: number
) => {
  const instructions = postfix(parse(formula, names))
  const used = [...new Set(instructions.flatMap((one) => (one.kind === "input" ? [one.index] : [])))]
  const axes = [...new Set(instructions.flatMap((one) => (one.kind === "coordinate" ? [one.axis] : [])))]
  const read = used.map((index) =>
    full(views[index]!, shape, sources[index]!.integers ? kinds.integers : kinds.floats, index)
  )
  const counted = axes.map((axis) =>
    plainView(
      kinds.places,
      shape.map((_, other) => (other === axis ? 1 : 0)),
      shape
    )
  )
  const target = full(views.at(-1)!, shape, kinds.floats, -1)
  const walk = walked({ shape, views: [...read, ...counted, target] }, reduced)
  const result: Formulated = {
    space: walk.space,
    addresses: [...used.map((index) => sources[index]!.address), ...axes.map(() => 0), output],
    depth: depth(instructions),
    ...codesOf(
      instructions,
      new Map(used.map((index, view) => [index, view])),
      new Map(axes.map((axis, view) => [axis, read.length + view]))
    )
  }
  return { ...walk, formulated: result }
}

/** A map of sources at addresses; `elementsOf` is the formula with its shape and views. */
export const mapWork = (
  step: number,
  attributes: Pick<MapAttributes, "formula" | "names" | "shape" | "views">,
  sources: ReadonlyArray<Source>,
  output: number,
  accumulates: boolean
): { readonly work: Work; readonly workerBytes: number } => {
  const { formulated: own, space } = formulated(attributes, sources, output, 0)
  const pieces = piecesOf(space.shape.at(-1)!)
  const units = Math.ceil(size(space.shape.slice(0, -1)) / pieces.rows) * pieces.count
  return {
    work: {
      kernel: "map",
      step,
      tasks: Math.ceil(units / blocksEach),
      arguments: record(own, {
        flags: accumulates ? 1 : 0,
        ...{ over: 0, units, each: blocksEach, results: 0, blocks: 0, segments: 1, partial: 0 }
      })
    },
    workerBytes: ownBytes(own)
  }
}

const sourcesOf = (place: Place, step: StepView): ReadonlyArray<Source> =>
  place.program.steps[step.index]!.inputs.map((name, index) => ({
    address: step.input(index),
    integers: place.program.tensors[name]?.type === "i32"
  }))

export const map = (place: Place, step: StepView): Lowered => {
  const attributes = reduceAttributes(place.program.steps[step.index]!)
  const { work, workerBytes } = mapWork(
    step.index,
    attributes,
    sourcesOf(place, step),
    step.output(0),
    step.adds(0)
  )
  return { phases: [[work]], workerBytes }
}

/** How many results there are, of how many blocks each is made, and in how many segments those are summed. */
const reductionOf = (space: Space, over: number, across: boolean) => {
  const { shape } = space
  const pieces = piecesOf(shape.at(-1)!)
  const outer = across ? shape.length - 1 - over : shape.length - over
  const [kept, reduced] = [size(shape.slice(0, outer)), size(shape.slice(outer, -1))]
  const results = across ? kept * pieces.count : kept
  const blocks = across ? reduced : reduced * pieces.count
  const most = Math.floor(blocks / (leastBlocks * pieces.rows))
  const segments =
    results >= wantedSegments ? 1 : Math.max(1, Math.min(Math.floor(wantedSegments / results), most))
  return { results, blocks, segments, pieces }
}

export const reduce = (place: Place, step: StepView): Lowered => {
  const attributes = reduceAttributes(place.program.steps[step.index]!)
  const {
    across,
    formulated: own,
    over,
    space
  } = formulated(attributes, sourcesOf(place, step), step.output(0), attributes.over)
  const { blocks, pieces, results, segments } = reductionOf(space, over, across)
  const units = results * segments
  const partial = segments === 1 ? 0 : place.scratch.take(units * (across ? block * 4 : 8))
  // A task takes about as many elements as one of map's.
  const elements = (blocks / segments) * pieces.width * (across ? 1 : pieces.rows === 1 ? 1 : pieces.width)
  const each = Math.max(1, Math.min(units, Math.round((blocksEach * block) / Math.max(1, elements))))
  const flags = (step.adds(0) ? 1 : 0) + (attributes.kind === "max" ? 2 : 0) + (across ? 4 : 0)
  const words = record(own, { flags, over, units, each, results, blocks, segments, partial })
  const first: Phase = [
    { kernel: "reduce", step: step.index, tasks: Math.ceil(units / each), arguments: words }
  ]
  const second: Phase = [{ kernel: "reduceJoin", step: step.index, tasks: 1, arguments: words }]
  return { phases: segments === 1 ? [first] : [first, second], workerBytes: ownBytes(own) }
}

/** A view of all elements of a row-major matrix within scratch memory. */
export const matrixView = (columns: number): View => ({ offset: 0, strides: [columns, 1] })

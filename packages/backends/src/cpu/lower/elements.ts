/** The primitives map and reduce: records for the interpreter of formulas in assembly/formula.ts. */
import { type Interpreted, interpreted } from "../../program/interpreted.ts"
import { type MapAttributes, reduceAttributes, type View } from "../../program/primitives.ts"
import type { FullView, Space } from "../../program/walk.ts"
import { f32, type Lowered, type Phase, type Place, type StepView, type Work } from "./Unit.ts"

/** Numbers of a block at most; BLOCK in assembly/formula.ts. */
const block = 256

/** Blocks of one task. */
const blocksEach = 32

/** Segments of sums that many workers find something in, each at least so many blocks; the same for any number of threads. */
const wantedSegments = 64
const leastBlocks = 16

/** A formula over views with the address of each view's tensor; 0 for coordinates. */
interface Formulated extends Interpreted {
  readonly addresses: ReadonlyArray<number>
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

/** Inputs of a formula: address, and whether it holds integers. */
interface Source {
  readonly address: number
  readonly integers: boolean
}

const formulated = (
  attributes: Pick<MapAttributes, "formula" | "names" | "shape" | "views">,
  sources: ReadonlyArray<Source>,
  output: number,
  reduced: number
): Formulated => {
  const own = interpreted(attributes, (input) => sources[input]!.integers, reduced)
  const { views } = own.space
  return {
    ...own,
    addresses: views.map((view, index) =>
      index === views.length - 1 ? output : (sources[view.input]?.address ?? 0)
    )
  }
}

/** A map of sources at addresses; `elementsOf` is the formula with its shape and views. */
export const mapWork = (
  step: number,
  attributes: Pick<MapAttributes, "formula" | "names" | "shape" | "views">,
  sources: ReadonlyArray<Source>,
  output: number,
  accumulates: boolean
): { readonly work: Work; readonly workerBytes: number } => {
  const own = formulated(attributes, sources, output, 0)
  const { space } = own
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
  const own = formulated(attributes, sourcesOf(place, step), step.output(0), attributes.over)
  const { across, over, space } = own
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

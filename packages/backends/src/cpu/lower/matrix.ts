/** Matrix products: how the operands are packed and how C is cut into tasks. */
import { rows, width } from "../../program/operations/shape.ts"
import { block } from "../rounding.ts"
import type { Lowered, Place, StepView, Work } from "./Unit.ts"

/** Rows and columns of the tile that the kernel keeps in registers. */
export const tileRows = 6
export const tileColumns = 8

/** Products with at most this many rows read the weights where they are. */
const fewRows = 16

/** Products of a task with few rows, at least; and tasks of a layer, at most, where that is more. */
const fewEach = 32_768
const fewTasks = 32

/** Bytes from element to element along both sides of a matrix; one of the two is 4. */
export interface Operand {
  readonly address: number
  /** From row to row of the left operand, from column to column of the right one. */
  readonly stride: number
  /** Along the dimension that is summed over. */
  readonly depthStride: number
}

/** A row-major matrix as an operand, the sum running along its rows. */
export const byRows = (address: number, columns: number): Operand => ({
  address,
  stride: columns * 4,
  depthStride: 4
})

/** The same with the sum running down its columns. */
export const byColumns = (address: number, columns: number): Operand => ({
  address,
  stride: 4,
  depthStride: columns * 4
})

/** A matrix in panels, as `assembly/pack.ts` makes them. */
export interface Packed {
  readonly address: number
  readonly size: number
  readonly depth: number
  /** The panels are those of its transpose, packed as a left operand. */
  readonly transposed?: boolean
}

/** The transpose of a packed left operand, as a left operand itself: the same bytes. */
export const transposed = ({ address, depth, size }: Packed): Packed => ({
  address,
  size: depth,
  depth: size,
  transposed: true
})

/** The next multiple of `to`. */
export const up = (value: number, to: number) => Math.ceil(value / to) * to

/** The size of equal parts of at most `most`, rounded up to whole panels. */
const even = (size: number, most: number, panel: number) =>
  up(Math.ceil(size / Math.ceil(size / most)), panel)

const panelWidth = { left: tileRows, right: tileColumns } as const

export const packedBytes = (side: "left" | "right", size: number, depth: number): number =>
  up(size, panelWidth[side]) * depth * 4

/** Packs an operand into scratch memory. */
export const pack = (
  place: Place,
  step: number,
  side: "left" | "right",
  operand: Operand,
  size: number,
  depth: number
): { readonly packed: Packed; readonly work: Work } => {
  const address = place.scratch.take(packedBytes(side, size, depth))
  return { packed: { address, size, depth }, work: packInto(address, step, side, operand, size, depth) }
}

export const packInto = (
  address: number,
  step: number,
  side: "left" | "right",
  operand: Operand,
  size: number,
  depth: number
): Work => {
  const columns = panelWidth[side]
  const panels = Math.ceil(size / columns)
  const each = Math.max(1, Math.min(panels, Math.floor(16_384 / (columns * depth))))
  return {
    kernel: "pack",
    step,
    tasks: Math.ceil(panels / each),
    arguments: [operand.address, operand.stride, operand.depthStride, address, size, depth, columns, each]
  }
}

export interface ProductOptions {
  readonly accumulate?: boolean
  /** Address of a bias that is added to every row. */
  readonly bias?: number
  /** Address of a second result of the same layout: gelu of the first. */
  readonly gelu?: number
  /** Tasks that are wanted at least; eight a thread unless told. */
  readonly tasks?: number
}

/** C = left · right, `stride` bytes from row to row of C. */
export const product = (
  place: Place,
  step: number,
  left: Packed,
  right: Packed,
  c: { readonly address: number; readonly stride: number },
  options: ProductOptions = {}
): Work => {
  const depth = left.depth
  // A block of the left operand as deep as the kernel takes at once, DEPTH in assembly/matrix.ts, stays in the second-level cache.
  let tall = even(left.size, Math.min(192, Math.floor(49_152 / Math.min(depth, 384))), tileRows)
  let wide = up(Math.min(right.size, 256), tileColumns)
  const tasks = () => Math.ceil(left.size / tall) * Math.ceil(right.size / wide)
  // Smaller tasks until every thread has a few, or a task is hardly worth taking.
  while (
    tasks() < (options.tasks ?? 8 * place.threads) &&
    tall * wide * depth > 400_000 &&
    (tall > 24 || wide > 32)
  ) {
    if (wide > 2 * tall && wide > 32) wide = up(wide / 2, tileColumns)
    else if (tall > 24) tall = up(tall / 2, tileRows)
    else wide = up(wide / 2, tileColumns)
  }
  return {
    kernel: "product",
    step,
    tasks: tasks(),
    arguments: [
      left.address,
      right.address,
      c.address,
      c.stride,
      left.size,
      right.size,
      depth,
      tall,
      wide,
      (options.accumulate ? 1 : 0) + (options.gelu ? 2 : 0) + (left.transposed ? 4 : 0),
      options.bias ?? 0,
      options.gelu ?? 0
    ]
  }
}

/** Bytes of a worker's own that a product needs for tiles at the edge. */
export const edgeBytes = 256

/** y = x · weightᵀ + bias; `gelu` is the address of gelu(y), when it is wanted too. */
export const linear = (place: Place, step: StepView, gelu = 0): Lowered => {
  const x = step.shape(0)
  const [outs, ins] = step.shape(1) as [number, number]
  const count = rows(x)
  const weight = place.program.steps[step.index]!.inputs[1] ?? ""
  if (count <= fewRows && place.int8(weight) !== 0) return linearInt8(place, step, place.int8(weight), gelu)
  if (count <= fewRows) {
    const each = up(Math.max(fewEach / (ins * count), outs / fewTasks), 4)
    const work: Work = {
      kernel: "fewRows",
      step: step.index,
      tasks: Math.ceil(outs / each),
      arguments: [step.input(0), step.input(1), step.input(2), step.output(0), count, ins, outs, each, gelu]
    }
    return { phases: [[work]], workerBytes: 0 }
  }
  const left = pack(place, step.index, "left", byRows(step.input(0), ins), count, ins)
  const right = pack(place, step.index, "right", byRows(step.input(1), ins), outs, ins)
  const c = { address: step.output(0), stride: outs * 4 }
  const options = { bias: step.input(2), gelu }
  return {
    phases: [[left.work, right.work], [product(place, step.index, left.packed, right.packed, c, options)]],
    workerBytes: edgeBytes
  }
}

/** The same for few rows with weights of 8 bits: the rows are rounded first. */
const linearInt8 = (place: Place, step: StepView, weight: number, gelu: number): Lowered => {
  const [outs, ins] = step.shape(1) as [number, number]
  const count = rows(step.shape(0))
  const blocks = Math.ceil(ins / block)
  const x = place.scratch.take(count * blocks * block * 2)
  const scales = place.scratch.take(count * blocks * 4)
  const each = up(Math.max(fewEach / (ins * count), outs / fewTasks), 4)
  const round: Work = {
    kernel: "roundRow",
    step: step.index,
    tasks: count,
    arguments: [step.input(0), ins, x, scales]
  }
  const product: Work = {
    kernel: "fewRowsInt8",
    step: step.index,
    tasks: Math.ceil(outs / each),
    arguments: [x, scales, weight, step.input(2), step.output(0), count, ins, outs, each, gelu]
  }
  return { phases: [[round], [product]], workerBytes: count * (64 + 16) }
}

/** dx = dy · weight, dWeight = dyᵀ · x and dBias = the sums of dy's columns; dy is packed once for both products. */
const backward = (place: Place, input: StepView | undefined, weight: StepView | undefined): Lowered => {
  const step = (input ?? weight)!
  const count = rows(step.shape(0))
  const outs = width(step.shape(0))
  const first: Array<Work> = []
  const second: Array<Work> = []
  const withWeight = weight !== undefined && weight.output(0) !== 0
  if (input !== undefined || withWeight) {
    const dy = pack(place, step.index, "left", byRows(step.input(0), outs), count, outs)
    first.push(dy.work)
    if (input !== undefined) {
      const ins = input.shape(1)[1]!
      const right = pack(place, input.index, "right", byColumns(input.input(1), ins), ins, outs)
      const c = { address: input.output(0), stride: ins * 4 }
      first.push(right.work)
      second.push(product(place, input.index, dy.packed, right.packed, c, { accumulate: input.adds(0) }))
    }
    if (withWeight) {
      const ins = width(weight.shape(1))
      const right = pack(place, weight.index, "right", byColumns(weight.input(1), ins), ins, count)
      const c = { address: weight.output(0), stride: ins * 4 }
      first.push(right.work)
      second.push(
        product(place, weight.index, transposed(dy.packed), right.packed, c, { accumulate: weight.adds(0) })
      )
    }
  }
  if (weight !== undefined && weight.output(1) !== 0) first.push(columnSums(weight, count, outs))
  return { phases: second.length > 0 ? [first, second] : [first], workerBytes: edgeBytes }
}

export const linearBackwardInput = (place: Place, step: StepView): Lowered => backward(place, step, undefined)
export const linearBackwardWeight = (place: Place, step: StepView): Lowered =>
  backward(place, undefined, step)
/** Both gradients of one layer. */
export const linearBackward = (place: Place, weight: StepView, input: StepView): Lowered =>
  backward(place, input, weight)

const columnSums = (step: StepView, count: number, columns: number): Work => {
  const each = Math.max(16, up(Math.ceil(columns / 16), 16))
  return {
    kernel: "columnSums",
    step: step.index,
    tasks: Math.ceil(columns / each),
    arguments: [step.input(0), count, columns, step.output(1), each, step.flag(1), columns * 4]
  }
}

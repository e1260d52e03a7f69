/** The primitives product, gather and scatterAdd: products of every batch on the matrix kernels, and rows of tables by index. */
import { rows, width } from "../../program/operations/shape.ts"
import { productAttributes, type View } from "../../program/primitives.ts"
import { mapWork, matrixView } from "./elements.ts"
import { edgeBytes, product as multiply, type Operand, type Packed, pack, up } from "./matrix.ts"
import type { Lowered, Phase, Place, StepView, Work } from "./Unit.ts"

/** Offsets of one item of the batch in a's, b's and y's elements. */
type Offsets = readonly [a: number, b: number, y: number]

const itemsOf = (
  shape: ReadonlyArray<number>,
  views: readonly [View, View, View]
): ReadonlyArray<Offsets> => {
  const batch = shape.slice(0, -3)
  let items: ReadonlyArray<Offsets> = [[views[0].offset, views[1].offset, views[2].offset]]
  for (const [axis, side] of batch.entries())
    items = items.flatMap((item) =>
      Array.from(
        { length: side },
        (_, at): Offsets => [
          item[0] + at * views[0].strides[axis]!,
          item[1] + at * views[1].strides[axis]!,
          item[2] + at * views[2].strides[axis]!
        ]
      )
    )
  return items
}

/** Packs each operand once, though several items read it. */
const packer = (place: Place, step: number, phase: Array<Work>) => {
  const known = new Map<string, Packed>()
  return (side: "left" | "right", operand: Operand, size: number, depth: number): Packed => {
    const key = `${side} ${operand.address}`
    const before = known.get(key)
    if (before !== undefined) return before
    const { packed, work } = pack(place, step, side, operand, size, depth)
    known.set(key, packed)
    phase.push(work)
    return packed
  }
}

/** Strides along the last two axes of a view. */
type Strides = readonly [number, number]

const bytes = (stride: number, side: number) => (side === 1 ? 4 : stride * 4)

export const product = (place: Place, step: StepView): Lowered => {
  const { shape, views } = productAttributes(place.program.steps[step.index]!)
  const [M, N, K] = shape.slice(-3) as [number, number, number]
  const last = (view: View): Strides => [view.strides.at(-2)!, view.strides.at(-1)!]
  const [a, b, y] = [last(views[0]), last(views[1]), last(views[2])]
  // The kernel writes rows of neighbours: the sides change places where the result's columns are those that follow each other.
  const isPlain = y[1] === 1 || N === 1
  const turns = !isPlain && (y[0] === 1 || M === 1)
  const packing: Array<Work> = []
  const multiplying: Array<Work> = []
  const copying: Array<Work> = []
  let workerBytes = edgeBytes
  const packOnce = packer(place, step.index, packing)
  const items = itemsOf(shape, views)
  const tasks = Math.ceil((8 * place.threads) / items.length)
  for (const [atA, atB, atY] of items) {
    const left: Operand = {
      address: step.input(0) + atA * 4,
      stride: bytes(a[0], M),
      depthStride: bytes(a[1], K)
    }
    const right: Operand = {
      address: step.input(1) + atB * 4,
      stride: bytes(b[0], N),
      depthStride: bytes(b[1], K)
    }
    const output = step.output(0) + atY * 4
    if (turns) {
      const packed = [packOnce("left", right, N, K), packOnce("right", left, M, K)] as const
      const c = { address: output, stride: y[1] * 4 }
      multiplying.push(multiply(place, step.index, ...packed, c, { accumulate: step.adds(0), tasks }))
      continue
    }
    const packed = [packOnce("left", left, M, K), packOnce("right", right, N, K)] as const
    if (isPlain) {
      const c = { address: output, stride: y[0] * 4 }
      multiplying.push(multiply(place, step.index, ...packed, c, { accumulate: step.adds(0), tasks }))
      continue
    }
    const apart = place.scratch.take(M * N * 4)
    multiplying.push(multiply(place, step.index, ...packed, { address: apart, stride: N * 4 }, { tasks }))
    const copy = mapWork(
      step.index,
      {
        formula: "c",
        names: ["c"],
        shape: [M, N],
        views: [matrixView(N), { offset: atY, strides: y }]
      },
      [{ address: apart, integers: false }],
      step.output(0),
      step.adds(0)
    )
    copying.push(copy.work)
    workerBytes = Math.max(workerBytes, copy.workerBytes)
  }
  const phases: ReadonlyArray<Phase> = [packing, multiplying, copying].filter((phase) => phase.length > 0)
  return { phases, workerBytes }
}

/** Elements of one task. */
const elementsEach = 8192

export const gather = (_: Place, step: StepView): Lowered => {
  const [size, columns] = step.shape(0) as [number, number]
  const count = rows([...step.shape(1), 1])
  const each = Math.max(1, Math.round(elementsEach / columns))
  return {
    phases: [
      [
        {
          kernel: "gather",
          step: step.index,
          tasks: Math.ceil(count / each),
          arguments: [
            ...[step.input(0), step.input(1), step.output(0), count, columns, size, each],
            step.flag(0)
          ]
        }
      ]
    ],
    workerBytes: 0
  }
}

export const scatterAdd = (_: Place, step: StepView): Lowered => {
  const columns = width(step.shape(0))
  const count = rows(step.shape(0))
  const size = step.outputShape(0)[0]!
  // Each task adds to columns of its own, in the order of the indices, so that all have the same work; tables with few columns are cut by rows
  // too. The cut is the same for any number of threads.
  const columnsEach = Math.max(16, up(Math.ceil(columns / 32), 16))
  const across = Math.ceil(columns / columnsEach)
  const each = Math.ceil(size / Math.min(size, Math.ceil(32 / across)))
  return {
    phases: [
      [
        {
          kernel: "scatterAdd",
          step: step.index,
          tasks: Math.ceil(size / each) * across,
          arguments: [
            ...[step.input(0), step.input(1), step.output(0), count, columns, size, each],
            ...[columnsEach, step.flag(0)]
          ]
        }
      ]
    ],
    workerBytes: 0
  }
}

/**
 * The output layer and its loss, in chunks of rows, so that the logits of a chunk are all that is ever held. When the gradient is
 * the next step, both are computed from the same logits.
 */
import { rows } from "../../program/operations/shape.ts"
import {
  byColumns,
  byRows,
  edgeBytes,
  pack,
  packedBytes,
  packInto,
  product,
  tileRows,
  transposed
} from "./matrix.ts"
import type { Lowered, Phase, Place, StepView, Work } from "./Unit.ts"

/** Bytes of logits held at once, if rows are not too long. */
const chunkBytes = 8 << 20
/** Rows of a chunk are a multiple of this. */
const chunkStep = 48

/** What a worker holds of e at once: SPAN in assembly/projection.ts columns of a panel of rows, and a factor for each row. */
const spanBytes = 480 * tileRows * 4 + 64

/** The loss, its gradient, or both. */
export const projection = (
  place: Place,
  forward: StepView | undefined,
  backward: StepView | undefined
): Lowered => {
  const step = (backward ?? forward)!
  const first = backward === undefined ? 0 : 1
  const [x, table, targets] = [step.input(first), step.input(first + 1), step.input(first + 2)]
  const count = rows(step.shape(first))
  const [vocabulary, columns] = step.shape(first + 1) as [number, number]
  const [dx, dTable] = [backward?.output(0) ?? 0, backward?.output(1) ?? 0]

  const fitting = Math.floor(chunkBytes / (vocabulary * 4) / chunkStep) * chunkStep
  const chunk = Math.min(count, Math.max(chunkStep, fitting))
  const stride = vocabulary * 4
  const logits = place.scratch.take(chunk * stride)
  const counted = place.scratch.take(4)
  const losses = forward === undefined ? 0 : forward.output(1) || place.scratch.take(count * 4)
  const logSumExp = forward === undefined ? step.input(4) : forward.output(3) || place.scratch.take(count * 4)
  const index = (forward ?? step).index
  const gradient = step.index

  // The table is the right operand of both products: its rows are columns of the first, and its columns of the second.
  const tableRight = pack(place, index, "right", byRows(table, columns), vocabulary, columns)
  const opening: Array<Work> = [
    tableRight.work,
    { kernel: "count", step: index, tasks: 1, arguments: [targets, count, vocabulary, counted] }
  ]
  const tableDeep =
    dx === 0 ? undefined : pack(place, gradient, "right", byColumns(table, columns), columns, vocabulary)
  if (tableDeep !== undefined) opening.push(tableDeep.work)

  const xLeft = place.scratch.take(packedBytes("left", chunk, columns))
  const xRight = dTable === 0 ? 0 : place.scratch.take(packedBytes("right", columns, chunk))
  // Both products read the same panels of e: one as they are, the other transposed.
  const factors = backward === undefined ? 0 : place.scratch.take(packedBytes("left", chunk, vocabulary))

  const phases: Array<Phase> = []
  for (let from = 0; from < count; from += chunk) {
    const size = Math.min(chunk, count - from)
    const rowsAt = x + from * columns * 4
    const packing: Array<Work> = [packInto(xLeft, index, "left", byRows(rowsAt, columns), size, columns)]
    if (dTable !== 0)
      packing.push(packInto(xRight, gradient, "right", byColumns(rowsAt, columns), columns, size))
    phases.push(from === 0 ? [...opening, ...packing] : packing)

    const left = { address: xLeft, size, depth: columns }
    phases.push([product(place, index, left, tableRight.packed, { address: logits, stride })])

    phases.push([
      {
        kernel: "lossRows",
        step: index,
        tasks: Math.ceil(size / tileRows),
        arguments: [
          ...[logits, stride, targets + from * 4, size, vocabulary],
          losses === 0 ? 0 : losses + from * 4,
          forward?.output(2) ? forward.output(2) + from * 4 : 0,
          logSumExp + from * 4,
          forward === undefined ? 0 : 1,
          ...[counted, backward?.input(0) ?? 0, factors]
        ]
      }
    ])
    if (backward === undefined) continue

    const products: Array<Work> = []
    const e = { address: factors, size, depth: vocabulary }
    if (tableDeep !== undefined) {
      const c = { address: dx + from * columns * 4, stride: columns * 4 }
      // Few tasks, which read the table seldom: the table's gradient beside it has small ones to even out the phase's end.
      const few = dTable === 0 ? {} : { tasks: place.threads }
      const options = { accumulate: backward.adds(0), ...few }
      products.push(product(place, gradient, e, tableDeep.packed, c, options))
    }
    if (dTable !== 0) {
      const right = { address: xRight, size: columns, depth: size }
      const c = { address: dTable, stride: columns * 4 }
      const accumulate = from > 0 || backward.adds(1)
      products.push(product(place, gradient, transposed(e), right, c, { accumulate }))
    }
    phases.push(products)
  }
  if (forward !== undefined && forward.output(0) !== 0)
    phases.push([
      { kernel: "mean", step: index, tasks: 1, arguments: [losses, count, counted, forward.output(0)] }
    ])
  return { phases: phases.filter((phase) => phase.length > 0), workerBytes: Math.max(edgeBytes, spanBytes) }
}

/** Computes `embedding` and `embeddingBackward`: see program/operations/embedding.ts. */
import type { Kernel } from "../Kernel.ts"

/** The position of row `row` of B · T, by one offset or one for each text. */
const positionOf = (offsets: ArrayLike<number>, time: number, row: number): number =>
  offsets[offsets.length === 1 ? 0 : Math.floor(row / time)]! + (row % time)

export const embedding: Kernel = function* (call) {
  const [batch, time] = call.shape(0) as [number, number]
  const [vocabulary, width] = call.shape(2) as [number, number]
  const [tokens, table, positions] = [call.integers(0), call.floats(2), call.floats(3)]
  const offsets = call.integers(1)
  for (const offset of offsets)
    if (offset < 0 || offset + time > call.shape(3)[0]!)
      yield `positions ${offset} to ${offset + time - 1} are wanted of a table of ${call.shape(3)[0]}`
  for (let row = 0; row < batch * time; row++) {
    const token = tokens[row]!
    if (token < 0 || token >= vocabulary)
      yield `token ${token} at [${Math.floor(row / time)}, ${row % time}] is outside the vocabulary of ${vocabulary}`
    const position = positionOf(offsets, time, row)
    for (let c = 0; c < width; c++)
      call.put(0, row * width + c, table[token * width + c]! + positions[position * width + c]!)
    yield
  }
}

export const embeddingBackward: Kernel = function* (call) {
  const [, time, width] = call.shape(0) as [number, number, number]
  const [dy, tokens, offsets] = [call.floats(0), call.integers(1), call.integers(2)]
  const rowOf = [(row: number) => tokens[row]!, (row: number) => positionOf(offsets, time, row)]
  for (const output of [0, 1]) {
    if (!call.wants(output)) continue
    const rows = call.outputShape(output)[0]!
    const sum = new Float64Array(rows * width)
    for (let row = 0; row < tokens.length; row++) {
      const target = rowOf[output]!(row)
      if (target < 0 || target >= rows) yield `row ${target} is outside a table of ${rows}`
      for (let c = 0; c < width; c++) sum[target * width + c]! += dy[row * width + c]!
      yield
    }
    for (let i = 0; i < sum.length; i++) call.put(output, i, sum[i]!)
  }
}

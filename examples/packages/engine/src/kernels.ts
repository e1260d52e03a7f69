/** The kernels of linear layers: one product of matrices in float64, in tiles that stay in the processor's cache. */
import type { Floats, Kernel } from "@trainyard/backends/fromKernels"

const tile = 32

/** Element (row, column) of a matrix is `values[row * down + column * across]`. */
interface Matrix {
  readonly values: Floats
  readonly down: number
  readonly across: number
}

/** The product of `a` (rows × inner) and `b` (inner × columns), row by row. Pauses after each block of rows. */
function* multiply(a: Matrix, b: Matrix, rows: number, inner: number, columns: number) {
  const product = new Float64Array(rows * columns)
  for (let top = 0; top < rows; top += tile) {
    for (let start = 0; start < inner; start += tile)
      for (let r = top; r < Math.min(top + tile, rows); r++)
        for (let i = start; i < Math.min(start + tile, inner); i++) {
          const factor = a.values[r * a.down + i * a.across]!
          for (let c = 0; c < columns; c++)
            product[r * columns + c]! += factor * b.values[i * b.down + c * b.across]!
        }
    yield
  }
  return product
}

/** y = x · weightᵀ + bias */
export const linear: Kernel = function* (call) {
  const [x, weight, bias] = [call.floats(0), call.floats(1), call.floats(2)]
  const [outs = 0, ins = 0] = call.shape(1)
  const rows = x.length / ins
  const y = yield* multiply(
    { values: x, down: ins, across: 1 },
    { values: weight, down: 1, across: ins },
    rows,
    ins,
    outs
  )
  for (let at = 0; at < y.length; at++) call.put(0, at, y[at]! + (bias[at % outs] ?? 0))
}

/** dx = dy · weight */
export const linearBackwardInput: Kernel = function* (call) {
  const [dy, weight] = [call.floats(0), call.floats(1)]
  const [outs = 0, ins = 0] = call.shape(1)
  const dx = yield* multiply(
    { values: dy, down: outs, across: 1 },
    { values: weight, down: ins, across: 1 },
    dy.length / outs,
    outs,
    ins
  )
  for (let at = 0; at < dx.length; at++) call.put(0, at, dx[at]!)
}

/** dWeight = dyᵀ · x, and dBias, the sum of dy's rows. */
export const linearBackwardWeight: Kernel = function* (call) {
  const [dy, x] = [call.floats(0), call.floats(1)]
  const [outs, ins] = [call.shape(0).at(-1)!, call.shape(1).at(-1)!]
  const rows = dy.length / outs
  const dWeight = yield* multiply(
    { values: dy, down: 1, across: outs },
    { values: x, down: ins, across: 1 },
    outs,
    rows,
    ins
  )
  for (let at = 0; at < dWeight.length; at++) call.put(0, at, dWeight[at]!)
  for (let o = 0; o < outs; o++) {
    let sum = 0
    for (let r = 0; r < rows; r++) sum += dy[r * outs + o]!
    call.put(1, o, sum)
  }
}

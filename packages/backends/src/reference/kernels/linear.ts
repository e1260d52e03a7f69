/** Computes `linear` and its two backward operations: see program/operations/linear.ts. */
import type { Kernel } from "../Kernel.ts"

export const linear: Kernel = function* (call) {
  const [x, weight, bias] = [call.floats(0), call.floats(1), call.floats(2)]
  const [outs, ins] = call.shape(1) as [number, number]
  for (let r = 0; r < x.length / ins; r++) {
    for (let o = 0; o < outs; o++) {
      let sum = bias[o] ?? 0
      for (let i = 0; i < ins; i++) sum += x[r * ins + i]! * weight[o * ins + i]!
      call.put(0, r * outs + o, sum)
    }
    yield
  }
}

export const linearBackwardInput: Kernel = function* (call) {
  const [dy, weight] = [call.floats(0), call.floats(1)]
  const [outs, ins] = call.shape(1) as [number, number]
  const row = new Float64Array(ins)
  for (let r = 0; r < dy.length / outs; r++) {
    row.fill(0)
    for (let o = 0; o < outs; o++)
      for (let i = 0; i < ins; i++) row[i]! += dy[r * outs + o]! * weight[o * ins + i]!
    for (let i = 0; i < ins; i++) call.put(0, r * ins + i, row[i]!)
    yield
  }
}

export const linearBackwardWeight: Kernel = function* (call) {
  const [dy, x] = [call.floats(0), call.floats(1)]
  const [outs, ins] = [call.shape(0).at(-1)!, call.shape(1).at(-1)!]
  const rows = dy.length / outs
  const row = new Float64Array(ins)
  for (let o = 0; o < outs; o++) {
    row.fill(0)
    let sum = 0
    for (let r = 0; r < rows; r++) {
      sum += dy[r * outs + o]!
      for (let i = 0; i < ins; i++) row[i]! += dy[r * outs + o]! * x[r * ins + i]!
    }
    for (let i = 0; i < ins; i++) call.put(0, o * ins + i, row[i]!)
    call.put(1, o, sum)
    yield
  }
}

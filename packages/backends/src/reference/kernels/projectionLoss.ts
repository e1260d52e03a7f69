/** Computes `projectionLoss` and `projectionLossBackward`: see program/operations/projectionLoss.ts. */
import type { Call, Kernel } from "../Kernel.ts"

/** A sentence when a target is neither -1 nor a token. */
const wrongTarget = (targets: Int32Array, vocabulary: number): string | undefined => {
  const at = targets.findIndex((target) => target < -1 || target >= vocabulary)
  return at === -1
    ? undefined
    : `target ${targets[at]} in row ${at} is outside the vocabulary of ${vocabulary}`
}

/** Number of rows that count. */
const counted = (targets: Int32Array): number =>
  Math.max(
    1,
    targets.reduce((count, target) => count + (target === -1 ? 0 : 1), 0)
  )

/** Writes the logits of row `r` of input `x` times input `table` into `logits`. */
const project = (call: Call, x: number, table: number, r: number, logits: Float64Array): void => {
  const width = call.shape(table)[1]!
  const [values, rows] = [call.floats(x), call.floats(table)]
  for (let v = 0; v < logits.length; v++) {
    let sum = 0
    for (let c = 0; c < width; c++) sum += values[r * width + c]! * rows[v * width + c]!
    logits[v] = sum
  }
}

export const projectionLoss: Kernel = function* (call) {
  const targets = call.integers(2)
  const logits = new Float64Array(call.shape(1)[0]!)
  yield wrongTarget(targets, logits.length)
  let total = 0
  for (let r = 0; r < targets.length; r++) {
    project(call, 0, 1, r, logits)
    const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity)
    const logSumExp = largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0))
    const target = targets[r]!
    const loss = target === -1 ? 0 : logSumExp - logits[target]!
    total += loss
    call.put(1, r, loss)
    call.put(2, r, target !== -1 && logits[target]! >= largest ? 1 : 0)
    call.put(3, r, logSumExp)
    yield
  }
  call.put(0, 0, total / counted(targets))
}

export const projectionLossBackward: Kernel = function* (call) {
  const [dLoss, x, table, targets, logSumExp] = [
    call.floats(0)[0]!,
    call.floats(1),
    call.floats(2),
    call.integers(3),
    call.floats(4)
  ]
  const [vocabulary, width] = call.shape(2) as [number, number]
  yield wrongTarget(targets, vocabulary)
  const share = dLoss / counted(targets)
  const logits = new Float64Array(vocabulary)
  const dx = new Float64Array(width)
  const dTable = new Float64Array(vocabulary * width)
  for (let r = 0; r < targets.length; r++) {
    dx.fill(0)
    if (targets[r] !== -1) {
      project(call, 1, 2, r, logits)
      for (let v = 0; v < vocabulary; v++) {
        const e = (Math.exp(logits[v]! - logSumExp[r]!) - (v === targets[r] ? 1 : 0)) * share
        for (let c = 0; c < width; c++) {
          dx[c]! += e * table[v * width + c]!
          dTable[v * width + c]! += e * x[r * width + c]!
        }
      }
    }
    for (let c = 0; c < width; c++) call.put(0, r * width + c, dx[c]!)
    yield
  }
  for (let i = 0; i < dTable.length; i++) call.put(1, i, dTable[i]!)
}

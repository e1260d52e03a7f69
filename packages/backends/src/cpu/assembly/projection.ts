// The rows of the output layer's loss: logits become losses, and where the gradient is wanted, its factors e in their place.
import { fault } from "./control"
import { exp, largest, log, splat, sum } from "./simd"

const TARGET: i32 = 3

/** Counts the rows that are not ignored. Arguments: targets, rows, V, where to store the count as f32 (at least 1). */
export function countTask(a: usize): void {
  const targets = <usize>load<u32>(a)
  const rows = load<i32>(a, 4)
  const V = load<i32>(a, 8)
  let count = 0
  for (let r = 0; r < rows; r++) {
    const target = load<i32>(targets + <usize>r * 4)
    if (target < -1 || target >= V) return fault(TARGET, target, V - 1)
    if (target >= 0) count++
  }
  store<f32>(<usize>load<u32>(a, 12), <f32>max(count, 1))
}

/** The mean loss. Arguments: losses, rows, count, loss. */
export function meanTask(a: usize): void {
  const losses = <usize>load<u32>(a)
  const rows = load<i32>(a, 4)
  let total: f64 = 0
  for (let r = 0; r < rows; r++) total += <f64>load<f32>(losses + <usize>r * 4)
  store<f32>(<usize>load<u32>(a, 12), <f32>(total / <f64>load<f32>(<usize>load<u32>(a, 8))))
}

/**
 * Arguments: logits, row stride, targets, rows, V, rows a task, losses, correct or 0, logSumExp, flags, count, dLoss. Addresses of rows
 * begin at the first of these rows. Flags: 1: compute logSumExp, losses and correct (else read logSumExp); 2: replace logits by e.
 */
export function lossRowsTask(a: usize, task: i32): void {
  const stride = <usize>load<u32>(a, 4)
  const V = load<i32>(a, 16)
  const each = load<i32>(a, 20)
  const flags = load<i32>(a, 36)
  const last = min(load<i32>(a, 12), (task + 1) * each)
  for (let r = task * each; r < last; r++) {
    const row = <usize>load<u32>(a) + <usize>r * stride
    const target = load<i32>(<usize>load<u32>(a, 8) + <usize>r * 4)
    const place = <usize>load<u32>(a, 32) + <usize>r * 4
    let logSumExp: f32 = 0
    if ((flags & 1) != 0) {
      const maximum = rowMaximum(row, V)
      logSumExp = maximum + <f32>log(<f64>rowSum(row, V, maximum))
      if (load<u32>(a, 32) != 0) store<f32>(place, logSumExp)
      const logit: f32 = target >= 0 ? load<f32>(row + <usize>target * 4) : 0
      if (load<u32>(a, 24) != 0)
        store<f32>(<usize>load<u32>(a, 24) + <usize>r * 4, target >= 0 ? logSumExp - logit : 0)
      if (load<u32>(a, 28) != 0)
        store<f32>(<usize>load<u32>(a, 28) + <usize>r * 4, target >= 0 && logit >= maximum ? 1 : 0)
    } else logSumExp = load<f32>(place)
    if ((flags & 2) == 0) continue
    if (target < 0) {
      memory.fill(row, 0, <usize>V * 4)
      continue
    }
    const factor = load<f32>(<usize>load<u32>(a, 44)) / load<f32>(<usize>load<u32>(a, 40))
    gradientRow(row, V, logSumExp, factor)
    store<f32>(row + <usize>target * 4, load<f32>(row + <usize>target * 4) - factor)
  }
}

function rowMaximum(row: usize, V: i32): f32 {
  let top = splat(-Infinity)
  let i = 0
  for (; i < (V & ~3); i += 4) top = f32x4.pmax(v128.load(row + <usize>i * 4), top)
  let maximum = largest(top)
  for (; i < V; i++) maximum = max(maximum, load<f32>(row + <usize>i * 4))
  return maximum
}

function rowSum(row: usize, V: i32, maximum: f32): f32 {
  const m = splat(maximum)
  let sums = splat(0)
  let i = 0
  for (; i < (V & ~3); i += 4) sums = f32x4.add(sums, exp(f32x4.sub(v128.load(row + <usize>i * 4), m)))
  let total = sum(sums)
  for (; i < V; i++) total += f32x4.extract_lane(exp(splat(load<f32>(row + <usize>i * 4) - maximum)), 0)
  return total
}

function gradientRow(row: usize, V: i32, logSumExp: f32, factor: f32): void {
  const l = splat(logSumExp)
  const f = splat(factor)
  let i = 0
  for (; i < (V & ~3); i += 4) {
    const at = row + <usize>i * 4
    v128.store(at, f32x4.mul(exp(f32x4.sub(v128.load(at), l)), f))
  }
  for (; i < V; i++) {
    const at = row + <usize>i * 4
    store<f32>(at, f32x4.extract_lane(exp(splat(load<f32>(at) - logSumExp)), 0) * factor)
  }
}

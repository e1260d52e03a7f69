// The rows of the output layer's loss: logits become losses, and where the gradient is wanted, its factors e, packed for the two products
// that follow.
import { fault } from "./control"
import { LEFT, packWithin } from "./pack"
import { exp, largest, log, splat, sum } from "./simd"

const TARGET: i32 = 3
/** Columns of e that a worker makes at once, for a panel of rows: few enough for the first-level cache. */
const SPAN: i32 = 480

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
 * Task: a panel of six rows. Arguments: logits, row stride, targets, rows, V, losses, correct or 0, logSumExp, flags, count, dLoss,
 * packed e or 0. Addresses of rows begin at the first of these rows. Flags: 1: compute logSumExp,
 * losses and correct (else read logSumExp).
 */
export function lossRowsTask(a: usize, task: i32, scratch: usize): void {
  const stride = <usize>load<u32>(a, 4)
  const first = task * LEFT
  const rows = min(LEFT, load<i32>(a, 12) - first)
  const V = load<i32>(a, 16)
  const packed = <usize>load<u32>(a, 44)
  const gradient = packed != 0
  const computes = (load<i32>(a, 32) & 1) != 0
  // One exponential an element for both: the logits of these rows become exp(logit - maximum), whose factor is kept here.
  const scales = scratch + <usize>(LEFT * SPAN) * 4
  if (computes)
    for (let i = 0; i < rows; i++)
      store<f32>(scales + <usize>i * 4, 1 / lossRow(a, stride, first + i, gradient))
  if (!gradient) return
  const factor = load<f32>(<usize>load<u32>(a, 40)) / load<f32>(<usize>load<u32>(a, 36))
  const width = <usize>SPAN * 4
  for (let v = 0; v < V; v += SPAN) {
    const count = min(SPAN, V - v)
    for (let i = 0; i < rows; i++) {
      const r = <usize>(first + i)
      const target = load<i32>(<usize>load<u32>(a, 8) + r * 4)
      const to = scratch + <usize>i * width
      if (target < 0) {
        memory.fill(to, 0, width)
        continue
      }
      const from = <usize>load<u32>(a) + r * stride + <usize>v * 4
      if (computes) scaleRow(from, to, count, load<f32>(scales + <usize>i * 4) * factor)
      else gradientRow(from, to, count, load<f32>(<usize>load<u32>(a, 28) + r * 4), factor)
      if (<u32>(target - v) < <u32>count) {
        const at = to + <usize>(target - v) * 4
        store<f32>(at, load<f32>(at) - factor)
      }
    }
    const panel = <usize>V * (LEFT * 4)
    packWithin(scratch, width, 4, packed + <usize>task * panel + <usize>v * (LEFT * 4), rows, count, LEFT, 1, panel)
  }
}

/**
 * logSumExp, loss and correct of one row. Gives Σ exp(logit - maximum); `keep` leaves these exponentials where the logits were.
 */
function lossRow(a: usize, stride: usize, r: i32, keep: bool): f32 {
  const row = <usize>load<u32>(a) + <usize>r * stride
  const place = <usize>r * 4
  const target = load<i32>(<usize>load<u32>(a, 8) + place)
  const V = load<i32>(a, 16)
  const maximum = rowMaximum(row, V)
  const logit: f32 = target >= 0 ? load<f32>(row + <usize>target * 4) : 0
  const total = keep ? rowExponentials(row, V, maximum) : rowSum(row, V, maximum)
  const logSumExp = maximum + <f32>log(<f64>total)
  store<f32>(<usize>load<u32>(a, 28) + place, logSumExp)
  store<f32>(<usize>load<u32>(a, 20) + place, target >= 0 ? logSumExp - logit : 0)
  if (load<u32>(a, 24) != 0)
    store<f32>(<usize>load<u32>(a, 24) + place, target >= 0 && logit >= maximum ? 1 : 0)
  return total
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

/** The same sum; the exponentials stay where the logits were. */
function rowExponentials(row: usize, V: i32, maximum: f32): f32 {
  const m = splat(maximum)
  let sums = splat(0)
  let i = 0
  for (; i < (V & ~3); i += 4) {
    const e = exp(f32x4.sub(v128.load(row + <usize>i * 4), m))
    sums = f32x4.add(sums, e)
    v128.store(row + <usize>i * 4, e)
  }
  let total = sum(sums)
  for (; i < V; i++) {
    const e = f32x4.extract_lane(exp(splat(load<f32>(row + <usize>i * 4) - maximum)), 0)
    total += e
    store<f32>(row + <usize>i * 4, e)
  }
  return total
}

/** to = from · factor. */
function scaleRow(from: usize, to: usize, count: i32, factor: f32): void {
  const f = splat(factor)
  const whole = <usize>(count & ~3) * 4
  let i: usize = 0
  for (; i < whole; i += 16) v128.store(to + i, f32x4.mul(v128.load(from + i), f))
  for (; i < <usize>count * 4; i += 4) store<f32>(to + i, load<f32>(from + i) * factor)
}

/** to = exp(logit - logSumExp) · factor. */
function gradientRow(from: usize, to: usize, count: i32, logSumExp: f32, factor: f32): void {
  const l = splat(logSumExp)
  const f = splat(factor)
  const whole = <usize>(count & ~3) * 4
  let i: usize = 0
  for (; i < whole; i += 16) v128.store(to + i, f32x4.mul(exp(f32x4.sub(v128.load(from + i), l)), f))
  for (; i < <usize>count * 4; i += 4)
    store<f32>(to + i, f32x4.extract_lane(exp(splat(load<f32>(from + i) - logSumExp)), 0) * factor)
}

// Layer normalisation and its gradient. A task is a block of rows; the gradients of gain and bias are summed per block, then over
// the blocks in order.
import { fma, splat, sum } from "./simd"

/** Arguments: x, gain, bias, y, mean, rstd, rows, C, rows a task, epsilon. */
export function layerNormTask(a: usize, task: i32): void {
  const gain = <usize>load<u32>(a, 4)
  const bias = <usize>load<u32>(a, 8)
  const C = load<i32>(a, 28)
  const each = load<i32>(a, 32)
  const epsilon = load<f32>(a, 36)
  const last = min(load<i32>(a, 24), (task + 1) * each)
  const width = <usize>C * 4
  const whole = <usize>(C & ~3) * 4
  for (let r = task * each; r < last; r++) {
    const x = <usize>load<u32>(a) + <usize>r * width
    const y = <usize>load<u32>(a, 12) + <usize>r * width
    let total = splat(0)
    let i: usize = 0
    for (; i < whole; i += 16) total = f32x4.add(total, v128.load(x + i))
    let mean = sum(total)
    for (; i < width; i += 4) mean += load<f32>(x + i)
    mean /= <f32>C
    const m = splat(mean)
    let squares = splat(0)
    for (i = 0; i < whole; i += 16) {
      const d = f32x4.sub(v128.load(x + i), m)
      squares = fma(d, d, squares)
    }
    let variance = sum(squares)
    for (; i < width; i += 4) {
      const d = load<f32>(x + i) - mean
      variance += d * d
    }
    const rstd = <f32>(1.0 / Math.sqrt(<f64>(variance / <f32>C) + <f64>epsilon))
    const s = splat(rstd)
    for (i = 0; i < whole; i += 16) {
      const n = f32x4.mul(f32x4.sub(v128.load(x + i), m), s)
      const b = bias == 0 ? splat(0) : v128.load(bias + i)
      v128.store(y + i, fma(n, v128.load(gain + i), b))
    }
    for (; i < width; i += 4) {
      const b: f32 = bias == 0 ? 0 : load<f32>(bias + i)
      store<f32>(y + i, (load<f32>(x + i) - mean) * rstd * load<f32>(gain + i) + b)
    }
    if (load<u32>(a, 16) != 0) store<f32>(<usize>load<u32>(a, 16) + <usize>r * 4, mean)
    if (load<u32>(a, 20) != 0) store<f32>(<usize>load<u32>(a, 20) + <usize>r * 4, rstd)
  }
}

/**
 * Arguments: dy, x, gain, mean, rstd, dx or 0, rows, C, rows a task, flags (1: add to dx), partial sums or 0: for each task a row of
 * dGain and a row of dBias.
 */
export function layerNormBackwardTask(a: usize, task: i32): void {
  const gain = <usize>load<u32>(a, 8)
  const C = load<i32>(a, 28)
  const each = load<i32>(a, 32)
  const adds = (load<i32>(a, 36) & 1) != 0
  const last = min(load<i32>(a, 24), (task + 1) * each)
  const width = <usize>C * 4
  const whole = <usize>(C & ~3) * 4
  const partial: usize = load<u32>(a, 40) == 0 ? 0 : <usize>load<u32>(a, 40) + <usize>task * 2 * width
  if (partial != 0) memory.fill(partial, 0, 2 * width)
  for (let r = task * each; r < last; r++) {
    const dy = <usize>load<u32>(a) + <usize>r * width
    const x = <usize>load<u32>(a, 4) + <usize>r * width
    const mean = load<f32>(<usize>load<u32>(a, 12) + <usize>r * 4)
    const rstd = load<f32>(<usize>load<u32>(a, 16) + <usize>r * 4)
    const m = splat(mean)
    const s = splat(rstd)
    let g1 = splat(0)
    let g2 = splat(0)
    let i: usize = 0
    for (; i < whole; i += 16) {
      const d = v128.load(dy + i)
      const n = f32x4.mul(f32x4.sub(v128.load(x + i), m), s)
      const g = f32x4.mul(d, v128.load(gain + i))
      g1 = f32x4.add(g1, g)
      g2 = fma(g, n, g2)
      if (partial != 0) {
        v128.store(partial + i, fma(d, n, v128.load(partial + i)))
        v128.store(partial + width + i, f32x4.add(d, v128.load(partial + width + i)))
      }
    }
    let sum1 = sum(g1)
    let sum2 = sum(g2)
    for (; i < width; i += 4) {
      const d = load<f32>(dy + i)
      const n = (load<f32>(x + i) - mean) * rstd
      const g = d * load<f32>(gain + i)
      sum1 += g
      sum2 += g * n
      if (partial != 0) {
        store<f32>(partial + i, load<f32>(partial + i) + d * n)
        store<f32>(partial + width + i, load<f32>(partial + width + i) + d)
      }
    }
    if (load<u32>(a, 20) == 0) continue
    const dx = <usize>load<u32>(a, 20) + <usize>r * width
    const mean1 = sum1 / <f32>C
    const mean2 = sum2 / <f32>C
    const m1 = splat(mean1)
    const m2 = splat(mean2)
    for (i = 0; i < whole; i += 16) {
      const n = f32x4.mul(f32x4.sub(v128.load(x + i), m), s)
      const g = f32x4.mul(v128.load(dy + i), v128.load(gain + i))
      const value = f32x4.mul(s, f32x4.sub(f32x4.sub(g, m1), f32x4.mul(n, m2)))
      v128.store(dx + i, adds ? f32x4.add(v128.load(dx + i), value) : value)
    }
    for (; i < width; i += 4) {
      const n = (load<f32>(x + i) - mean) * rstd
      const value = rstd * (load<f32>(dy + i) * load<f32>(gain + i) - mean1 - n * mean2)
      store<f32>(dx + i, adds ? load<f32>(dx + i) + value : value)
    }
  }
}

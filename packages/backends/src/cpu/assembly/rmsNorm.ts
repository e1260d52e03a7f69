// Root mean square normalisation of runs of G neighbours, and its gradient.
import { dot } from "./matrix"
import { fma, splat, sum } from "./simd"

// @ts-ignore: decorator
@inline
function reciprocal(x: usize, G: i32, epsilon: f32): f32 {
  return 1 / sqrt<f32>(dot(x, x, G) / <f32>G + epsilon)
}

/** Arguments: x, gain, y, runs, G, runs a task, epsilon. */
export function rmsNormTask(a: usize, task: i32): void {
  const gain = <usize>load<u32>(a, 4)
  const G = load<i32>(a, 16)
  const each = load<i32>(a, 20)
  const epsilon = load<f32>(a, 24)
  const width = <usize>G * 4
  const whole = <usize>(G & ~3) * 4
  const last = min(load<i32>(a, 12), (task + 1) * each)
  for (let run = task * each; run < last; run++) {
    const x = <usize>load<u32>(a) + <usize>run * width
    const y = <usize>load<u32>(a, 8) + <usize>run * width
    const r = reciprocal(x, G, epsilon)
    let i: usize = 0
    for (; i < whole; i += 16)
      v128.store(y + i, f32x4.mul(f32x4.mul(v128.load(x + i), splat(r)), v128.load(gain + i)))
    for (; i < width; i += 4) store<f32>(y + i, load<f32>(x + i) * r * load<f32>(gain + i))
  }
}

/**
 * Task: some runs' dx, and their part of dGain, which are summed in the order of the tasks.
 * Arguments: dy, x, gain, dx or 0, partial or 0, runs, G, runs a task, epsilon, flags (1: dx accumulates).
 */
export function rmsNormBackwardTask(a: usize, task: i32, scratch: usize): void {
  const gain = <usize>load<u32>(a, 8)
  const partial = <usize>load<u32>(a, 16)
  const G = load<i32>(a, 24)
  const each = load<i32>(a, 28)
  const epsilon = load<f32>(a, 32)
  const adds = (load<i32>(a, 36) & 1) != 0
  const width = <usize>G * 4
  const whole = <usize>(G & ~3) * 4
  const sums: usize = partial == 0 ? scratch : partial + <usize>task * width
  const last = min(load<i32>(a, 20), (task + 1) * each)
  memory.fill(sums, 0, width)
  for (let run = task * each; run < last; run++) {
    const at = <usize>run * width
    const dy = <usize>load<u32>(a) + at
    const x = <usize>load<u32>(a, 4) + at
    const r = reciprocal(x, G, epsilon)
    const rs = splat(r)
    let projections = splat(0)
    let i: usize = 0
    for (; i < whole; i += 16) {
      const g = f32x4.mul(v128.load(dy + i), v128.load(x + i))
      projections = fma(g, v128.load(gain + i), projections)
      v128.store(sums + i, fma(g, rs, v128.load(sums + i)))
    }
    let projection = sum(projections)
    for (; i < width; i += 4) {
      const g = load<f32>(dy + i) * load<f32>(x + i)
      projection += g * load<f32>(gain + i)
      store<f32>(sums + i, load<f32>(sums + i) + g * r)
    }
    if (load<u32>(a, 12) == 0) continue
    const dx = <usize>load<u32>(a, 12) + at
    const share = r * r * projection / <f32>G
    const shares = splat(share)
    for (i = 0; i < whole; i += 16) {
      const g = f32x4.mul(v128.load(dy + i), v128.load(gain + i))
      const value = f32x4.mul(rs, f32x4.sub(g, f32x4.mul(v128.load(x + i), shares)))
      v128.store(dx + i, adds ? f32x4.add(v128.load(dx + i), value) : value)
    }
    for (; i < width; i += 4) {
      const value = r * (load<f32>(dy + i) * load<f32>(gain + i) - load<f32>(x + i) * share)
      store<f32>(dx + i, adds ? load<f32>(dx + i) + value : value)
    }
  }
}

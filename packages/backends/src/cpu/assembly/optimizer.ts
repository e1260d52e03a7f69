// The gradients' norm and AdamW: each reads its memory once.
import { splat, wholePower } from "./simd"

/** Task: the sum of squares of one piece, in float64. Arguments: sums (one f64 a task), then address and count of each piece. */
export function squaresTask(a: usize, task: i32): void {
  const piece = a + 4 + <usize>task * 8
  let at = <usize>load<u32>(piece)
  let left = load<i32>(piece, 4)
  let s0 = f64x2.splat(0)
  let s1 = f64x2.splat(0)
  for (; left >= 4; left -= 4) {
    const x = v128.load(at)
    const low = f64x2.promote_low_f32x4(x)
    const high = f64x2.promote_low_f32x4(v128.shuffle<f64>(x, x, 1, 0))
    s0 = f64x2.add(s0, f64x2.mul(low, low))
    s1 = f64x2.add(s1, f64x2.mul(high, high))
    at += 16
  }
  const both = f64x2.add(s0, s1)
  let total = f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1)
  for (; left > 0; left--) {
    const x = <f64>load<f32>(at)
    total += x * x
    at += 4
  }
  store<f64>(<usize>load<u32>(a) + <usize>task * 8, total)
}

/** Arguments: sums, how many, norm or 0, scale or 0, maximum. */
export function normTask(a: usize): void {
  const sums = <usize>load<u32>(a)
  const count = load<i32>(a, 4)
  const maximum = <f64>load<f32>(a, 16)
  let total: f64 = 0
  for (let i = 0; i < count; i++) total += load<f64>(sums + <usize>i * 8)
  const norm = Math.sqrt(total)
  const finite = <f64>(<f32>norm) - <f64>(<f32>norm) == 0
  const scale: f64 = !finite ? NaN : maximum == 0 ? 1 : min(1.0, maximum / (norm + 1e-6))
  if (load<u32>(a, 8) != 0) store<f32>(<usize>load<u32>(a, 8), <f32>norm)
  if (load<u32>(a, 12) != 0) store<f32>(<usize>load<u32>(a, 12), <f32>scale)
}

/**
 * Arguments: parameter, gradient, firstMoment, secondMoment, scale, learningRate, step, count, elements a task, then as f64 beta1,
 * beta2, epsilon and weightDecay from byte 40.
 */
export function adamWTask(a: usize, task: i32): void {
  const scale = load<f32>(<usize>load<u32>(a, 16))
  if (!(scale - scale == 0)) return
  const learningRate = <f64>load<f32>(<usize>load<u32>(a, 20))
  const step = load<i32>(<usize>load<u32>(a, 24))
  const each = load<i32>(a, 32)
  const beta1 = load<f64>(a, 40)
  const beta2 = load<f64>(a, 48)
  const at = <usize>(task * each) * 4
  const count = min(each, load<i32>(a, 28) - task * each)
  const p = <usize>load<u32>(a) + at
  const g = <usize>load<u32>(a, 4) + at
  const m = <usize>load<u32>(a, 8) + at
  const v = <usize>load<u32>(a, 12) + at

  const s = splat(scale)
  const b1 = splat(<f32>beta1)
  const b2 = splat(<f32>beta2)
  const c1 = splat(<f32>(1 - beta1))
  const c2 = splat(<f32>(1 - beta2))
  // m̂ / (√v̂ + epsilon), with the corrections taken out of the loop.
  const rate = splat(<f32>(learningRate / (1 - wholePower(beta1, step))))
  const root = splat(<f32>(1 / Math.sqrt(1 - wholePower(beta2, step))))
  const epsilon = splat(<f32>load<f64>(a, 56))
  const keep = splat(<f32>(1 - learningRate * load<f64>(a, 64)))
  const whole = <usize>(count & ~3) * 4
  let i: usize = 0
  for (; i < whole; i += 16) {
    const grad = f32x4.mul(v128.load(g + i), s)
    const first = f32x4.add(f32x4.mul(b1, v128.load(m + i)), f32x4.mul(c1, grad))
    const second = f32x4.add(f32x4.mul(b2, v128.load(v + i)), f32x4.mul(c2, f32x4.mul(grad, grad)))
    v128.store(m + i, first)
    v128.store(v + i, second)
    const under = f32x4.add(f32x4.mul(f32x4.sqrt(second), root), epsilon)
    const move = f32x4.div(f32x4.mul(first, rate), under)
    v128.store(p + i, f32x4.sub(f32x4.mul(v128.load(p + i), keep), move))
  }
  for (; i < <usize>count * 4; i += 4) {
    const grad = load<f32>(g + i) * scale
    const first = <f32>beta1 * load<f32>(m + i) + <f32>(1 - beta1) * grad
    const second = <f32>beta2 * load<f32>(v + i) + <f32>(1 - beta2) * grad * grad
    store<f32>(m + i, first)
    store<f32>(v + i, second)
    const under = Mathf.sqrt(second) * f32x4.extract_lane(root, 0) + f32x4.extract_lane(epsilon, 0)
    store<f32>(
      p + i,
      load<f32>(p + i) * f32x4.extract_lane(keep, 0) - (first * f32x4.extract_lane(rate, 0)) / under
    )
  }
}

// Causal attention. A task is one head of one sequence; queries come in strips of 48, so that the worker holds a strip of scores and
// never the whole matrix.
//
// A worker's memory: an edge tile (256 bytes), then the packed operands and strips, laid out by `lay` below.
import { OFFSET, SLOT, offsetOf, slotOf } from "./cacheRows"
import { fault } from "./control"
import { FOUR, lookFour } from "./fourHeads"
import { dot, product } from "./matrix"
import { LEFT, RIGHT, pack } from "./pack"
import { exp, fma, largest, log, splat, sum } from "./simd"

/** Queries in a strip: a whole number of panels. */
export const STRIP: i32 = 48
export const EDGE: usize = 256

// @ts-ignore: decorator
@inline
export function rounded(x: i32, to: i32): i32 {
  return ((x + to - 1) / to) * to
}

/** The same row of the two packed forms of a strip of up to `keys` columns: bytes from row to row. */
// @ts-ignore: decorator
@inline
export function stripStride(T: i32): usize {
  return <usize>rounded(T, RIGHT) * 4
}

/** Softmax of one row of scores of which `seen` count; the rest up to `width` become 0. Gives log Σ exp. */
export function softmaxRow(row: usize, seen: i32, width: i32): f32 {
  const whole = seen & ~3
  let top = splat(-Infinity)
  let i = 0
  for (; i < whole; i += 4) top = f32x4.pmax(v128.load(row + <usize>i * 4), top)
  let maximum = largest(top)
  for (; i < seen; i++) maximum = max(maximum, load<f32>(row + <usize>i * 4))
  const m = splat(maximum)
  let sums = splat(0)
  for (i = 0; i < whole; i += 4) {
    const e = exp(f32x4.sub(v128.load(row + <usize>i * 4), m))
    sums = f32x4.add(sums, e)
    v128.store(row + <usize>i * 4, e)
  }
  let total = sum(sums)
  for (; i < seen; i++) {
    const e = f32x4.extract_lane(exp(splat(load<f32>(row + <usize>i * 4) - maximum)), 0)
    total += e
    store<f32>(row + <usize>i * 4, e)
  }
  const scale = splat(1 / total)
  for (i = 0; i < whole; i += 4)
    v128.store(row + <usize>i * 4, f32x4.mul(v128.load(row + <usize>i * 4), scale))
  for (; i < seen; i++) store<f32>(row + <usize>i * 4, load<f32>(row + <usize>i * 4) / total)
  for (; i < width; i++) store<f32>(row + <usize>i * 4, 0)
  return maximum + <f32>log(<f64>total)
}

/** Arguments: qkv, y, logSumExp or 0, T, C, heads. Tasks: B · heads. */
export function attentionTask(a: usize, task: i32, scratch: usize): void {
  const T = load<i32>(a, 12)
  const C = load<i32>(a, 16)
  const heads = load<i32>(a, 20)
  const D = C / heads
  const b = task / heads
  const h = task % heads
  const from = <usize>C * 12
  const to = <usize>C * 4
  const q = <usize>load<u32>(a) + <usize>b * <usize>T * from + <usize>(h * D) * 4
  const k = q + to
  const v = k + to
  const y = <usize>load<u32>(a, 4) + <usize>b * <usize>T * to + <usize>(h * D) * 4
  const logs: usize = load<u32>(a, 8) == 0 ? 0 : <usize>load<u32>(a, 8) + <usize>(task * T) * 4
  const s = <f32>(1 / Math.sqrt(<f64>D))

  const keys = scratch + EDGE
  const values = keys + <usize>(rounded(T, RIGHT) * D) * 4
  const queries = values + <usize>(rounded(D, RIGHT) * T) * 4
  const scores = queries + <usize>(STRIP * D) * 4
  const weights = scores + <usize>STRIP * stripStride(T)
  pack(k, from, 4, keys, T, D, RIGHT, 1)
  pack(v, 4, from, values, D, T, RIGHT, 1)

  for (let t = 0; t < T; t += STRIP) {
    const rows = min(STRIP, T - t)
    const seen = t + rows
    const width = rounded(seen, RIGHT)
    const stride = <usize>width * 4
    pack(q + <usize>t * from, from, 4, queries, rows, D, LEFT, s)
    product(
      queries, keys, scores, stride, rounded(rows, LEFT), width, D,
      <usize>D * (LEFT * 4), <usize>D * (RIGHT * 4), false, 0, scratch
    )
    for (let i = 0; i < rows; i++) {
      const log = softmaxRow(scores + <usize>i * stride, t + i + 1, width)
      if (logs != 0) store<f32>(logs + <usize>(t + i) * 4, log)
    }
    pack(scores, stride, 4, weights, rows, seen, LEFT, 1)
    product(
      weights, values, y + <usize>t * to, to, rows, D, seen,
      <usize>seen * (LEFT * 4), <usize>T * (RIGHT * 4), false, 0, scratch
    )
  }
}

/** p[u] = exp(score[u] - logSumExp) and ds[u] = p[u] · (dp[u] - delta), in place, for the `seen` columns; 0 beyond. */
export function gradientRow(scores: usize, products: usize, seen: i32, width: i32, log: f32, delta: f32): void {
  const l = splat(log)
  const d = splat(delta)
  let i = 0
  for (; i < (seen & ~3); i += 4) {
    const at = <usize>i * 4
    const p = exp(f32x4.sub(v128.load(scores + at), l))
    v128.store(scores + at, p)
    v128.store(products + at, f32x4.mul(p, f32x4.sub(v128.load(products + at), d)))
  }
  for (; i < seen; i++) {
    const at = <usize>i * 4
    const p = f32x4.extract_lane(exp(splat(load<f32>(scores + at) - log)), 0)
    store<f32>(scores + at, p)
    store<f32>(products + at, p * (load<f32>(products + at) - delta))
  }
  for (; i < width; i++) {
    store<f32>(scores + <usize>i * 4, 0)
    store<f32>(products + <usize>i * 4, 0)
  }
}

/** Arguments: dy, qkv, y, logSumExp, dqkv, T, C, heads. Tasks: B · heads. */
export function attentionBackwardTask(a: usize, task: i32, scratch: usize): void {
  const T = load<i32>(a, 20)
  const C = load<i32>(a, 24)
  const heads = load<i32>(a, 28)
  const D = C / heads
  const b = task / heads
  const h = task % heads
  const from = <usize>C * 12
  const to = <usize>C * 4
  const wide = <usize>b * <usize>T * from + <usize>(h * D) * 4
  const narrow = <usize>b * <usize>T * to + <usize>(h * D) * 4
  const dy = <usize>load<u32>(a) + narrow
  const q = <usize>load<u32>(a, 4) + wide
  const k = q + to
  const v = k + to
  const y = <usize>load<u32>(a, 8) + narrow
  const logs = <usize>load<u32>(a, 12) + <usize>(task * T) * 4
  const dq = <usize>load<u32>(a, 16) + wide
  const dk = dq + to
  const dv = dk + to
  const s = <f32>(1 / Math.sqrt(<f64>D))

  // Right operands for a whole head: kᵀ and vᵀ to make scores, k (scaled) to make dq.
  const DR = rounded(D, RIGHT)
  const keys = scratch + EDGE
  const values = keys + <usize>(rounded(T, RIGHT) * D) * 4
  const keyRows = values + <usize>(rounded(T, RIGHT) * D) * 4
  // For a strip: q (scaled) and dy as left operands and as right ones, scores, products, and their packed forms.
  const queries = keyRows + <usize>(DR * T) * 4
  const gradients = queries + <usize>(STRIP * D) * 4
  const queryRows = gradients + <usize>(STRIP * D) * 4
  const gradientRows = queryRows + <usize>(STRIP * DR) * 4
  const scores = gradientRows + <usize>(STRIP * DR) * 4
  const products = scores + <usize>STRIP * stripStride(T)
  const packed = products + <usize>STRIP * stripStride(T)
  pack(k, from, 4, keys, T, D, RIGHT, 1)
  pack(v, from, 4, values, T, D, RIGHT, 1)
  pack(k, 4, from, keyRows, D, T, RIGHT, s)
  for (let u: usize = 0; u < <usize>T; u++) {
    memory.fill(dk + u * from, 0, <usize>D * 4)
    memory.fill(dv + u * from, 0, <usize>D * 4)
  }

  for (let t = 0; t < T; t += STRIP) {
    const rows = min(STRIP, T - t)
    const seen = t + rows
    const width = rounded(seen, RIGHT)
    const stride = <usize>width * 4
    const padded = rounded(rows, LEFT)
    const leftDepthD = <usize>D * (LEFT * 4)
    const rightDepthD = <usize>D * (RIGHT * 4)
    pack(q + <usize>t * from, from, 4, queries, rows, D, LEFT, s)
    pack(dy + <usize>t * to, to, 4, gradients, rows, D, LEFT, 1)
    pack(q + <usize>t * from, 4, from, queryRows, D, rows, RIGHT, s)
    pack(dy + <usize>t * to, 4, to, gradientRows, D, rows, RIGHT, 1)
    product(queries, keys, scores, stride, padded, width, D, leftDepthD, rightDepthD, false, 0, scratch)
    product(gradients, values, products, stride, padded, width, D, leftDepthD, rightDepthD, false, 0, scratch)
    for (let i = 0; i < rows; i++) {
      const at = <usize>(t + i)
      const delta = dot(dy + at * to, y + at * to, D)
      const row = <usize>i * stride
      gradientRow(scores + row, products + row, t + i + 1, width, load<f32>(logs + at * 4), delta)
    }
    // dq = ds · k
    pack(products, stride, 4, packed, rows, seen, LEFT, 1)
    product(
      packed, keyRows, dq + <usize>t * from, from, rows, D, seen,
      <usize>seen * (LEFT * 4), <usize>T * (RIGHT * 4), false, 0, scratch
    )
    // dk += dsᵀ · q, dv += pᵀ · dy
    const leftRows = <usize>rows * (LEFT * 4)
    const rightRows = <usize>rows * (RIGHT * 4)
    pack(products, 4, stride, packed, seen, rows, LEFT, 1)
    product(packed, queryRows, dk, from, seen, D, rows, leftRows, rightRows, true, 0, scratch)
    pack(scores, 4, stride, packed, seen, rows, LEFT, 1)
    product(packed, gradientRows, dv, from, seen, D, rows, leftRows, rightRows, true, 0, scratch)
  }
}

/**
 * Attention over a cache: the new keys and values are stored, then each new query looks at all rows up to its own.
 * Arguments: qkv, keys, values, offset, y, T, C, heads, P, words from offset to offset, slots or 0, rows of the cache, heads a task, which are
 * four of a whole number of vectors or one. Tasks: B · heads / heads a task.
 */
export function attentionCachedTask(a: usize, task: i32, scratch: usize): void {
  const T = load<i32>(a, 20)
  const C = load<i32>(a, 24)
  const heads = load<i32>(a, 28)
  const P = load<i32>(a, 32)
  const D = C / heads
  const together = load<i32>(a, 48)
  const tasks = heads / together
  const b = task / tasks
  const offset = offsetOf(load<u32>(a, 12), load<i32>(a, 36), b)
  const slot = slotOf(load<u32>(a, 40), b)
  if (offset < 0 || offset > P - T) return fault(OFFSET, offset, P - T)
  if (<u32>slot >= load<u32>(a, 44)) return fault(SLOT, slot, load<i32>(a, 44) - 1)
  const h = (task % tasks) * together
  const from = <usize>C * 12
  const to = <usize>C * 4
  const width = <usize>D * 4
  const whole = <usize>(D & ~3) * 4
  const q = <usize>load<u32>(a) + <usize>b * <usize>T * from + <usize>h * width
  const cache = <usize>slot * <usize>P * to + <usize>h * width
  const keys = <usize>load<u32>(a, 4) + cache
  const values = <usize>load<u32>(a, 8) + cache
  const y = <usize>load<u32>(a, 16) + <usize>b * <usize>T * to + <usize>h * width
  const s = <f32>(1 / Math.sqrt(<f64>D))
  const scores = scratch + EDGE
  for (let t: usize = 0; t < <usize>T; t++) {
    const at = (<usize>offset + t) * to
    memory.copy(keys + at, q + t * from + to, width * <usize>together)
    memory.copy(values + at, q + t * from + 2 * to, width * <usize>together)
  }
  if (<usize>together == FOUR) {
    for (let t: usize = 0; t < <usize>T; t++)
      lookFour(q + t * from, keys, values, y + t * to, offset + <i32>t + 1, to, width, width, scores)
    return
  }
  for (let t = 0; t < T; t++) {
    const seen = offset + t + 1
    for (let u = 0; u < seen; u++)
      store<f32>(scores + <usize>u * 4, s * dot(q + <usize>t * from, keys + <usize>u * to, D))
    softmaxRow(scores, seen, seen)
    const out = y + <usize>t * to
    memory.fill(out, 0, width)
    for (let u = 0; u < seen; u++) {
      const p = load<f32>(scores + <usize>u * 4)
      const value = values + <usize>u * to
      let i: usize = 0
      for (; i < whole; i += 16) v128.store(out + i, fma(splat(p), v128.load(value + i), v128.load(out + i)))
      for (; i < width; i += 4) store<f32>(out + i, load<f32>(out + i) + p * load<f32>(value + i))
    }
  }
}

// Cached attention of four neighbouring heads at once: a row of the cache is read for all of them where it lies, and a head is a lane of the
// scores, so that the exponentials of four heads are one vector's.
import { exp, fma, splat, sums } from "./simd"

/** Heads that are taken together; `fourHeads` in ../lower/attention.ts. */
export const FOUR: usize = 4

/** Scores of `seen` rows, 16 bytes a row; gives the largest of each head. */
function scoresOf(
  q: usize,
  keys: usize,
  seen: i32,
  stride: usize,
  width: usize,
  step: usize,
  scale: v128,
  scores: usize
): v128 {
  let top = splat(-Infinity)
  for (const end = scores + <usize>seen * 16; scores < end; scores += 16) {
    let a = splat(0)
    let b = splat(0)
    let c = splat(0)
    let d = splat(0)
    let from = q
    let key = keys
    for (const last = q + width; from < last; from += 16, key += 16) {
      a = fma(v128.load(from), v128.load(key), a)
      b = fma(v128.load(from + width), v128.load(key + step), b)
      c = fma(v128.load(from + 2 * width), v128.load(key + 2 * step), c)
      d = fma(v128.load(from + 3 * width), v128.load(key + 3 * step), d)
    }
    const score = f32x4.mul(scale, sums(a, b, c, d))
    v128.store(scores, score)
    top = f32x4.pmax(score, top)
    keys += stride
  }
  return top
}

/** y += weights · values over four neighbouring rows. */
// @ts-ignore: decorator
@inline
function addFourRows(y: usize, value: usize, stride: usize, width: usize, weights: usize): void {
  const w0 = v128.load32_splat(weights)
  const w1 = v128.load32_splat(weights, 16)
  const w2 = v128.load32_splat(weights, 32)
  const w3 = v128.load32_splat(weights, 48)
  for (const end = y + width; y < end; y += 16, value += 16) {
    let total = fma(w0, v128.load(value), v128.load(y))
    total = fma(w1, v128.load(value + stride), total)
    total = fma(w2, v128.load(value + 2 * stride), total)
    v128.store(y, fma(w3, v128.load(value + 3 * stride), total))
  }
}

/** y += weight · values over one row. */
// @ts-ignore: decorator
@inline
function addRow(y: usize, value: usize, width: usize, weight: usize): void {
  const w = v128.load32_splat(weight)
  for (const end = y + width; y < end; y += 16, value += 16)
    v128.store(y, fma(w, v128.load(value), v128.load(y)))
}

/**
 * One query of four neighbouring heads over the first `seen` rows of a cache. Heads have `width` bytes, a whole number of vectors; their
 * keys and values lie `step` bytes apart, 0 where they share them. `scores` has room for 16 bytes a row and 16 more.
 */
export function lookFour(
  q: usize,
  keys: usize,
  values: usize,
  y: usize,
  seen: i32,
  stride: usize,
  width: usize,
  step: usize,
  scores: usize
): void {
  const scale = splat(<f32>(1 / Math.sqrt(<f64>(width / 4))))
  const top = scoresOf(q, keys, seen, stride, width, step, scale, scores)
  const end = scores + <usize>seen * 16
  let total = splat(0)
  for (let at = scores; at < end; at += 16) {
    const e = exp(f32x4.sub(v128.load(at), top))
    total = f32x4.add(total, e)
    v128.store(at, e)
  }
  v128.store(end, f32x4.div(splat(1), total))
  memory.fill(y, 0, FOUR * width)
  let at = scores
  for (; at + 64 <= end; at += 64) {
    for (let head: usize = 0; head < FOUR; head++)
      addFourRows(y + head * width, values + head * step, stride, width, at + head * 4)
    values += 4 * stride
  }
  for (; at < end; at += 16) {
    for (let head: usize = 0; head < FOUR; head++)
      addRow(y + head * width, values + head * step, width, at + head * 4)
    values += stride
  }
  for (let head: usize = 0; head < FOUR; head++) {
    const share = v128.load32_splat(end + head * 4)
    for (const last = y + width; y < last; y += 16) v128.store(y, f32x4.mul(v128.load(y), share))
  }
}

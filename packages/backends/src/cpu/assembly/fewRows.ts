// Products with few rows: the weights are read once, in the order in which they lie, for all rows.
//
// Every element is summed in the same order, whichever rows are taken together: in four vectors in turn, then the numbers that make no four
// vectors. So a row gives the same bits alone and among others.
import { geluInPlace } from "./elementwise"
import { fma, sums } from "./simd"

/** Outputs whose sums are taken across lanes together, and the bytes of one row's. */
const TOGETHER: i32 = 4
const BLOCK: usize = 64

/** Σ x[i] · w[i] over what is left after the last four vectors. */
function rest(x: usize, w: usize, size: i32): f32 {
  let total: f32 = 0
  for (let i = <usize>(size & ~15) * 4; i < <usize>size * 4; i += 4) total += load<f32>(x + i) * load<f32>(w + i)
  return total
}

/** Σ x[i] · w[i], by lane, over whole fours of vectors. */
// @ts-ignore: decorator
@inline
function lanesOf(x: usize, w: usize, size: i32): v128 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  for (const end = x + <usize>(size & ~15) * 4; x < end; x += 64, w += 64) {
    s0 = fma(v128.load(x), v128.load(w), s0)
    s1 = fma(v128.load(x, 16), v128.load(w, 16), s1)
    s2 = fma(v128.load(x, 32), v128.load(w, 32), s2)
    s3 = fma(v128.load(x, 48), v128.load(w, 48), s3)
  }
  return f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))
}

/** The same for two rows of x, `width` bytes apart; the results are put `BLOCK` bytes apart. */
function lanesOfTwo(x: usize, w: usize, width: usize, size: i32, to: usize): void {
  let a0 = f32x4.splat(0)
  let a1 = f32x4.splat(0)
  let a2 = f32x4.splat(0)
  let a3 = f32x4.splat(0)
  let b0 = f32x4.splat(0)
  let b1 = f32x4.splat(0)
  let b2 = f32x4.splat(0)
  let b3 = f32x4.splat(0)
  let second = x + width
  for (const end = x + <usize>(size & ~15) * 4; x < end; x += 64, second += 64, w += 64) {
    let v = v128.load(w)
    a0 = fma(v128.load(x), v, a0)
    b0 = fma(v128.load(second), v, b0)
    v = v128.load(w, 16)
    a1 = fma(v128.load(x, 16), v, a1)
    b1 = fma(v128.load(second, 16), v, b1)
    v = v128.load(w, 32)
    a2 = fma(v128.load(x, 32), v, a2)
    b2 = fma(v128.load(second, 32), v, b2)
    v = v128.load(w, 48)
    a3 = fma(v128.load(x, 48), v, a3)
    b3 = fma(v128.load(second, 48), v, b3)
  }
  v128.store(to, f32x4.add(f32x4.add(a0, a1), f32x4.add(a2, a3)))
  v128.store(to, f32x4.add(f32x4.add(b0, b1), f32x4.add(b2, b3)), BLOCK)
}

/** Four outputs of a row from their lanes' sums. */
function finish(lanes: usize, x: usize, w: usize, width: usize, size: i32): v128 {
  const result = sums(v128.load(lanes), v128.load(lanes, 16), v128.load(lanes, 32), v128.load(lanes, 48))
  if ((size & 15) == 0) return result
  return f32x4.add(
    result,
    f32x4(rest(x, w, size), rest(x, w + width, size), rest(x, w + 2 * width, size), rest(x, w + 3 * width, size))
  )
}

/**
 * Task: some columns of y = x · weightᵀ + bias, and of gelu(y).
 * Arguments: x, weight, bias or 0, y, rows, I, O, columns a task (a multiple of four), gelu(y) or 0.
 */
export function fewRowsTask(a: usize, task: i32, scratch: usize): void {
  const x = <usize>load<u32>(a)
  const weight = <usize>load<u32>(a, 4)
  const bias = <usize>load<u32>(a, 8)
  const y = <usize>load<u32>(a, 12)
  const rows = load<i32>(a, 16)
  const I = load<i32>(a, 20)
  const O = load<i32>(a, 24)
  const each = load<i32>(a, 28)
  const gelu = <usize>load<u32>(a, 32)
  const width = <usize>I * 4
  const stride = <usize>O * 4
  const first = task * each
  const last = min(O, first + each)
  let o = first
  for (; o + TOGETHER <= last; o += TOGETHER) {
    const w = weight + <usize>o * width
    const b = bias == 0 ? f32x4.splat(0) : v128.load(bias + <usize>o * 4)
    let from = x
    let to = y + <usize>o * 4
    let r = 0
    for (; r + 2 <= rows; r += 2) {
      for (let i: usize = 0; i < <usize>TOGETHER; i++)
        lanesOfTwo(from, w + i * width, width, I, scratch + i * 16)
      v128.store(to, f32x4.add(finish(scratch, from, w, width, I), b))
      v128.store(to + stride, f32x4.add(finish(scratch + BLOCK, from + width, w, width, I), b))
      from += 2 * width
      to += 2 * stride
    }
    if (r == rows) continue
    for (let i: usize = 0; i < <usize>TOGETHER; i++) v128.store(scratch + i * 16, lanesOf(from, w + i * width, I))
    v128.store(to, f32x4.add(finish(scratch, from, w, width, I), b))
  }
  for (; o < last; o++) {
    const w = weight + <usize>o * width
    const b: f32 = bias == 0 ? 0 : load<f32>(bias + <usize>o * 4)
    for (let r: usize = 0; r < <usize>rows; r++) {
      const lanes = lanesOf(x + r * width, w, I)
      const total = f32x4.extract_lane(sums(lanes, lanes, lanes, lanes), 0) + rest(x + r * width, w, I)
      store<f32>(y + r * stride + <usize>o * 4, total + b)
    }
  }
  if (gelu != 0) {
    const place = <usize>first * 4
    geluInPlace(y + place, gelu + place, stride, rows, last - first)
  }
}

// Products of few rows with weights of 8 bits: a fourth of float32's bytes are read, in the order in which they lie.
//
// Each 64 neighbours along a row, a block, share a float32 scale, of the weights as of the activations, which are rounded to sixteen bits.
// A block's sum is of whole numbers and exact, so that no order of adding it up changes the result.
import { geluInPlace } from "./elementwise"

/** Numbers of a block; `block` in ../rounding.ts. */
const BLOCK: i32 = 64
/** Bytes of a block of activations. */
const WIDTH: usize = 128
/** Bytes of a block of four rows of weights: their scales, then each row's numbers; where these begin, and from one row to the next. */
const FOUR: usize = 272
const FIRST: usize = 16
const ROW: usize = 64
/** Below this a block is zero: its scale would not be a normal number. */
const SMALLEST: f32 = 1e-30

/** The largest magnitude of a block; NaN where one of its numbers is none or is infinite. */
function magnitude(x: usize, count: i32): f32 {
  let most: f32 = 0
  let probe: f32 = 0
  for (const end = x + <usize>count * 4; x < end; x += 4) {
    const value = load<f32>(x)
    most = max(most, abs(value))
    probe += value * 0
  }
  return probe == 0 ? most : NaN
}

/** Task: a row in blocks of sixteen bits. Arguments: x, I, whole numbers, scales. */
export function roundRowTask(a: usize, task: i32): void {
  const I = load<i32>(a, 4)
  const blocks = <usize>((I + BLOCK - 1) / BLOCK)
  let x = <usize>load<u32>(a) + <usize>task * <usize>I * 4
  let to = <usize>load<u32>(a, 8) + <usize>task * blocks * WIDTH
  let scale = <usize>load<u32>(a, 12) + <usize>task * blocks * 4
  for (let left = I; left > 0; left -= BLOCK) {
    const count = min(BLOCK, left)
    const most = magnitude(x, count)
    // NaN stays NaN, and what is multiplied by it is lost anyway.
    store<f32>(scale, most / 32767)
    const inverse = f32x4.splat(most < SMALLEST ? 0 : 32767 / most)
    let i: usize = 0
    for (; i + 32 <= <usize>count * 4; i += 32) {
      const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i), inverse)))
      const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i, 16), inverse)))
      v128.store(to + i / 2, i16x8.narrow_i32x4_s(low, high))
    }
    for (; i < <usize>count * 4; i += 4) {
      const value = f32x4.nearest(f32x4.mul(f32x4.splat(load<f32>(x + i)), inverse))
      store<i16>(to + i / 2, <i16>i32x4.extract_lane(i32x4.trunc_sat_f32x4_s(value), 0))
    }
    for (; i < <usize>BLOCK * 4; i += 4) store<i16>(to + i / 2, 0)
    x += <usize>BLOCK * 4
    to += WIDTH
    scale += 4
  }
}

/** The sums of the lanes of four vectors. */
// @ts-ignore: decorator
@inline
function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7))
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7))
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7))
}

/** A row's block of weights times one of activations, added up by fours of lanes. */
// @ts-ignore: decorator
@inline
function blockOf(
  w: usize,
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  x5: v128,
  x6: v128,
  x7: v128
): v128 {
  let a = i32x4.dot_i16x8_s(x0, v128.load8x8_s(w))
  let b = i32x4.dot_i16x8_s(x1, v128.load8x8_s(w, 8))
  a = i32x4.add(a, i32x4.dot_i16x8_s(x2, v128.load8x8_s(w, 16)))
  b = i32x4.add(b, i32x4.dot_i16x8_s(x3, v128.load8x8_s(w, 24)))
  a = i32x4.add(a, i32x4.dot_i16x8_s(x4, v128.load8x8_s(w, 32)))
  b = i32x4.add(b, i32x4.dot_i16x8_s(x5, v128.load8x8_s(w, 40)))
  a = i32x4.add(a, i32x4.dot_i16x8_s(x6, v128.load8x8_s(w, 48)))
  b = i32x4.add(b, i32x4.dot_i16x8_s(x7, v128.load8x8_s(w, 56)))
  return i32x4.add(a, b)
}

/** Four outputs of one row. */
function oneRow(x: usize, scales: usize, w: usize, blocks: i32): v128 {
  let total = f32x4.splat(0)
  for (; blocks > 0; blocks--) {
    const x0 = v128.load(x)
    const x1 = v128.load(x, 16)
    const x2 = v128.load(x, 32)
    const x3 = v128.load(x, 48)
    const x4 = v128.load(x, 64)
    const x5 = v128.load(x, 80)
    const x6 = v128.load(x, 96)
    const x7 = v128.load(x, 112)
    const a = blockOf(w + FIRST, x0, x1, x2, x3, x4, x5, x6, x7)
    const b = blockOf(w + FIRST + ROW, x0, x1, x2, x3, x4, x5, x6, x7)
    const c = blockOf(w + FIRST + 2 * ROW, x0, x1, x2, x3, x4, x5, x6, x7)
    const d = blockOf(w + FIRST + 3 * ROW, x0, x1, x2, x3, x4, x5, x6, x7)
    total = f32x4.add(total, scaled(a, b, c, d, w, scales))
    x += WIDTH
    scales += 4
    w += FOUR
  }
  return total
}

/** Sums of whole numbers as what they stand for. */
// @ts-ignore: decorator
@inline
function scaled(a: v128, b: v128, c: v128, d: v128, w: usize, scale: usize): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(sums(a, b, c, d)), f32x4.mul(v128.load(w), v128.load32_splat(scale)))
}

/** Four outputs of each of some rows, left in `totals`. The weights are widened once for all rows; `lanes` has 64 bytes a row. */
function manyRows(
  x: usize,
  scales: usize,
  w: usize,
  blocks: usize,
  rows: i32,
  lanes: usize,
  totals: usize
): void {
  for (let r = 0; r < rows; r++) v128.store(totals + <usize>r * 16, f32x4.splat(0))
  for (let block: usize = 0; block < blocks; block++) {
    for (let output: usize = 0; output < 4; output++) {
      const at = w + FIRST + output * ROW
      const w0 = v128.load8x8_s(at)
      const w1 = v128.load8x8_s(at, 8)
      const w2 = v128.load8x8_s(at, 16)
      const w3 = v128.load8x8_s(at, 24)
      const w4 = v128.load8x8_s(at, 32)
      const w5 = v128.load8x8_s(at, 40)
      const w6 = v128.load8x8_s(at, 48)
      const w7 = v128.load8x8_s(at, 56)
      let from = x + block * WIDTH
      let to = lanes + output * 16
      for (let r = 0; r < rows; r++) {
        let a = i32x4.dot_i16x8_s(w0, v128.load(from))
        let b = i32x4.dot_i16x8_s(w1, v128.load(from, 16))
        a = i32x4.add(a, i32x4.dot_i16x8_s(w2, v128.load(from, 32)))
        b = i32x4.add(b, i32x4.dot_i16x8_s(w3, v128.load(from, 48)))
        a = i32x4.add(a, i32x4.dot_i16x8_s(w4, v128.load(from, 64)))
        b = i32x4.add(b, i32x4.dot_i16x8_s(w5, v128.load(from, 80)))
        a = i32x4.add(a, i32x4.dot_i16x8_s(w6, v128.load(from, 96)))
        b = i32x4.add(b, i32x4.dot_i16x8_s(w7, v128.load(from, 112)))
        v128.store(to, i32x4.add(a, b))
        from += blocks * WIDTH
        to += 64
      }
    }
    let at = lanes
    let total = totals
    let scale = scales + block * 4
    for (let r = 0; r < rows; r++) {
      const more = scaled(v128.load(at), v128.load(at, 16), v128.load(at, 32), v128.load(at, 48), w, scale)
      v128.store(total, f32x4.add(v128.load(total), more))
      at += 64
      total += 16
      scale += blocks * 4
    }
    w += FOUR
  }
}

/** Writes four outputs, or those that there are. */
function put(y: usize, values: v128, count: i32): void {
  if (count >= 4) {
    v128.store(y, values)
    return
  }
  store<f32>(y, f32x4.extract_lane(values, 0))
  if (count > 1) store<f32>(y, f32x4.extract_lane(values, 1), 4)
  if (count > 2) store<f32>(y, f32x4.extract_lane(values, 2), 8)
}

/**
 * Task: some columns of y = x · weightᵀ + bias, and of gelu(y).
 * Arguments: x and its scales as `roundRow` leaves them, weights as rounding.ts packs them, bias or 0, y, rows, I, O, columns a task (a
 * multiple of four), gelu(y) or 0.
 */
export function fewRowsInt8Task(a: usize, task: i32, scratch: usize): void {
  const x = <usize>load<u32>(a)
  const scales = <usize>load<u32>(a, 4)
  const bias = <usize>load<u32>(a, 12)
  const y = <usize>load<u32>(a, 16)
  const rows = load<i32>(a, 20)
  const blocks = (load<i32>(a, 24) + BLOCK - 1) / BLOCK
  const O = load<i32>(a, 28)
  const each = load<i32>(a, 32)
  const gelu = <usize>load<u32>(a, 36)
  const stride = <usize>O * 4
  const first = task * each
  const last = min(O, first + each)
  const totals = scratch + <usize>rows * 64
  for (let o = first; o < last; o += 4) {
    const w = <usize>load<u32>(a, 8) + <usize>(o / 4) * <usize>blocks * FOUR
    // Bias and y may end before four numbers do: what is read beyond them is not written.
    const b = bias == 0 ? f32x4.splat(0) : v128.load(bias + <usize>o * 4)
    let to = y + <usize>o * 4
    if (rows == 1) {
      put(to, f32x4.add(oneRow(x, scales, w, blocks), b), last - o)
      continue
    }
    manyRows(x, scales, w, blocks, rows, scratch, totals)
    for (let r: usize = 0; r < <usize>rows; r++) {
      put(to, f32x4.add(v128.load(totals + r * 16), b), last - o)
      to += stride
    }
  }
  if (gelu != 0) {
    const place = <usize>first * 4
    geluInPlace(y + place, gelu + place, stride, rows, last - first)
  }
}

// Packing: a matrix is copied once into panels that the tile reads front to back.
//
// A panel holds `width` neighbouring rows (of the left operand, 6) or columns (of the right one, 8): for each k, its `width`
// elements side by side. Elements beyond the matrix are zero. Strides are in bytes; packing is quick where one of the two is 4.

/** Rows of the left operand in a panel, and of C in a tile. */
export const LEFT: i32 = 6
/** Columns of the right operand in a panel, and of C in a tile. */
export const RIGHT: i32 = 8

/** Copies elements [0, size) × [0, K) of `src`, at `src + i · stride + k · kStride`, into panels of `width` at `dst`. */
export function pack(
  src: usize,
  stride: usize,
  kStride: usize,
  dst: usize,
  size: i32,
  K: i32,
  width: i32,
  scale: f32
): void {
  packWithin(src, stride, kStride, dst, size, K, width, scale, <usize>width * <usize>K * 4)
}

/** The same into panels that are `panel` bytes apart, deeper than these K. */
export function packWithin(
  src: usize,
  stride: usize,
  kStride: usize,
  dst: usize,
  size: i32,
  K: i32,
  width: i32,
  scale: f32,
  panel: usize
): void {
  const whole = size / width
  if (kStride == 4)
    for (let i = 0; i < whole; i++) {
      const from = src + <usize>(i * width) * stride
      if (width == RIGHT) packRows8(from, stride, dst + <usize>i * panel, K, scale)
      else packRows6(from, stride, dst + <usize>i * panel, K, scale)
    }
  else if (stride != 4)
    for (let i = 0; i < whole; i++)
      packPart(src + <usize>(i * width) * stride, stride, kStride, dst + <usize>i * panel, width, K, width, scale)
  else if (width == RIGHT) packColumns8(src, kStride, dst, whole, K, scale, panel)
  else packColumns6(src, kStride, dst, whole, K, scale, panel)
  if (whole * width < size)
    packPart(
      src + <usize>(whole * width) * stride,
      stride,
      kStride,
      dst + <usize>whole * panel,
      size - whole * width,
      K,
      width,
      scale
    )
}

function packPart(
  src: usize,
  stride: usize,
  kStride: usize,
  dst: usize,
  count: i32,
  K: i32,
  width: i32,
  scale: f32
): void {
  for (let k = 0; k < K; k++) {
    let from = src
    for (let i = 0; i < count; i++) {
      store<f32>(dst + <usize>i * 4, load<f32>(from) * scale)
      from += stride
    }
    for (let i = count; i < width; i++) store<f32>(dst + <usize>i * 4, 0)
    src += kStride
    dst += <usize>width * 4
  }
}

/** Panels of columns whose elements lie side by side: for each k a plain copy, 32 bytes to each panel in turn. */
function packColumns8(
  src: usize,
  kStride: usize,
  dst: usize,
  panels: i32,
  K: i32,
  scale: f32,
  panel: usize
): void {
  const s = f32x4.splat(scale)
  let end = src + <usize>panels * 32
  for (let k = 0; k < K; k++) {
    let to = dst
    for (let from = src; from < end; from += 32) {
      v128.store(to, f32x4.mul(v128.load(from), s))
      v128.store(to, f32x4.mul(v128.load(from, 16), s), 16)
      to += panel
    }
    src += kStride
    dst += 32
    end += kStride
  }
}

function packColumns6(
  src: usize,
  kStride: usize,
  dst: usize,
  panels: i32,
  K: i32,
  scale: f32,
  panel: usize
): void {
  const s = f32x4.splat(scale)
  let end = src + <usize>panels * 24
  for (let k = 0; k < K; k++) {
    let to = dst
    for (let from = src; from < end; from += 24) {
      v128.store(to, f32x4.mul(v128.load(from), s))
      v128.store64_lane(to, f32x4.mul(v128.load64_zero(from, 16), s), 0, 16)
      to += panel
    }
    src += kStride
    dst += 24
    end += kStride
  }
}

/** Eight rows, transposed by blocks of four by four. */
function packRows8(src: usize, stride: usize, dst: usize, K: i32, scale: f32): void {
  const s = f32x4.splat(scale)
  const other = src + 4 * stride
  let k = 0
  for (; k + 4 <= K; k += 4) {
    transpose4(src + <usize>k * 4, stride, dst, 32, s)
    transpose4(other + <usize>k * 4, stride, dst + 16, 32, s)
    dst += 128
  }
  for (; k < K; k++) {
    for (let i: usize = 0; i < 8; i++)
      store<f32>(dst + i * 4, load<f32>(src + i * stride + <usize>k * 4) * f32x4.extract_lane(s, 0))
    dst += 32
  }
}

function packRows6(src: usize, stride: usize, dst: usize, K: i32, scale: f32): void {
  const s = f32x4.splat(scale)
  const row4 = src + 4 * stride
  const row5 = row4 + stride
  let k = 0
  for (; k + 4 <= K; k += 4) {
    const at = <usize>k * 4
    transpose4(src + at, stride, dst, 24, s)
    const e = f32x4.mul(v128.load(row4 + at), s)
    const f = f32x4.mul(v128.load(row5 + at), s)
    const low = v128.shuffle<f32>(e, f, 0, 4, 1, 5)
    const high = v128.shuffle<f32>(e, f, 2, 6, 3, 7)
    v128.store64_lane(dst, low, 0, 16)
    v128.store64_lane(dst, low, 1, 40)
    v128.store64_lane(dst, high, 0, 64)
    v128.store64_lane(dst, high, 1, 88)
    dst += 96
  }
  for (; k < K; k++) {
    for (let i: usize = 0; i < 6; i++)
      store<f32>(dst + i * 4, load<f32>(src + i * stride + <usize>k * 4) * f32x4.extract_lane(s, 0))
    dst += 24
  }
}

/** Four rows of four become four columns of four, `step` bytes apart. */
// @ts-ignore: decorator
@inline
function transpose4(src: usize, stride: usize, dst: usize, step: usize, s: v128): void {
  const a = f32x4.mul(v128.load(src), s)
  const b = f32x4.mul(v128.load(src + stride), s)
  const c = f32x4.mul(v128.load(src + 2 * stride), s)
  const d = f32x4.mul(v128.load(src + 3 * stride), s)
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5)
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
  const ab2 = v128.shuffle<f32>(a, b, 2, 6, 3, 7)
  const cd2 = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
  v128.store(dst, v128.shuffle<f64>(ab, cd, 0, 2))
  v128.store(dst + step, v128.shuffle<f64>(ab, cd, 1, 3))
  v128.store(dst + 2 * step, v128.shuffle<f64>(ab2, cd2, 0, 2))
  v128.store(dst + 3 * step, v128.shuffle<f64>(ab2, cd2, 1, 3))
}

/**
 * Task: packs `perTask` panels.
 * Arguments: src, stride, kStride, dst, size, K, width, perTask.
 */
export function packTask(a: usize, task: i32): void {
  const stride = <usize>load<u32>(a, 4)
  const K = load<i32>(a, 20)
  const width = load<i32>(a, 24)
  const first = task * load<i32>(a, 28) * width
  const size = min(load<i32>(a, 16) - first, load<i32>(a, 28) * width)
  pack(
    <usize>load<u32>(a) + <usize>first * stride,
    stride,
    <usize>load<u32>(a, 8),
    <usize>load<u32>(a, 12) + <usize>first * <usize>K * 4,
    size,
    K,
    width,
    1
  )
}

// The tile of a matrix product: what is computed in registers.
import { fma } from "./simd"
import { LEFT } from "./pack"

/**
 * One tile: c[i, j] = Σ k left[k, i] · right[k, j] + start[i, j] for i < 6, j < 8. `start` has its own stride, 0 for a bias; address 0
 * means none. Twelve sums, two columns and one broadcast fill the fifteen registers that V8 has to give.
 */
export function tile(left: usize, right: usize, c: usize, stride: usize, k: i32, start: usize, startStride: usize): void {
  let c00 = f32x4.splat(0)
  let c01 = f32x4.splat(0)
  let c10 = f32x4.splat(0)
  let c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0)
  let c21 = f32x4.splat(0)
  let c30 = f32x4.splat(0)
  let c31 = f32x4.splat(0)
  let c40 = f32x4.splat(0)
  let c41 = f32x4.splat(0)
  let c50 = f32x4.splat(0)
  let c51 = f32x4.splat(0)
  const end = left + <usize>k * 24
  while (left < end) {
    const b0 = v128.load(right)
    const b1 = v128.load(right, 16)
    let x = v128.load32_splat(left)
    c00 = fma(x, b0, c00)
    c01 = fma(x, b1, c01)
    x = v128.load32_splat(left, 4)
    c10 = fma(x, b0, c10)
    c11 = fma(x, b1, c11)
    x = v128.load32_splat(left, 8)
    c20 = fma(x, b0, c20)
    c21 = fma(x, b1, c21)
    x = v128.load32_splat(left, 12)
    c30 = fma(x, b0, c30)
    c31 = fma(x, b1, c31)
    x = v128.load32_splat(left, 16)
    c40 = fma(x, b0, c40)
    c41 = fma(x, b1, c41)
    x = v128.load32_splat(left, 20)
    c50 = fma(x, b0, c50)
    c51 = fma(x, b1, c51)
    left += 24
    right += 32
  }
  if (start != 0) {
    c00 = f32x4.add(c00, v128.load(start))
    c01 = f32x4.add(c01, v128.load(start, 16))
    start += startStride
    c10 = f32x4.add(c10, v128.load(start))
    c11 = f32x4.add(c11, v128.load(start, 16))
    start += startStride
    c20 = f32x4.add(c20, v128.load(start))
    c21 = f32x4.add(c21, v128.load(start, 16))
    start += startStride
    c30 = f32x4.add(c30, v128.load(start))
    c31 = f32x4.add(c31, v128.load(start, 16))
    start += startStride
    c40 = f32x4.add(c40, v128.load(start))
    c41 = f32x4.add(c41, v128.load(start, 16))
    start += startStride
    c50 = f32x4.add(c50, v128.load(start))
    c51 = f32x4.add(c51, v128.load(start, 16))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += stride
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += stride
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += stride
  v128.store(c, c30)
  v128.store(c, c31, 16)
  c += stride
  v128.store(c, c40)
  v128.store(c, c41, 16)
  c += stride
  v128.store(c, c50)
  v128.store(c, c51, 16)
}

/**
 * The same, where `left` is packed for a product with the other matrix: its panels hold six neighbouring k, one after the other, for all i.
 * Bytes from panel to panel are `panel`.
 */
export function transposedTile(
  left: usize,
  panel: usize,
  right: usize,
  c: usize,
  stride: usize,
  k: i32,
  start: usize,
  startStride: usize
): void {
  let c00 = f32x4.splat(0)
  let c01 = f32x4.splat(0)
  let c10 = f32x4.splat(0)
  let c11 = f32x4.splat(0)
  let c20 = f32x4.splat(0)
  let c21 = f32x4.splat(0)
  let c30 = f32x4.splat(0)
  let c31 = f32x4.splat(0)
  let c40 = f32x4.splat(0)
  let c41 = f32x4.splat(0)
  let c50 = f32x4.splat(0)
  let c51 = f32x4.splat(0)
  for (; k > 0; k -= LEFT) {
    const end = left + <usize>min(k, LEFT) * 4
    for (let at = left; at < end; at += 4) {
      const b0 = v128.load(right)
      const b1 = v128.load(right, 16)
      let x = v128.load32_splat(at)
      c00 = fma(x, b0, c00)
      c01 = fma(x, b1, c01)
      x = v128.load32_splat(at, 24)
      c10 = fma(x, b0, c10)
      c11 = fma(x, b1, c11)
      x = v128.load32_splat(at, 48)
      c20 = fma(x, b0, c20)
      c21 = fma(x, b1, c21)
      x = v128.load32_splat(at, 72)
      c30 = fma(x, b0, c30)
      c31 = fma(x, b1, c31)
      x = v128.load32_splat(at, 96)
      c40 = fma(x, b0, c40)
      c41 = fma(x, b1, c41)
      x = v128.load32_splat(at, 120)
      c50 = fma(x, b0, c50)
      c51 = fma(x, b1, c51)
      right += 32
    }
    left += panel
  }
  if (start != 0) {
    c00 = f32x4.add(c00, v128.load(start))
    c01 = f32x4.add(c01, v128.load(start, 16))
    start += startStride
    c10 = f32x4.add(c10, v128.load(start))
    c11 = f32x4.add(c11, v128.load(start, 16))
    start += startStride
    c20 = f32x4.add(c20, v128.load(start))
    c21 = f32x4.add(c21, v128.load(start, 16))
    start += startStride
    c30 = f32x4.add(c30, v128.load(start))
    c31 = f32x4.add(c31, v128.load(start, 16))
    start += startStride
    c40 = f32x4.add(c40, v128.load(start))
    c41 = f32x4.add(c41, v128.load(start, 16))
    start += startStride
    c50 = f32x4.add(c50, v128.load(start))
    c51 = f32x4.add(c51, v128.load(start, 16))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += stride
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += stride
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += stride
  v128.store(c, c30)
  v128.store(c, c31, 16)
  c += stride
  v128.store(c, c40)
  v128.store(c, c41, 16)
  c += stride
  v128.store(c, c50)
  v128.store(c, c51, 16)
}

// Matrix products over packed operands, in tiles of 6 × 8.
import { fma, sum } from "./simd"
import { geluInPlace } from "./elementwise"
import { LEFT, RIGHT } from "./pack"
import { tile, transposedTile } from "./tile"

/** Depth of a block, a whole number of panels: panels of both operands stay in the first-level cache. */
const DEPTH: i32 = 384

/** A tile that reaches beyond C: computed in `edge` (192 bytes of the worker's own), then its inner part is copied. */
function edgeTile(
  left: usize,
  right: usize,
  c: usize,
  stride: usize,
  k: i32,
  start: usize,
  startStride: usize,
  rows: i32,
  columns: i32,
  edge: usize,
  transposedPanel: usize
): void {
  if (transposedPanel != 0) transposedTile(left, transposedPanel, right, edge, 32, k, 0, 0)
  else tile(left, right, edge, 32, k, 0, 0)
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < <usize>columns; j++) {
      const before: f32 = start != 0 ? load<f32>(start + j * 4) : 0
      store<f32>(c + j * 4, load<f32>(edge + j * 4) + before)
    }
    edge += 32
    c += stride
    if (start != 0) start += startStride
  }
}

/**
 * C [rows, columns] = left · right (+ C when `accumulate`) (+ bias), both operands packed with depth K. `leftPanel` and
 * `rightPanel` are the bytes from panel to panel. Deep products are taken in blocks. `transposed`: the left operand is the transpose of what is
 * packed.
 */
export function product(
  left: usize,
  right: usize,
  c: usize,
  stride: usize,
  rows: i32,
  columns: i32,
  K: i32,
  leftPanel: usize,
  rightPanel: usize,
  accumulate: bool,
  bias: usize,
  edge: usize,
  transposed: bool = false
): void {
  const leftStep: usize = transposed ? LEFT * LEFT * 4 : leftPanel
  const transposedPanel: usize = transposed ? leftPanel : 0
  for (let k0 = 0; k0 < K; k0 += DEPTH) {
    const depth = min(DEPTH, K - k0)
    let rightAt = right + <usize>k0 * (RIGHT * 4)
    const adds = accumulate || k0 > 0
    for (let j = 0; j < columns; j += RIGHT) {
      let leftAt = left + (transposed ? <usize>(k0 / LEFT) * leftPanel : <usize>k0 * (LEFT * 4))
      let cAt = c + <usize>j * 4
      for (let i = 0; i < rows; i += LEFT) {
        const start = adds ? cAt : bias != 0 ? bias + <usize>j * 4 : 0
        const startStride = adds ? stride : 0
        if (i + LEFT <= rows && j + RIGHT <= columns) {
          if (transposed) transposedTile(leftAt, leftPanel, rightAt, cAt, stride, depth, start, startStride)
          else tile(leftAt, rightAt, cAt, stride, depth, start, startStride)
        } else
          edgeTile(
            leftAt,
            rightAt,
            cAt,
            stride,
            depth,
            start,
            startStride,
            min(LEFT, rows - i),
            min(RIGHT, columns - j),
            edge,
            transposedPanel
          )
        leftAt += leftStep
        cAt += <usize>LEFT * stride
      }
      rightAt += rightPanel
    }
  }
}

/**
 * Task: one block of C.
 * Arguments: left, right, c, stride, M, N, K, rows a task, columns a task, flags (1: accumulate, 2: gelu into `second`,
 * 4: left is transposed), bias, second.
 */
export function productTask(a: usize, task: i32, scratch: usize): void {
  const c = <usize>load<u32>(a, 8)
  const stride = <usize>load<u32>(a, 12)
  const M = load<i32>(a, 16)
  const N = load<i32>(a, 20)
  const K = load<i32>(a, 24)
  const rowsEach = load<i32>(a, 28)
  const columnsEach = load<i32>(a, 32)
  const flags = load<i32>(a, 36)
  const bias = <usize>load<u32>(a, 40)
  const second = <usize>load<u32>(a, 44)
  const across = (N + columnsEach - 1) / columnsEach
  const row = (task / across) * rowsEach
  const column = (task % across) * columnsEach
  const rows = min(rowsEach, M - row)
  const columns = min(columnsEach, N - column)
  const place = <usize>row * stride + <usize>column * 4
  const transposed = (flags & 4) != 0
  product(
    <usize>load<u32>(a) + <usize>row * (transposed ? LEFT * 4 : <usize>K * 4),
    <usize>load<u32>(a, 4) + <usize>column * <usize>K * 4,
    c + place,
    stride,
    rows,
    columns,
    K,
    <usize>(transposed ? M : K) * (LEFT * 4),
    <usize>K * (RIGHT * 4),
    (flags & 1) != 0,
    bias == 0 ? 0 : bias + <usize>column * 4,
    scratch,
    transposed
  )
  if ((flags & 2) != 0) geluInPlace(c + place, second + place, stride, rows, columns)
}

/** Σ a[i] · b[i]. */
export function dot(a: usize, b: usize, size: i32): f32 {
  let s0 = f32x4.splat(0)
  let s1 = f32x4.splat(0)
  let s2 = f32x4.splat(0)
  let s3 = f32x4.splat(0)
  let i = 0
  for (; i + 16 <= size; i += 16) {
    s0 = fma(v128.load(a), v128.load(b), s0)
    s1 = fma(v128.load(a, 16), v128.load(b, 16), s1)
    s2 = fma(v128.load(a, 32), v128.load(b, 32), s2)
    s3 = fma(v128.load(a, 48), v128.load(b, 48), s3)
    a += 64
    b += 64
  }
  for (; i + 4 <= size; i += 4) {
    s0 = fma(v128.load(a), v128.load(b), s0)
    a += 16
    b += 16
  }
  let total = sum(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)))
  for (; i < size; i++) {
    total += load<f32>(a) * load<f32>(b)
    a += 4
    b += 4
  }
  return total
}

/** Task: sums of columns, in row order. Arguments: src, rows, columns, dst, columns a task, flags (1: accumulate), stride. */
export function columnSumsTask(a: usize, task: i32): void {
  const rows = load<i32>(a, 4)
  const columns = load<i32>(a, 8)
  const each = load<i32>(a, 16)
  const adds = (load<i32>(a, 20) & 1) != 0
  const stride = <usize>load<u32>(a, 24)
  const last = min(columns, (task + 1) * each)
  let j = task * each
  for (; j + 4 <= last; j += 4) {
    let from = <usize>load<u32>(a) + <usize>j * 4
    const to = <usize>load<u32>(a, 12) + <usize>j * 4
    let total = adds ? v128.load(to) : f32x4.splat(0)
    for (let r = 0; r < rows; r++) {
      total = f32x4.add(total, v128.load(from))
      from += stride
    }
    v128.store(to, total)
  }
  for (; j < last; j++) {
    let from = <usize>load<u32>(a) + <usize>j * 4
    const to = <usize>load<u32>(a, 12) + <usize>j * 4
    let total: f32 = adds ? load<f32>(to) : 0
    for (let r = 0; r < rows; r++) {
      total += load<f32>(from)
      from += stride
    }
    store<f32>(to, total)
  }
}

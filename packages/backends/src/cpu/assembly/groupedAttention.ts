// Causal attention whose heads share keys and values in groups, within documents where their starts are given. Queries come in strips, as
// in attention.ts; a strip sees only the keys from the first start in it on.
import { EDGE, STRIP, gradientRow, rounded, softmaxRow, stripStride } from "./attention"
import { OFFSET, SLOT, offsetOf, slotOf } from "./cacheRows"
import { fault } from "./control"
import { addRow } from "./embedding"
import { FOUR, lookFour } from "./fourHeads"
import { dot, product } from "./matrix"
import { LEFT, RIGHT, pack } from "./pack"
import { fma, splat } from "./simd"

/** The first position that position t sees. */
// @ts-ignore: decorator
@inline
function startOf(starts: usize, t: i32): i32 {
  return starts == 0 ? 0 : max(0, min(t, load<i32>(starts + <usize>t * 4)))
}

/** The first key, at the beginning of a panel, that a strip of queries sees. */
function firstOf(starts: usize, t: i32, rows: i32): i32 {
  let least = t
  for (let i = 0; i < rows; i++) least = min(least, startOf(starts, t + i))
  return least & ~(RIGHT - 1)
}

// @ts-ignore: decorator
@inline
function hide(row: usize, count: i32): void {
  memory.fill(row, 0, <usize>count * 4)
}

/** Arguments: query, key, value, starts or 0, y, logSumExp or 0, T, heads, groups, D. Tasks: B · heads. */
export function groupedAttentionTask(a: usize, task: i32, scratch: usize): void {
  const T = load<i32>(a, 24)
  const heads = load<i32>(a, 28)
  const groups = load<i32>(a, 32)
  const D = load<i32>(a, 36)
  const b = task / heads
  const h = task % heads
  const wide = <usize>(heads * D) * 4
  const narrow = <usize>(groups * D) * 4
  const own = <usize>b * <usize>T * wide + <usize>(h * D) * 4
  const shared = <usize>b * <usize>T * narrow + <usize>((h * groups) / heads) * <usize>D * 4
  const q = <usize>load<u32>(a) + own
  const k = <usize>load<u32>(a, 4) + shared
  const v = <usize>load<u32>(a, 8) + shared
  const starts: usize = load<u32>(a, 12) == 0 ? 0 : <usize>load<u32>(a, 12) + <usize>(b * T) * 4
  const y = <usize>load<u32>(a, 16) + own
  const logs: usize = load<u32>(a, 20) == 0 ? 0 : <usize>load<u32>(a, 20) + <usize>(task * T) * 4
  const s = <f32>(1 / Math.sqrt(<f64>D))

  const keys = scratch + EDGE
  const values = keys + <usize>(rounded(T, RIGHT) * D) * 4
  const queries = values + <usize>(rounded(D, RIGHT) * T) * 4
  const scores = queries + <usize>(STRIP * D) * 4
  const weights = scores + <usize>STRIP * stripStride(T)
  pack(k, narrow, 4, keys, T, D, RIGHT, 1)
  pack(v, 4, narrow, values, D, T, RIGHT, 1)

  for (let t = 0; t < T; t += STRIP) {
    const rows = min(STRIP, T - t)
    const from = firstOf(starts, t, rows)
    const seen = t + rows - from
    const width = rounded(seen, RIGHT)
    const stride = <usize>width * 4
    pack(q + <usize>t * wide, wide, 4, queries, rows, D, LEFT, s)
    product(
      queries, keys + <usize>(from * D) * 4, scores, stride, rounded(rows, LEFT), width, D,
      <usize>D * (LEFT * 4), <usize>D * (RIGHT * 4), false, 0, scratch
    )
    for (let i = 0; i < rows; i++) {
      const row = scores + <usize>i * stride
      const hidden = startOf(starts, t + i) - from
      const log = softmaxRow(row + <usize>hidden * 4, t + i + 1 - from - hidden, width - hidden)
      hide(row, hidden)
      if (logs != 0) store<f32>(logs + <usize>(t + i) * 4, log)
    }
    pack(scores, stride, 4, weights, rows, seen, LEFT, 1)
    product(
      weights, values + <usize>from * (RIGHT * 4), y + <usize>t * wide, wide, rows, D, seen,
      <usize>seen * (LEFT * 4), <usize>T * (RIGHT * 4), false, 0, scratch
    )
  }
}

/** Sets D columns of T rows to 0. */
function clear(at: usize, stride: usize, T: i32, D: i32): void {
  for (let t: usize = 0; t < <usize>T; t++) memory.fill(at + t * stride, 0, <usize>D * 4)
}

/**
 * Arguments: dy, query, key, value, starts or 0, y, logSumExp, dQuery or 0, dKey or 0, dValue or 0, T, heads, groups, D, flags (1, 2, 4: each
 * gradient is added to what its tensor holds), columns of dKey and dValue. Tasks: B · heads. With `heads · D` columns, each head has its own
 * gradients of keys and values, which `sumHeadsTask` sums; else every group has one head.
 */
export function groupedAttentionBackwardTask(a: usize, task: i32, scratch: usize): void {
  const T = load<i32>(a, 40)
  const heads = load<i32>(a, 44)
  const groups = load<i32>(a, 48)
  const D = load<i32>(a, 52)
  const flags = load<i32>(a, 56)
  const b = task / heads
  const h = task % heads
  const narrow = <usize>(groups * D) * 4
  const shared = <usize>b * <usize>T * narrow + <usize>((h * groups) / heads) * <usize>D * 4
  const k = <usize>load<u32>(a, 8) + shared
  const v = <usize>load<u32>(a, 12) + shared
  const stride = <usize>load<i32>(a, 60) * 4
  const own = <usize>b * <usize>T * stride + <usize>(h * D) * 4
  const dk: usize = load<u32>(a, 32) == 0 ? 0 : <usize>load<u32>(a, 32) + own
  const dv: usize = load<u32>(a, 36) == 0 ? 0 : <usize>load<u32>(a, 36) + own

  // Right operands: kᵀ and vᵀ to make scores, k (scaled) to make dq.
  const DR = rounded(D, RIGHT)
  const keys = scratch + EDGE
  const values = keys + <usize>(rounded(T, RIGHT) * D) * 4
  const keyRows = values + <usize>(rounded(T, RIGHT) * D) * 4
  pack(k, narrow, 4, keys, T, D, RIGHT, 1)
  pack(v, narrow, 4, values, T, D, RIGHT, 1)
  pack(k, 4, narrow, keyRows, D, T, RIGHT, <f32>(1 / Math.sqrt(<f64>D)))
  if (dk != 0 && (flags & 2) == 0) clear(dk, stride, T, D)
  if (dv != 0 && (flags & 4) == 0) clear(dv, stride, T, D)
  headBackward(a, b, h, dk, dv, stride, keys, values, keyRows, keyRows + <usize>(DR * T) * 4, scratch)
}

/**
 * Sums gradients over the heads of each group, in their order. Arguments: gradients by head, result, rows, groups, heads of a group, D, rows a
 * task, flags (1: accumulate).
 */
export function sumHeadsTask(a: usize, task: i32): void {
  const groups = load<i32>(a, 12)
  const heads = load<i32>(a, 16)
  const D = load<i32>(a, 20)
  const each = load<i32>(a, 24)
  const adds = (load<i32>(a, 28) & 1) != 0
  const width = <usize>D * 4
  const first = task * each
  const count = (min(load<i32>(a, 8), first + each) - first) * groups
  let to = <usize>load<u32>(a, 4) + <usize>(first * groups) * width
  let from = <usize>load<u32>(a) + <usize>(first * groups * heads) * width
  for (let i = 0; i < count; i++) {
    if (adds) addRow(to, from, D)
    else memory.copy(to, from, width)
    for (let head = 1; head < heads; head++) addRow(to, from + <usize>head * width, D)
    from += <usize>heads * width
    to += width
  }
}

/** The gradients of one head, those of its keys and values added. */
function headBackward(
  a: usize,
  b: i32,
  h: i32,
  dk: usize,
  dv: usize,
  sharedStride: usize,
  keys: usize,
  values: usize,
  keyRows: usize,
  queries: usize,
  scratch: usize
): void {
  const T = load<i32>(a, 40)
  const heads = load<i32>(a, 44)
  const D = load<i32>(a, 52)
  const wide = <usize>(heads * D) * 4
  const own = <usize>b * <usize>T * wide + <usize>(h * D) * 4
  const dy = <usize>load<u32>(a) + own
  const q = <usize>load<u32>(a, 4) + own
  const starts: usize = load<u32>(a, 16) == 0 ? 0 : <usize>load<u32>(a, 16) + <usize>(b * T) * 4
  const y = <usize>load<u32>(a, 20) + own
  const logs = <usize>load<u32>(a, 24) + <usize>((b * heads + h) * T) * 4
  const dq: usize = load<u32>(a, 28) == 0 ? 0 : <usize>load<u32>(a, 28) + own
  const adds = (load<i32>(a, 56) & 1) != 0
  const s = <f32>(1 / Math.sqrt(<f64>D))
  const DR = rounded(D, RIGHT)
  // For a strip: q (scaled) and dy as left operands and as right ones, scores, products, and their packed forms.
  const gradients = queries + <usize>(STRIP * D) * 4
  const queryRows = gradients + <usize>(STRIP * D) * 4
  const gradientRows = queryRows + <usize>(STRIP * DR) * 4
  const scores = gradientRows + <usize>(STRIP * DR) * 4
  const products = scores + <usize>STRIP * stripStride(T)
  const packed = products + <usize>STRIP * stripStride(T)

  for (let t = 0; t < T; t += STRIP) {
    const rows = min(STRIP, T - t)
    const from = firstOf(starts, t, rows)
    const seen = t + rows - from
    const width = rounded(seen, RIGHT)
    const stride = <usize>width * 4
    const padded = rounded(rows, LEFT)
    const skipped = <usize>(from * D) * 4
    const leftDepthD = <usize>D * (LEFT * 4)
    const rightDepthD = <usize>D * (RIGHT * 4)
    pack(q + <usize>t * wide, wide, 4, queries, rows, D, LEFT, s)
    pack(dy + <usize>t * wide, wide, 4, gradients, rows, D, LEFT, 1)
    pack(q + <usize>t * wide, 4, wide, queryRows, D, rows, RIGHT, s)
    pack(dy + <usize>t * wide, 4, wide, gradientRows, D, rows, RIGHT, 1)
    product(queries, keys + skipped, scores, stride, padded, width, D, leftDepthD, rightDepthD, false, 0, scratch)
    product(gradients, values + skipped, products, stride, padded, width, D, leftDepthD, rightDepthD, false, 0, scratch)
    for (let i = 0; i < rows; i++) {
      const at = <usize>(t + i)
      const delta = dot(dy + at * wide, y + at * wide, D)
      const row = <usize>i * stride
      const hidden = startOf(starts, t + i) - from
      const begin = row + <usize>hidden * 4
      const count = t + i + 1 - from - hidden
      gradientRow(scores + begin, products + begin, count, width - hidden, load<f32>(logs + at * 4), delta)
      hide(scores + row, hidden)
      hide(products + row, hidden)
    }
    // dq = ds · k
    if (dq != 0) {
      pack(products, stride, 4, packed, rows, seen, LEFT, 1)
      product(
        packed, keyRows + <usize>from * (RIGHT * 4), dq + <usize>t * wide, wide, rows, D, seen,
        <usize>seen * (LEFT * 4), <usize>T * (RIGHT * 4), adds, 0, scratch
      )
    }
    // dk += dsᵀ · q, dv += pᵀ · dy
    const leftRows = <usize>rows * (LEFT * 4)
    const rightRows = <usize>rows * (RIGHT * 4)
    const rowsFrom = <usize>from * sharedStride
    if (dk != 0) {
      pack(products, 4, stride, packed, seen, rows, LEFT, 1)
      product(packed, queryRows, dk + rowsFrom, sharedStride, seen, D, rows, leftRows, rightRows, true, 0, scratch)
    }
    if (dv != 0) {
      pack(scores, 4, stride, packed, seen, rows, LEFT, 1)
      product(packed, gradientRows, dv + rowsFrom, sharedStride, seen, D, rows, leftRows, rightRows, true, 0, scratch)
    }
  }
}

/**
 * Attention over a cache: the new keys and values are stored, then each new query looks at all rows up to its own.
 * Arguments: query, key, value, keys, values, offset, y, T, heads, groups, D, P, words from offset to offset, slots or 0, rows of the cache,
 * heads together: four of a whole number of vectors or one. Tasks: B · groups, or a fourth where each group has one head and four are taken together.
 */
export function groupedAttentionCachedTask(a: usize, task: i32, scratch: usize): void {
  const T = load<i32>(a, 28)
  const heads = load<i32>(a, 32)
  const groups = load<i32>(a, 36)
  const D = load<i32>(a, 40)
  const P = load<i32>(a, 44)
  const each = heads / groups
  const isFour = load<i32>(a, 60) == <i32>FOUR
  const groupsEach = isFour && each == 1 ? <i32>FOUR : 1
  const tasks = groups / groupsEach
  const b = task / tasks
  const offset = offsetOf(load<u32>(a, 20), load<i32>(a, 48), b)
  const slot = slotOf(load<u32>(a, 52), b)
  if (offset < 0 || offset > P - T) return fault(OFFSET, offset, P - T)
  if (<u32>slot >= load<u32>(a, 56)) return fault(SLOT, slot, load<i32>(a, 56) - 1)
  const group = (task % tasks) * groupsEach
  const wide = <usize>(heads * D) * 4
  const narrow = <usize>(groups * D) * 4
  const width = <usize>D * 4
  const added = <usize>b * <usize>T * narrow + <usize>group * width
  const cache = <usize>slot * <usize>P * narrow + <usize>group * width
  const keys = <usize>load<u32>(a, 12) + cache
  const values = <usize>load<u32>(a, 16) + cache
  for (let t: usize = 0; t < <usize>T; t++) {
    const at = (<usize>offset + t) * narrow
    memory.copy(keys + at, <usize>load<u32>(a, 4) + added + t * narrow, width * <usize>groupsEach)
    memory.copy(values + at, <usize>load<u32>(a, 8) + added + t * narrow, width * <usize>groupsEach)
  }
  const together = isFour ? <i32>FOUR : 1
  for (let i = 0; i < each * groupsEach; i += together) {
    const own = <usize>b * <usize>T * wide + <usize>((group * each + i) * D) * 4
    const q = <usize>load<u32>(a) + own
    const y = <usize>load<u32>(a, 24) + own
    for (let t = 0; t < T; t++) {
      const seen = offset + t + 1
      if (isFour) {
        const step = groupsEach == 1 ? 0 : width
        lookFour(q + <usize>t * wide, keys, values, y + <usize>t * wide, seen, narrow, width, step, scratch + EDGE)
        continue
      }
      look(q + <usize>t * wide, keys, values, y + <usize>t * wide, seen, narrow, D, scratch + EDGE)
    }
  }
}

/** One query over the first `seen` rows of a cache. */
function look(q: usize, keys: usize, values: usize, y: usize, seen: i32, stride: usize, D: i32, scores: usize): void {
  const s = <f32>(1 / Math.sqrt(<f64>D))
  const width = <usize>D * 4
  const whole = <usize>(D & ~3) * 4
  for (let u = 0; u < seen; u++)
    store<f32>(scores + <usize>u * 4, s * dot(q, keys + <usize>u * stride, D))
  softmaxRow(scores, seen, seen)
  memory.fill(y, 0, width)
  for (let u = 0; u < seen; u++) {
    const p = load<f32>(scores + <usize>u * 4)
    const value = values + <usize>u * stride
    let i: usize = 0
    for (; i < whole; i += 16) v128.store(y + i, fma(splat(p), v128.load(value + i), v128.load(y + i)))
    for (; i < width; i += 4) store<f32>(y + i, load<f32>(y + i) + p * load<f32>(value + i))
  }
}

// Token and position embedding. The gradient's tasks own ranges of rows and read all tokens in order, so that sums do not depend on
// the number of workers.
import { OFFSET, offsetOf } from "./cacheRows"
import { fault } from "./control"

/** A token outside the table; `../faults.ts` has the sentences. */
const TOKEN: i32 = 1

/** to[i] += from[i]. */
export function addRow(to: usize, from: usize, C: i32): void {
  const width = <usize>C * 4
  const whole = <usize>(C & ~3) * 4
  let i: usize = 0
  for (; i < whole; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)))
  for (; i < width; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i))
}

/** Arguments: tokens, offset, table, positions, y, B · T, T, C, V, P, rows a task, words from offset to offset. */
export function embeddingTask(a: usize, task: i32): void {
  const tokens = <usize>load<u32>(a)
  const offsets = <usize>load<u32>(a, 4)
  const table = <usize>load<u32>(a, 8)
  const positions = <usize>load<u32>(a, 12)
  const y = <usize>load<u32>(a, 16)
  const T = load<i32>(a, 24)
  const C = load<i32>(a, 28)
  const V = load<i32>(a, 32)
  const P = load<i32>(a, 36)
  const each = load<i32>(a, 40)
  const words = load<i32>(a, 44)
  const width = <usize>C * 4
  const last = min(load<i32>(a, 20), (task + 1) * each)
  for (let r = task * each; r < last; r++) {
    const token = load<i32>(tokens + <usize>r * 4)
    if (<u32>token >= <u32>V) return fault(TOKEN, token, V - 1)
    const offset = offsetOf(offsets, words, r / T)
    if (offset < 0 || offset > P - T) return fault(OFFSET, offset, P - T)
    const to = y + <usize>r * width
    memory.copy(to, table + <usize>token * width, width)
    addRow(to, positions + <usize>(offset + (r % T)) * width, C)
  }
}

/** Task: some rows of the table's gradient. Arguments: dy, tokens, dTable, B · T, C, V, rows a task, flags (1: accumulate). */
export function embeddingTableTask(a: usize, task: i32): void {
  const dy = <usize>load<u32>(a)
  const tokens = <usize>load<u32>(a, 4)
  const dTable = <usize>load<u32>(a, 8)
  const count = load<i32>(a, 12)
  const C = load<i32>(a, 16)
  const V = load<i32>(a, 20)
  const each = load<i32>(a, 24)
  const width = <usize>C * 4
  const first = task * each
  const size = min(V - first, each)
  if ((load<i32>(a, 28) & 1) == 0) memory.fill(dTable + <usize>first * width, 0, <usize>size * width)
  for (let r = 0; r < count; r++) {
    const token = load<i32>(tokens + <usize>r * 4)
    if (<u32>token >= <u32>V) return fault(TOKEN, token, V - 1)
    if (<u32>(token - first) < <u32>size) addRow(dTable + <usize>token * width, dy + <usize>r * width, C)
  }
}

/**
 * Task: some rows of the positions' gradient. Arguments: dy, offset, dPositions, B, T, C, P, rows a task, flags (1: accumulate), words from
 * offset to offset.
 */
export function embeddingPositionsTask(a: usize, task: i32): void {
  const dy = <usize>load<u32>(a)
  const offsets = <usize>load<u32>(a, 4)
  const words = load<i32>(a, 36)
  const B = load<i32>(a, 12)
  const T = load<i32>(a, 16)
  const C = load<i32>(a, 20)
  const P = load<i32>(a, 24)
  const each = load<i32>(a, 28)
  const width = <usize>C * 4
  for (let b = 0; b < B; b++) {
    const offset = offsetOf(offsets, words, b)
    if (offset < 0 || offset > P - T) return fault(OFFSET, offset, P - T)
  }
  const last = min(P, (task + 1) * each)
  for (let p = task * each; p < last; p++) {
    const to = <usize>load<u32>(a, 8) + <usize>p * width
    if ((load<i32>(a, 32) & 1) == 0) memory.fill(to, 0, width)
    for (let b = 0; b < B; b++) {
      const t = p - offsetOf(offsets, words, b)
      if (t >= 0 && t < T) addRow(to, dy + <usize>(b * T + t) * width, C)
    }
  }
}

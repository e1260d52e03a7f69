// The primitive reduce. Sums are cut into segments by the shape alone, and the segments' sums are added in their order, so that the
// bits are the same for any number of workers.
import {
  BLOCK,
  BLOCKS,
  EACH,
  FLAGS,
  PARTIAL,
  PIECES,
  RESULTS,
  ROWS,
  SEGMENTS,
  UNITS,
  WIDTH,
  begin,
  enter,
  evaluate,
  lastView,
  outputPlace,
  ownRow,
  place,
  put,
  putOne,
  rowWidth
} from "./formula"
import { largest, splat, sum } from "./simd"

const ADDS: i32 = 1
const LARGEST: i32 = 2
const ACROSS: i32 = 4

/** Sum or largest of a row. */
function reducedRow(isLargest: bool, from: usize, width: i32): f32 {
  let i = 0
  if (isLargest) {
    let m = splat(-Infinity)
    for (; i + 4 <= width; i += 4) m = f32x4.max(m, v128.load(from + <usize>i * 4))
    let most = largest(m)
    for (; i < width; i++) most = max(most, load<f32>(from + <usize>i * 4))
    return most
  }
  let p = splat(0)
  let q = splat(0)
  for (; i + 8 <= width; i += 8) {
    p = f32x4.add(p, v128.load(from + <usize>i * 4))
    q = f32x4.add(q, v128.load(from + <usize>i * 4, 16))
  }
  let total = sum(f32x4.add(p, q))
  for (; i < width; i++) total += load<f32>(from + <usize>i * 4)
  return total
}

// @ts-ignore: decorator
@inline
function joined(isLargest: bool, a: f64, b: f64): f64 {
  return isLargest ? max(a, b) : a + b
}

/** First block of a unit. */
// @ts-ignore: decorator
@inline
function beginOf(unit: i32, blocks: i32, segments: i32): i32 {
  return (unit / segments) * blocks + <i32>((<i64>blocks * (unit % segments)) / segments)
}

/** The innermost axis is reduced. */
function reduceAlong(a: usize, task: i32, scratch: usize): void {
  const flags = load<i32>(a, FLAGS)
  const isLargest = (flags & LARGEST) != 0
  const adds = (flags & ADDS) != 0
  const pieces = load<i32>(a, PIECES)
  const blockRows = load<i32>(a, ROWS)
  const pieceWidth = load<i32>(a, WIDTH)
  const blocks = load<i32>(a, BLOCKS)
  const segments = load<i32>(a, SEGMENTS)
  const partial = <usize>load<u32>(a, PARTIAL)
  const width = rowWidth(a)
  const nothing: f64 = isLargest ? -Infinity : 0
  let unit = task * load<i32>(a, EACH)
  const lastUnit = min(load<i32>(a, UNITS), unit + load<i32>(a, EACH))
  let next = beginOf(unit + 1, blocks, segments)
  const end = beginOf(lastUnit, blocks, segments)
  let total = nothing
  let i = beginOf(unit, blocks, segments)
  begin(a, scratch, i / pieces)
  for (let isFirst = true; i < end; isFirst = false) {
    const from = (i % pieces) * pieceWidth
    const rows = min(blockRows, end - i)
    const wide = min(pieceWidth, width - from)
    if (from == 0 || isFirst) enter(a, scratch, rows)
    const values = evaluate(a, scratch, rows, from, wide, 0)
    for (let r = 0; r < rows; r++, i++) {
      total = joined(isLargest, total, <f64>reducedRow(isLargest, values + <usize>(r * wide) * 4, wide))
      if (i + 1 < next) continue
      if (segments == 1) putOne(a, place(a, scratch, lastView(a), r), <f32>total, adds)
      else store<f64>(partial + <usize>unit * 8, total)
      next = beginOf(++unit + 1, blocks, segments)
      total = nothing
    }
  }
}

function joinRows(isLargest: bool, to: usize, from: usize, width: i32): void {
  let i: usize = 0
  const end = <usize>width * 4
  for (; i + 16 <= end; i += 16) {
    const x = v128.load(to + i)
    const y = v128.load(from + i)
    v128.store(to + i, isLargest ? f32x4.max(x, y) : f32x4.add(x, y))
  }
  for (; i < end; i += 4) {
    const x = load<f32>(to + i)
    const y = load<f32>(from + i)
    store<f32>(to + i, isLargest ? max(x, y) : x + y)
  }
}

/** The innermost axis stays: a row of results at a time. */
function reduceAcross(a: usize, task: i32, scratch: usize): void {
  const flags = load<i32>(a, FLAGS)
  const isLargest = (flags & LARGEST) != 0
  const pieces = load<i32>(a, PIECES)
  const blockRows = load<i32>(a, ROWS)
  const blocks = load<i32>(a, BLOCKS)
  const segments = load<i32>(a, SEGMENTS)
  const first = task * load<i32>(a, EACH)
  const last = min(load<i32>(a, UNITS), first + load<i32>(a, EACH))
  for (let unit = first; unit < last; unit++) {
    const result = unit / segments
    const segment = unit % segments
    const from = (result % pieces) * load<i32>(a, WIDTH)
    const wide = min(load<i32>(a, WIDTH), rowWidth(a) - from)
    const total =
      segments == 1 ? ownRow(a, scratch) : <usize>load<u32>(a, PARTIAL) + <usize>(unit * BLOCK) * 4
    const nothing: f32 = isLargest ? -Infinity : 0
    for (let j: usize = 0; j < <usize>wide * 4; j += 4) store<f32>(total + j, nothing)
    const low = <i32>((<i64>blocks * segment) / segments)
    const high = <i32>((<i64>blocks * (segment + 1)) / segments)
    begin(a, scratch, (result / pieces) * blocks + low)
    for (let i = low; i < high; i += blockRows) {
      const rows = min(blockRows, high - i)
      enter(a, scratch, rows)
      const values = evaluate(a, scratch, rows, from, wide, 0)
      for (let r = 0; r < rows; r++) joinRows(isLargest, total, values + <usize>(r * wide) * 4, wide)
    }
    if (segments == 1) put(a, place(a, scratch, lastView(a), 0), from, wide, total, (flags & ADDS) != 0)
  }
}

/** Task: some sums, or segments of them. */
export function reduceTask(a: usize, task: i32, scratch: usize): void {
  if ((load<i32>(a, FLAGS) & ACROSS) != 0) reduceAcross(a, task, scratch)
  else reduceAlong(a, task, scratch)
}

/** The only task: joins the segments of all sums, in their order. */
export function reduceJoinTask(a: usize, scratch: usize): void {
  const flags = load<i32>(a, FLAGS)
  const isLargest = (flags & LARGEST) != 0
  const adds = (flags & ADDS) != 0
  const pieces = load<i32>(a, PIECES)
  const blocks = load<i32>(a, BLOCKS)
  const segments = load<i32>(a, SEGMENTS)
  const partial = <usize>load<u32>(a, PARTIAL)
  for (let result = 0; result < load<i32>(a, RESULTS); result++) {
    if ((flags & ACROSS) == 0) {
      let total: f64 = isLargest ? -Infinity : 0
      for (let k = 0; k < segments; k++)
        total = joined(isLargest, total, load<f64>(partial + <usize>(result * segments + k) * 8))
      begin(a, scratch, (result * blocks) / pieces)
      putOne(a, outputPlace(a, scratch), <f32>total, adds)
      continue
    }
    const from = (result % pieces) * load<i32>(a, WIDTH)
    const wide = min(load<i32>(a, WIDTH), rowWidth(a) - from)
    const total = partial + <usize>(result * segments * BLOCK) * 4
    for (let k = 1; k < segments; k++)
      joinRows(isLargest, total, total + <usize>(k * BLOCK) * 4, wide)
    begin(a, scratch, (result / pieces) * blocks)
    put(a, outputPlace(a, scratch), from, wide, total, adds)
  }
}

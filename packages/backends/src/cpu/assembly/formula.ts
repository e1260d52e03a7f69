// Formulas over views, a block of neighbouring elements at a time: as many rows of the innermost axis as make some hundred numbers.
// Views are brought into rows of floats that lie in the nearest cache, then each instruction passes over the block.
//
// The record is written by ../lower/elements.ts: a header of 16 words, the shape, the views, the constants and the instructions.
import { apply } from "./functions"
import { takes } from "./generated"

/** Numbers of a block at most. */
export const BLOCK: i32 = 256
const ROW: usize = 1024

export const AXES: usize = 0
const VIEWS: usize = 4
const CONSTANTS: usize = 8
const INSTRUCTIONS: usize = 12
const DEPTH: usize = 16
export const FLAGS: usize = 20
export const OVER: usize = 24
/** Rows in a block, pieces of a row, and elements of a piece. */
export const ROWS: usize = 28
export const PIECES: usize = 32
export const WIDTH: usize = 36
/** Blocks (of map) or sums (of reduce), and how many of them make a task. */
export const UNITS: usize = 40
export const EACH: usize = 44
export const RESULTS: usize = 48
export const BLOCKS: usize = 52
export const SEGMENTS: usize = 56
export const PARTIAL: usize = 60
const HEADER: usize = 64

/** A view: its kind, the address of its tensor, its offset, whether it is padded; then strides, lower and upper bounds by axis. */
const ADDRESS: usize = 4
const OFFSET: usize = 8
const PADDED: usize = 12
const STRIDES: usize = 16
const INTEGERS: i32 = 1
const COORDINATES: i32 = 2

/** In the place of a row that is padding as a whole. */
const HIDDEN: i32 = i32.MIN_VALUE

// @ts-ignore: decorator
@inline
export function shapeOf(a: usize, axis: i32): i32 {
  return load<i32>(a + HEADER + <usize>axis * 4)
}

// @ts-ignore: decorator
@inline
function viewOf(a: usize, view: i32): usize {
  const axes = load<i32>(a)
  return a + HEADER + <usize>(axes + view * (4 + 3 * axes)) * 4
}

// @ts-ignore: decorator
@inline
export function lastView(a: usize): i32 {
  return load<i32>(a, VIEWS) - 1
}

/** The width of a row of the innermost axis. */
// @ts-ignore: decorator
@inline
export function rowWidth(a: usize): i32 {
  return shapeOf(a, load<i32>(a) - 1)
}

// A worker's memory: rows of views, of constants and of waiting values; places; one row of results; the stack; coordinates.
// @ts-ignore: decorator
@inline
function constantsOf(a: usize, scratch: usize): usize {
  return scratch + <usize>load<i32>(a, VIEWS) * ROW
}
// @ts-ignore: decorator
@inline
function valuesOf(a: usize, scratch: usize): usize {
  return constantsOf(a, scratch) + <usize>load<i32>(a, CONSTANTS) * ROW
}
// @ts-ignore: decorator
@inline
function placesOf(a: usize, scratch: usize): usize {
  return valuesOf(a, scratch) + <usize>load<i32>(a, DEPTH) * ROW
}
/** A row of results of the worker's own. */
// @ts-ignore: decorator
@inline
export function ownRow(a: usize, scratch: usize): usize {
  return placesOf(a, scratch) + <usize>load<i32>(a, VIEWS) * ROW
}
// @ts-ignore: decorator
@inline
function stackOf(a: usize, scratch: usize): usize {
  return ownRow(a, scratch) + ROW
}
// @ts-ignore: decorator
@inline
function coordinatesOf(a: usize, scratch: usize): usize {
  return stackOf(a, scratch) + <usize>load<i32>(a, DEPTH) * 4
}

/** Lays out the constants, and goes to a row of all axes but the innermost. */
export function begin(a: usize, scratch: usize, row: i32): void {
  const coordinates = coordinatesOf(a, scratch)
  for (let axis = load<i32>(a) - 2; axis >= 0; axis--) {
    const side = shapeOf(a, axis)
    store<i32>(coordinates + <usize>axis * 4, row % side)
    row /= side
  }
  const constants = constantsOf(a, scratch)
  const given = viewOf(a, load<i32>(a, VIEWS))
  for (let i: usize = 0; i < <usize>load<i32>(a, CONSTANTS); i++) {
    const value = v128.load32_splat(given + i * 4)
    for (let j: usize = 0; j < ROW; j += 16) v128.store(constants + i * ROW + j, value)
  }
}

function next(a: usize, coordinates: usize): void {
  for (let axis = load<i32>(a) - 2; axis >= 0; axis--) {
    const at = load<i32>(coordinates + <usize>axis * 4) + 1
    if (at < shapeOf(a, axis)) {
      store<i32>(coordinates + <usize>axis * 4, at)
      return
    }
    store<i32>(coordinates + <usize>axis * 4, 0)
  }
}

/** A view's place at the beginning of the row, or HIDDEN. */
function placeIn(a: usize, view: usize, coordinates: usize): i32 {
  const axes = load<i32>(a)
  const padded = load<i32>(view, PADDED) != 0
  const strides = view + STRIDES
  const low = strides + <usize>axes * 4
  const high = low + <usize>axes * 4
  let place = load<i32>(view, OFFSET)
  for (let axis: usize = 0; axis < <usize>(axes - 1) * 4; axis += 4) {
    const at = load<i32>(coordinates + axis)
    if (padded && (at < load<i32>(low + axis) || at >= load<i32>(high + axis))) return HIDDEN
    place += at * load<i32>(strides + axis)
  }
  return place
}

/** The place of a view in a row of the block. */
// @ts-ignore: decorator
@inline
export function place(a: usize, scratch: usize, view: i32, row: i32): i32 {
  return load<i32>(placesOf(a, scratch) + <usize>(view * BLOCK + row) * 4)
}

/** Goes on to a block of so many rows, from where the coordinates are; leaves them behind its last row. */
export function enter(a: usize, scratch: usize, rows: i32): void {
  const coordinates = coordinatesOf(a, scratch)
  const places = placesOf(a, scratch)
  const views = load<i32>(a, VIEWS)
  for (let r = 0; r < rows; r++) {
    for (let v = 0; v < views; v++)
      store<i32>(places + <usize>(v * BLOCK + r) * 4, placeIn(a, viewOf(a, v), coordinates))
    next(a, coordinates)
  }
}

/** Part of a row of a view as floats; what is padding is 0. */
function fill(a: usize, view: usize, place: i32, begin: i32, width: i32, to: usize): void {
  const axes = load<i32>(a)
  const inner = <usize>(axes - 1) * 4
  let low = 0
  let high = width
  if (load<i32>(view, PADDED) != 0) {
    const bounds = view + STRIDES + <usize>axes * 4
    low = max(0, load<i32>(bounds + inner) - begin)
    high = min(width, load<i32>(bounds + <usize>axes * 4 + inner) - begin)
    if (place == HIDDEN || low >= high) {
      memory.fill(to, 0, <usize>width * 4)
      return
    }
    memory.fill(to, 0, <usize>low * 4)
    memory.fill(to + <usize>high * 4, 0, <usize>(width - high) * 4)
  }
  const kind = load<i32>(view)
  const stride = load<i32>(view + STRIDES + inner)
  const first = place + (begin + low) * stride
  const end = to + <usize>high * 4
  to += <usize>low * 4
  if (kind == COORDINATES) {
    for (let value = first; to < end; to += 4, value += stride) store<f32>(to, <f32>value)
    return
  }
  let from = <usize>load<u32>(view, ADDRESS) + <usize>first * 4
  const step = <usize>stride * 4
  if (kind == INTEGERS) {
    for (; to < end; to += 4, from += step) store<f32>(to, <f32>load<i32>(from))
    return
  }
  if (stride == 1) {
    memory.copy(to, from, end - to)
    return
  }
  if (stride == 0) {
    const value = load<f32>(from)
    for (; to < end; to += 4) store<f32>(to, value)
    return
  }
  for (; to < end; to += 4, from += step) store<f32>(to, load<f32>(from))
}

/** Whether the block's rows of a view follow each other in memory without a gap, and end with a whole vector. */
export function isWhole(a: usize, scratch: usize, view: i32, rows: i32, width: i32): bool {
  const at = viewOf(a, view)
  if (load<i32>(at) != 0 || load<i32>(at, PADDED) != 0) return false
  if (load<i32>(at + STRIDES + <usize>(load<i32>(a) - 1) * 4) != 1 || ((rows * width) & 3) != 0) return false
  const first = place(a, scratch, view, 0)
  for (let r = 1; r < rows; r++) if (place(a, scratch, view, r) != first + r * width) return false
  return true
}

/** Address of the element of a view at a place. */
// @ts-ignore: decorator
@inline
export function addressAt(a: usize, view: i32, place: i32): usize {
  return <usize>load<u32>(viewOf(a, view), ADDRESS) + <usize>place * 4
}

/** The block of a view: where it lies, or copied, once for all of the formula. */
function operand(a: usize, scratch: usize, view: i32, rows: i32, begin: i32, width: i32, isKnown: bool): usize {
  if (isWhole(a, scratch, view, rows, width)) return addressAt(a, view, place(a, scratch, view, 0) + begin)
  const to = scratch + <usize>view * ROW
  if (isKnown) return to
  const at = viewOf(a, view)
  for (let r = 0; r < rows; r++)
    fill(a, at, place(a, scratch, view, r), begin, width, to + <usize>(r * width) * 4)
  return to
}

/**
 * The formula's values for a block, rows one after another: their address. They are put at `to` where that is not 0 and the formula ends with
 * a function.
 */
export function evaluate(a: usize, scratch: usize, rows: i32, begin: i32, width: i32, to: usize): usize {
  const stack = stackOf(a, scratch)
  const values = valuesOf(a, scratch)
  const constants = constantsOf(a, scratch)
  const code = viewOf(a, load<i32>(a, VIEWS)) + <usize>load<i32>(a, CONSTANTS) * 4
  const count = load<i32>(a, INSTRUCTIONS)
  let known: u64 = 0
  let held: usize = 0
  for (let i = 0; i < count; i++) {
    const kind = load<i32>(code + <usize>i * 8)
    const which = load<i32>(code + <usize>i * 8, 4)
    if (kind == -2) {
      store<u32>(stack + held * 4, <u32>(constants + <usize>which * ROW))
      held++
    } else if (kind == -1) {
      const isKnown = which < 64 && ((known >> <u64>which) & 1) != 0
      store<u32>(stack + held * 4, <u32>operand(a, scratch, which, rows, begin, width, isKnown))
      if (which < 64) known |= <u64>1 << <u64>which
      held++
    } else {
      held -= <usize>takes(kind)
      const base = stack + held * 4
      const result = to != 0 && i + 1 == count ? to : values + held * ROW
      apply(
        kind,
        rows * width,
        <usize>load<u32>(base),
        <usize>load<u32>(base, 4),
        <usize>load<u32>(base, 8),
        result
      )
      store<u32>(base, <u32>result)
      held++
    }
  }
  return <usize>load<u32>(stack)
}

/** Puts part of a row where the output's view has it. */
export function put(a: usize, place: i32, begin: i32, width: i32, from: usize, adds: bool): void {
  const axes = load<i32>(a)
  const inner = <usize>(axes - 1) * 4
  const view = viewOf(a, lastView(a))
  let low = 0
  let high = width
  if (load<i32>(view, PADDED) != 0) {
    const bounds = view + STRIDES + <usize>axes * 4
    low = max(0, load<i32>(bounds + inner) - begin)
    high = min(width, load<i32>(bounds + <usize>axes * 4 + inner) - begin)
    if (place == HIDDEN || low >= high) return
  }
  const stride = load<i32>(view + STRIDES + inner)
  let to = <usize>load<u32>(view, ADDRESS) + <usize>(place + (begin + low) * stride) * 4
  const end = from + <usize>high * 4
  from += <usize>low * 4
  const step = <usize>stride * 4
  if (stride == 1) {
    for (; from + 16 <= end; from += 16, to += 16) {
      const value = v128.load(from)
      v128.store(to, adds ? f32x4.add(v128.load(to), value) : value)
    }
  }
  for (; from < end; from += 4, to += step) {
    const value = load<f32>(from)
    store<f32>(to, adds ? load<f32>(to) + value : value)
  }
}

/** Writes one number where the output's view has it; nothing where that is padding. */
export function putOne(a: usize, place: i32, value: f32, adds: bool): void {
  if (place == HIDDEN) return
  const to = addressAt(a, lastView(a), place)
  store<f32>(to, adds ? load<f32>(to) + value : value)
}

/** The output's place at the row where the coordinates are. */
export function outputPlace(a: usize, scratch: usize): i32 {
  return placeIn(a, viewOf(a, lastView(a)), coordinatesOf(a, scratch))
}

/** Task: some blocks of a map. Flags: 1 accumulates. */
export function mapTask(a: usize, task: i32, scratch: usize): void {
  const pieces = load<i32>(a, PIECES)
  const blockRows = load<i32>(a, ROWS)
  const pieceWidth = load<i32>(a, WIDTH)
  const width = rowWidth(a)
  const adds = (load<i32>(a, FLAGS) & 1) != 0
  let rows = 1
  for (let axis = 0; axis < load<i32>(a) - 1; axis++) rows *= shapeOf(a, axis)
  const first = task * load<i32>(a, EACH)
  const end = min(load<i32>(a, UNITS), first + load<i32>(a, EACH))
  const last = lastView(a)
  begin(a, scratch, (first / pieces) * blockRows)
  for (let i = first; i < end; i++) {
    const row = (i / pieces) * blockRows
    const from = (i % pieces) * pieceWidth
    const some = min(blockRows, rows - row)
    const wide = min(pieceWidth, width - from)
    if (from == 0 || i == first) enter(a, scratch, some)
    const direct: usize =
      !adds && isWhole(a, scratch, last, some, wide) ? addressAt(a, last, place(a, scratch, last, 0) + from) : 0
    const result = evaluate(a, scratch, some, from, wide, direct)
    if (result == direct) continue
    for (let r = 0; r < some; r++)
      put(a, place(a, scratch, last, r), from, wide, result + <usize>(r * wide) * 4, adds)
  }
}

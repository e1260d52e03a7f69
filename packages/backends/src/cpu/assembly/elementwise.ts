// Operations that treat every element alone: add, gelu and its gradient, dropout.
//
// A task is a run of elements; a kernel does four at a time and the last few through a small copy.
import { ONE, constant, exp, fma, splat } from "./simd"

/** c = 0.044715 and √(8/π), and what gelu makes of them. */
const CUBIC: usize = memory.data<f32>([0.044715])
const TWICE: usize = memory.data<f32>([1.5957691216057308])
const MINUS_TWICE: usize = memory.data<f32>([-1.5957691216057308])
const SLOPE: usize = memory.data<f32>([3 * 0.044715 * 1.5957691216057308])

/** Elements of one task. */
// @ts-ignore: decorator
@inline
function each(): i32 {
  return 8192
}

/** 1 / (1 + e^(-2u)) with u = √(2/π) (x + 0.044715 x³): tanh's form of gelu is x times this. */
// @ts-ignore: decorator
@inline
function gate(x: v128): v128 {
  const cubic = fma(f32x4.mul(x, x), constant(CUBIC), constant(ONE))
  const minus2u = f32x4.mul(f32x4.mul(x, constant(MINUS_TWICE)), cubic)
  return f32x4.div(constant(ONE), f32x4.add(constant(ONE), exp(minus2u)))
}

// @ts-ignore: decorator
@inline
function gelu(x: v128): v128 {
  return f32x4.mul(x, gate(x))
}

// @ts-ignore: decorator
@inline
function geluGradient(x: v128): v128 {
  const g = gate(x)
  const slope = fma(f32x4.mul(x, x), constant(SLOPE), constant(TWICE))
  const rest = f32x4.mul(f32x4.mul(x, slope), f32x4.sub(constant(ONE), g))
  return fma(g, rest, g)
}

/** second = gelu(first) for a block of rows. */
export function geluInPlace(first: usize, second: usize, stride: usize, rows: i32, columns: i32): void {
  for (let r = 0; r < rows; r++) {
    let j: usize = 0
    const whole = (<usize>columns & ~3) * 4
    for (; j < whole; j += 16) v128.store(second + j, gelu(v128.load(first + j)))
    for (; j < <usize>columns * 4; j += 4)
      store<f32>(second + j, f32x4.extract_lane(gelu(splat(load<f32>(first + j))), 0))
    first += stride
    second += stride
  }
}

/** Which four elements of an operation are wanted. */
// @ts-ignore: decorator
@inline
function four(kind: i32, a: v128, b: v128): v128 {
  if (kind == 0) return f32x4.add(a, b)
  if (kind == 1) return gelu(a)
  return f32x4.mul(a, geluGradient(b))
}

// @ts-ignore: decorator
@inline
function elementwise(kind: i32, a: usize, task: i32): void {
  const at = <usize>(task * each()) * 4
  const count = min(each(), load<i32>(a, 12) - task * each())
  const x = <usize>load<u32>(a) + at
  const y = <usize>load<u32>(a, 4) + at
  const to = <usize>load<u32>(a, 8) + at
  const adds = (load<i32>(a, 16) & 1) != 0
  const whole = <usize>(count & ~3) * 4
  let i: usize = 0
  if (adds)
    for (; i < whole; i += 16)
      v128.store(to + i, f32x4.add(v128.load(to + i), four(kind, v128.load(x + i), v128.load(y + i))))
  else for (; i < whole; i += 16) v128.store(to + i, four(kind, v128.load(x + i), v128.load(y + i)))
  for (; i < <usize>count * 4; i += 4) {
    const value = f32x4.extract_lane(four(kind, splat(load<f32>(x + i)), splat(load<f32>(y + i))), 0)
    store<f32>(to + i, adds ? load<f32>(to + i) + value : value)
  }
}

/** Arguments of the three: first, second, result, count, flags (1: accumulate). */
export function addTask(a: usize, task: i32): void {
  elementwise(0, a, task)
}
export function geluTask(a: usize, task: i32): void {
  elementwise(1, a, task)
}
export function geluBackwardTask(a: usize, task: i32): void {
  elementwise(2, a, task)
}

/** The mask's hash of four element numbers, its upper 24 bits. */
// @ts-ignore: decorator
@inline
function hash(base: i32, index: v128): v128 {
  let h = i32x4.add(i32x4.splat(base), i32x4.mul(index, i32x4.splat(<i32>0x85ebca77)))
  h = v128.xor(h, i32x4.shr_u(h, 16))
  h = i32x4.mul(h, i32x4.splat(<i32>0x85ebca6b))
  h = v128.xor(h, i32x4.shr_u(h, 13))
  h = i32x4.mul(h, i32x4.splat(<i32>0xc2b2ae35))
  h = v128.xor(h, i32x4.shr_u(h, 16))
  return i32x4.shr_u(h, 8)
}

/** Arguments: x, seed, y, count, flags (1: accumulate), salt, threshold (rate · 2²⁴, rounded up), 1 / (1 - rate). */
export function dropoutTask(a: usize, task: i32): void {
  const from = task * each()
  const at = <usize>from * 4
  const count = min(each(), load<i32>(a, 12) - from)
  const x = <usize>load<u32>(a) + at
  const to = <usize>load<u32>(a, 8) + at
  const adds = (load<i32>(a, 16) & 1) != 0
  const base = load<i32>(<usize>load<u32>(a, 4)) + load<i32>(a, 20) * <i32>0x9e3779b1
  const below = i32x4.splat(load<i32>(a, 24) - 1)
  const scale = splat(load<f32>(a, 28))
  let index = i32x4.add(i32x4.splat(from), i32x4(0, 1, 2, 3))
  let i = 0
  for (; i + 4 <= count; i += 4) {
    const p = <usize>i * 4
    const kept = i32x4.gt_s(hash(base, index), below)
    const value = v128.and(kept, f32x4.mul(v128.load(x + p), scale))
    v128.store(to + p, adds ? f32x4.add(v128.load(to + p), value) : value)
    index = i32x4.add(index, i32x4.splat(4))
  }
  for (; i < count; i++) {
    const p = <usize>i * 4
    const kept = i32x4.gt_s(hash(base, i32x4.splat(from + i)), below)
    const value = f32x4.extract_lane(v128.and(kept, f32x4.mul(splat(load<f32>(x + p)), scale)), 0)
    store<f32>(to + p, adds ? load<f32>(to + p) + value : value)
  }
}

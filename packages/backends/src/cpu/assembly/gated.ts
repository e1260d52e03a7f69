// The gate of SwiGLU with its gradient, and rotary positions.
import { offsetOf } from "./cacheRows"
import { sigmoid } from "./functions"
import { ONE, constant } from "./simd"

/** Elements of one task. */
// @ts-ignore: decorator
@inline
function each(): i32 {
  return 8192
}

// @ts-ignore: decorator
@inline
function silu(gate: v128): v128 {
  return f32x4.mul(gate, sigmoid(gate))
}

/** s · (1 + gate · (1 - s)): the derivative of gate · sigmoid(gate). */
// @ts-ignore: decorator
@inline
function siluSlope(gate: v128): v128 {
  const s = sigmoid(gate)
  return f32x4.mul(s, f32x4.add(constant(ONE), f32x4.mul(gate, f32x4.sub(constant(ONE), s))))
}

// @ts-ignore: decorator
@inline
function put(to: usize, value: v128, adds: bool, left: i32): void {
  if (left >= 4) {
    v128.store(to, adds ? f32x4.add(v128.load(to), value) : value)
    return
  }
  // The last elements, one by one: what follows is another task's.
  for (let i = 0; i < left; i++) {
    const one = i == 0 ? f32x4.extract_lane(value, 0) : i == 1 ? f32x4.extract_lane(value, 1) : f32x4.extract_lane(value, 2)
    const at = to + <usize>i * 4
    store<f32>(at, adds ? load<f32>(at) + one : one)
  }
}

/** Arguments: gate, up, y, count. */
export function swigluTask(a: usize, task: i32): void {
  const at = <usize>(task * each()) * 4
  const count = min(each(), load<i32>(a, 12) - task * each())
  const gate = <usize>load<u32>(a) + at
  const up = <usize>load<u32>(a, 4) + at
  const y = <usize>load<u32>(a, 8) + at
  for (let i = 0; i < count; i += 4) {
    const p = <usize>i * 4
    put(y + p, f32x4.mul(silu(v128.load(gate + p)), v128.load(up + p)), false, count - i)
  }
}

/** Arguments: dy, gate, up, dGate or 0, dUp or 0, count, flags (1: dGate accumulates, 2: dUp does). */
export function swigluBackwardTask(a: usize, task: i32): void {
  const at = <usize>(task * each()) * 4
  const count = min(each(), load<i32>(a, 20) - task * each())
  const dy = <usize>load<u32>(a) + at
  const gate = <usize>load<u32>(a, 4) + at
  const up = <usize>load<u32>(a, 8) + at
  const dGate: usize = load<u32>(a, 12) == 0 ? 0 : <usize>load<u32>(a, 12) + at
  const dUp: usize = load<u32>(a, 16) == 0 ? 0 : <usize>load<u32>(a, 16) + at
  const flags = load<i32>(a, 24)
  for (let i = 0; i < count; i += 4) {
    const p = <usize>i * 4
    const g = v128.load(gate + p)
    const d = v128.load(dy + p)
    const slope = f32x4.mul(f32x4.mul(d, v128.load(up + p)), siluSlope(g))
    const value = f32x4.mul(d, silu(g))
    if (dGate != 0) put(dGate + p, slope, (flags & 1) != 0, count - i)
    if (dUp != 0) put(dUp + p, value, (flags & 2) != 0, count - i)
  }
}

/**
 * Arguments: x, offset, y, B, T, C, heads, positions a task, sign (-1 turns back), flags (1: accumulate), ln theta (64 bits), words from
 * offset to offset, tasks of a sequence. Tasks: some positions of all sequences, whose angles are the same; or of one sequence after the
 * other, where each has an offset.
 */
export function ropeTask(a: usize, task: i32, scratch: usize): void {
  const words = load<i32>(a, 48)
  const pieces = load<i32>(a, 52)
  const begin = words == 0 ? 0 : task / pieces
  const end = words == 0 ? load<i32>(a, 12) : begin + 1
  const offset = offsetOf(load<u32>(a, 4), words, begin)
  const T = load<i32>(a, 16)
  const C = load<i32>(a, 20)
  const heads = load<i32>(a, 24)
  const some = load<i32>(a, 28)
  const sign = load<f32>(a, 32)
  const adds = (load<i32>(a, 36) & 1) != 0
  const half = C / heads / 2
  const cosines = scratch
  const sines = cosines + <usize>((half + 3) & ~3) * 4
  const angles = sines + <usize>((half + 3) & ~3) * 4
  const first = (task - begin * pieces) * some
  const last = min(T, first + some)
  beginAngles(angles, half, <f64>(offset + first), load<f64>(a, 40))
  for (let t = first; t < last; t++) {
    nextAngles(angles, cosines, sines, half, sign)
    for (let b = begin; b < end; b++)
      for (let h = 0; h < heads; h++) {
        const at = <usize>((b * T + t) * C + h * 2 * half) * 4
        turnRow(<usize>load<u32>(a) + at, <usize>load<u32>(a, 8) + at, cosines, sines, half, adds)
      }
  }
}

/** For each frequency theta^(-i / half): cosine and sine of its angle at a position, then those of the angle between two positions. */
function beginAngles(angles: usize, half: i32, position: f64, theta: f64): void {
  for (let i = 0; i < half; i++) {
    const frequency = Math.exp((-theta * <f64>i) / <f64>half)
    const at = angles + <usize>i * 32
    store<f64>(at, Math.cos(position * frequency))
    store<f64>(at, Math.sin(position * frequency), 8)
    store<f64>(at, Math.cos(frequency), 16)
    store<f64>(at, Math.sin(frequency), 24)
  }
}

/**
 * Gives cosines and sines (times `sign`) and goes on by one position, by the sum of angles in float64: some hundred positions of a task cost less
 * than float32 shows.
 */
function nextAngles(angles: usize, cosines: usize, sines: usize, half: i32, sign: f32): void {
  for (let i = 0; i < half; i++) {
    const at = angles + <usize>i * 32
    const c = load<f64>(at)
    const s = load<f64>(at, 8)
    const stepC = load<f64>(at, 16)
    const stepS = load<f64>(at, 24)
    store<f32>(cosines + <usize>i * 4, <f32>c)
    store<f32>(sines + <usize>i * 4, sign * <f32>s)
    store<f64>(at, c * stepC - s * stepS)
    store<f64>(at, s * stepC + c * stepS, 8)
  }
}

function turnRow(x: usize, y: usize, cosines: usize, sines: usize, half: i32, adds: bool): void {
  const across = <usize>half * 4
  let i: usize = 0
  for (; i + 16 <= across; i += 16) {
    const first = v128.load(x + i)
    const second = v128.load(x + i + across)
    const c = v128.load(cosines + i)
    const s = v128.load(sines + i)
    const low = f32x4.sub(f32x4.mul(first, c), f32x4.mul(second, s))
    const high = f32x4.add(f32x4.mul(second, c), f32x4.mul(first, s))
    v128.store(y + i, adds ? f32x4.add(v128.load(y + i), low) : low)
    v128.store(y + i + across, adds ? f32x4.add(v128.load(y + i + across), high) : high)
  }
  for (; i < across; i += 4) {
    const first = load<f32>(x + i)
    const second = load<f32>(x + i + across)
    const c = load<f32>(cosines + i)
    const s = load<f32>(sines + i)
    const low = first * c - second * s
    const high = second * c + first * s
    store<f32>(y + i, adds ? load<f32>(y + i) + low : low)
    store<f32>(y + i + across, adds ? load<f32>(y + i + across) + high : high)
  }
}

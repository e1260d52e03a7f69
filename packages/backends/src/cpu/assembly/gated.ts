// The gate of SwiGLU with its gradient, and rotary positions.
import { sigmoid, turn } from "./functions"
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
 * Arguments: x, offset, y, B, T, C, heads, positions a task, ln theta, sign (-1 turns back), flags (1: accumulate). Tasks: some positions of
 * all sequences, whose angles are the same.
 */
export function ropeTask(a: usize, task: i32, scratch: usize): void {
  const offset = load<i32>(<usize>load<u32>(a, 4))
  const B = load<i32>(a, 12)
  const T = load<i32>(a, 16)
  const C = load<i32>(a, 20)
  const heads = load<i32>(a, 24)
  const some = load<i32>(a, 28)
  const theta = load<f32>(a, 32)
  const sign = load<f32>(a, 36)
  const adds = (load<i32>(a, 40) & 1) != 0
  const half = C / heads / 2
  const cosines = scratch
  const sines = scratch + <usize>((half + 3) & ~3) * 4
  const last = min(T, (task + 1) * some)
  for (let t = task * some; t < last; t++) {
    turn(cosines, sines, half, <f64>(offset + t), <f64>theta, sign)
    for (let b = 0; b < B; b++)
      for (let h = 0; h < heads; h++) {
        const at = <usize>((b * T + t) * C + h * 2 * half) * 4
        turnRow(<usize>load<u32>(a) + at, <usize>load<u32>(a, 8) + at, cosines, sines, half, adds)
      }
  }
}

function turnRow(x: usize, y: usize, cosines: usize, sines: usize, half: i32, adds: bool): void {
  const across = <usize>half * 4
  for (let i: usize = 0; i < across; i += 4) {
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

// The functions of formulas (program/Formula.ts), four elements at a time, to a few units in the last place. NaN stays NaN.
import {
  ABS,
  ADD,
  COS,
  DIVIDE,
  EQUAL,
  EXP,
  FLOOR,
  LESS,
  LOG,
  MAX,
  MIN,
  MULTIPLY,
  NEGATE,
  POW,
  SIGMOID,
  SIN,
  SQRT,
  SUBTRACT,
  TANH
} from "./generated"
import { ONE, constant, exp, splat } from "./simd"

// @ts-ignore: decorator
@inline
function select(whenTrue: v128, whenFalse: v128, mask: v128): v128 {
  return v128.bitselect(whenTrue, whenFalse, mask)
}

const OVERFLOW: usize = memory.data<f32>([88.72283])

/** e^x, infinite where it is beyond float32, 0 below -80. */
export function exponential(x: v128): v128 {
  return select(splat(Infinity), exp(x), f32x4.gt(x, constant(OVERFLOW)))
}

// Cephes' logf.
const TINY: usize = memory.data<f32>([1.17549435e-38])
const L: usize = memory.data<f32>([
  7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1,
  -2.4999993993e-1, 3.3333331174e-1
])

/** ln x with Cephes' logf polynomial: x = 2ⁿ · m, m from √½ to √2. */
export function logarithm(x: v128): v128 {
  const isSmall = f32x4.lt(x, constant(TINY))
  const scaled = select(f32x4.mul(x, splat(8388608.0)), x, isSmall)
  let n = f32x4.sub(
    f32x4.convert_i32x4_s(i32x4.sub(i32x4.shr_u(scaled, 23), i32x4.splat(126))),
    v128.and(isSmall, splat(23.0))
  )
  let m = v128.or(v128.and(scaled, i32x4.splat(0x007fffff)), i32x4.splat(0x3f000000))
  const isLow = f32x4.lt(m, splat(0.707106781186547524))
  n = f32x4.sub(n, v128.and(isLow, constant(ONE)))
  m = f32x4.sub(select(f32x4.add(m, m), m, isLow), constant(ONE))
  const z = f32x4.mul(m, m)
  let p = constant(L)
  for (let i: usize = 4; i < 36; i += 4) p = f32x4.add(f32x4.mul(p, m), v128.load32_splat(L + i))
  let y = f32x4.add(f32x4.mul(f32x4.mul(m, z), p), f32x4.mul(n, splat(-2.12194440e-4)))
  y = f32x4.sub(y, f32x4.mul(splat(0.5), z))
  y = f32x4.add(f32x4.add(m, y), f32x4.mul(n, splat(0.693359375)))
  y = select(x, y, f32x4.eq(x, splat(Infinity)))
  y = select(splat(-Infinity), y, f32x4.eq(x, splat(0)))
  return select(y, splat(NaN), f32x4.ge(x, splat(0)))
}

/** tanh x: Cephes' polynomial near 0, else 1 - 2 / (e²ˣ + 1). */
export function tangent(x: v128): v128 {
  const size = f32x4.abs(x)
  const z = f32x4.mul(x, x)
  let p = splat(-5.70498872745e-3)
  p = f32x4.add(f32x4.mul(p, z), splat(2.06390887954e-2))
  p = f32x4.add(f32x4.mul(p, z), splat(-5.37397155531e-2))
  p = f32x4.add(f32x4.mul(p, z), splat(1.33314422036e-1))
  p = f32x4.add(f32x4.mul(p, z), splat(-3.33332819422e-1))
  const near = f32x4.add(f32x4.mul(f32x4.mul(p, z), x), x)
  const far = f32x4.sub(
    constant(ONE),
    f32x4.div(splat(2), f32x4.add(exp(f32x4.add(size, size)), constant(ONE)))
  )
  const signed = v128.or(far, v128.and(x, i32x4.splat(0x80000000)))
  return select(near, signed, f32x4.lt(size, splat(0.625)))
}

export function sigmoid(x: v128): v128 {
  return f32x4.div(constant(ONE), f32x4.add(constant(ONE), exponential(f32x4.neg(x))))
}

/**
 * sin x, or cos x, with Cephes' polynomials after taking multiples of π/4 away in three parts; beyond 8192, and for what is not finite, by
 * the double-precision functions.
 */
// @ts-ignore: decorator
@inline
function sine(x: v128, cosine: bool): v128 {
  const size = f32x4.abs(x)
  const isNear = f32x4.le(size, splat(8192))
  const angle = v128.and(size, isNear)
  let eighth = i32x4.trunc_sat_f32x4_s(f32x4.mul(angle, splat(1.27323954473516)))
  eighth = v128.and(i32x4.add(eighth, i32x4.splat(1)), i32x4.splat(~1))
  const n = f32x4.convert_i32x4_s(eighth)
  let r = f32x4.sub(angle, f32x4.mul(n, splat(0.78515625)))
  r = f32x4.sub(r, f32x4.mul(n, splat(2.4187564849853515625e-4)))
  r = f32x4.sub(r, f32x4.mul(n, splat(3.77489497744594108e-8)))
  const z = f32x4.mul(r, r)
  let c = splat(2.443315711809948e-5)
  c = f32x4.add(f32x4.mul(c, z), splat(-1.388731625493765e-3))
  c = f32x4.add(f32x4.mul(c, z), splat(4.166664568298827e-2))
  c = f32x4.add(f32x4.sub(f32x4.mul(f32x4.mul(c, z), z), f32x4.mul(splat(0.5), z)), constant(ONE))
  let s = splat(-1.9515295891e-4)
  s = f32x4.add(f32x4.mul(s, z), splat(8.3321608736e-3))
  s = f32x4.add(f32x4.mul(s, z), splat(-1.6666654611e-1))
  s = f32x4.add(f32x4.mul(f32x4.mul(s, z), r), r)
  const quarter = v128.and(i32x4.shr_s(eighth, 1), i32x4.splat(3))
  const swaps = i32x4.ne(v128.and(quarter, i32x4.splat(1)), i32x4.splat(0))
  let y: v128
  let sign: v128
  if (cosine) {
    y = select(s, c, swaps)
    sign = i32x4.shl(v128.and(i32x4.add(quarter, i32x4.splat(1)), i32x4.splat(2)), 30)
  } else {
    y = select(c, s, swaps)
    sign = v128.xor(i32x4.shl(v128.and(quarter, i32x4.splat(2)), 30), v128.and(x, i32x4.splat(0x80000000)))
  }
  y = v128.xor(y, sign)
  if (!v128.any_true(v128.not(isNear))) return y
  for (let i = 0; i < 4; i++) {
    const lane = laneOf(x, i)
    if (Mathf.abs(lane) <= 8192) continue
    y = withLane(y, i, <f32>(cosine ? Math.cos(<f64>lane) : Math.sin(<f64>lane)))
  }
  return y
}

function laneOf(x: v128, i: i32): f32 {
  if (i == 0) return f32x4.extract_lane(x, 0)
  if (i == 1) return f32x4.extract_lane(x, 1)
  return i == 2 ? f32x4.extract_lane(x, 2) : f32x4.extract_lane(x, 3)
}

function withLane(x: v128, i: i32, value: f32): v128 {
  if (i == 0) return f32x4.replace_lane(x, 0, value)
  if (i == 1) return f32x4.replace_lane(x, 1, value)
  return i == 2 ? f32x4.replace_lane(x, 2, value) : f32x4.replace_lane(x, 3, value)
}

function sin(x: v128): v128 {
  return sine(x, false)
}
function cos(x: v128): v128 {
  return sine(x, true)
}

function power(a: v128, b: v128): v128 {
  for (let i = 0; i < 4; i++) a = withLane(a, i, <f32>Math.pow(<f64>laneOf(a, i), <f64>laneOf(b, i)))
  return a
}

// @ts-ignore: decorator
@inline
function one(kind: i32, x: v128): v128 {
  if (kind == NEGATE) return f32x4.neg(x)
  if (kind == EXP) return exponential(x)
  if (kind == LOG) return logarithm(x)
  if (kind == SQRT) return f32x4.sqrt(x)
  if (kind == TANH) return tangent(x)
  if (kind == SIGMOID) return sigmoid(x)
  if (kind == SIN) return sin(x)
  if (kind == COS) return cos(x)
  if (kind == ABS) return f32x4.abs(x)
  return f32x4.floor(x)
}

// @ts-ignore: decorator
@inline
function two(kind: i32, x: v128, y: v128): v128 {
  if (kind == ADD) return f32x4.add(x, y)
  if (kind == SUBTRACT) return f32x4.sub(x, y)
  if (kind == MULTIPLY) return f32x4.mul(x, y)
  if (kind == DIVIDE) return f32x4.div(x, y)
  if (kind == MAX) return f32x4.max(x, y)
  if (kind == MIN) return f32x4.min(x, y)
  if (kind == POW) return power(x, y)
  if (kind == LESS) return v128.and(f32x4.lt(x, y), constant(ONE))
  return v128.and(f32x4.eq(x, y), constant(ONE))
}

// @ts-ignore: decorator
@inline
function each1(kind: i32, end: usize, a: usize, to: usize): void {
  for (let i: usize = 0; i < end; i += 16) v128.store(to + i, one(kind, v128.load(a + i)))
}

// @ts-ignore: decorator
@inline
function each2(kind: i32, end: usize, a: usize, b: usize, to: usize): void {
  for (let i: usize = 0; i < end; i += 16) v128.store(to + i, two(kind, v128.load(a + i), v128.load(b + i)))
}

/**
 * to[i] = f(a[i], b[i], c[i]) for `count` elements and up to three more; those arguments that f does not take are not read. `to` may be one of
 * them. The functions are numbered by the order of `arity` in program/Formula.ts.
 */
export function apply(kind: i32, count: i32, a: usize, b: usize, c: usize, to: usize): void {
  const end = <usize>((count + 3) & ~3) * 4
  switch (kind) {
    case ADD:
      return each2(ADD, end, a, b, to)
    case SUBTRACT:
      return each2(SUBTRACT, end, a, b, to)
    case MULTIPLY:
      return each2(MULTIPLY, end, a, b, to)
    case DIVIDE:
      return each2(DIVIDE, end, a, b, to)
    case NEGATE:
      return each1(NEGATE, end, a, to)
    case MAX:
      return each2(MAX, end, a, b, to)
    case MIN:
      return each2(MIN, end, a, b, to)
    case EXP:
      return each1(EXP, end, a, to)
    case LOG:
      return each1(LOG, end, a, to)
    case SQRT:
      return each1(SQRT, end, a, to)
    case TANH:
      return each1(TANH, end, a, to)
    case SIGMOID:
      return each1(SIGMOID, end, a, to)
    case SIN:
      return each1(SIN, end, a, to)
    case COS:
      return each1(COS, end, a, to)
    case POW:
      return each2(POW, end, a, b, to)
    case ABS:
      return each1(ABS, end, a, to)
    case FLOOR:
      return each1(FLOOR, end, a, to)
    case LESS:
      return each2(LESS, end, a, b, to)
    case EQUAL:
      return each2(EQUAL, end, a, b, to)
    default:
      for (let i: usize = 0; i < end; i += 16)
        v128.store(
          to + i,
          select(v128.load(c + i), v128.load(b + i), f32x4.eq(v128.load(a + i), f32x4.splat(0)))
        )
  }
}

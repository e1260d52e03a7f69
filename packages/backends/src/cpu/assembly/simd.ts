// Four-lane arithmetic that the kernels share: multiply-add, exponential, horizontal sums.

export const LANES: i32 = 4

/** a · b + c, in one rounding where the machine's relaxed SIMD gives it. */
// @ts-ignore: decorator
@inline
export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c)
  return f32x4.add(f32x4.mul(a, b), c)
}

// @ts-ignore: decorator
@inline
export function splat(x: f32): v128 {
  return f32x4.splat(x)
}

// Constants lie in memory: V8 makes a constant vector anew with three instructions wherever it is used, and loads one with one.
export const ONE: usize = memory.data<f32>([1])
const SMALLEST: usize = memory.data<f32>([-80])
const LARGEST: usize = memory.data<f32>([88.3])
const LOG2_E: usize = memory.data<f32>([1.44269504088896341])
const LN2_HIGH: usize = memory.data<f32>([-0.693359375])
const LN2_LOW: usize = memory.data<f32>([2.12194440e-4])
const P5: usize = memory.data<f32>([1.9875691500e-4])
const P4: usize = memory.data<f32>([1.3981999507e-3])
const P3: usize = memory.data<f32>([8.3334519073e-3])
const P2: usize = memory.data<f32>([4.1665795894e-2])
const P1: usize = memory.data<f32>([1.6666665459e-1])
const P0: usize = memory.data<f32>([5.0000001201e-1])

/** Four times the constant at an address. */
// @ts-ignore: decorator
@inline
export function constant(at: usize): v128 {
  return v128.load32_splat(at)
}

// @ts-ignore: decorator
@inline
export function sum(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) + (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3))
  )
}

/** The sums of the lanes of four vectors. */
// @ts-ignore: decorator
@inline
export function sums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7))
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7))
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7))
}

// @ts-ignore: decorator
@inline
export function largest(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3))
  )
}

/**
 * e^x within 2 units in the last place for x in [-80, 88.3]. Larger x count as 88.3, smaller ones give 0: e^-80 is nothing beside 1, and
 * what is made of it would be denormal, which is slow. NaN stays NaN. Cephes' expf: x = n · ln 2 + r, a polynomial in r, then n
 * added to the exponent.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  const small = f32x4.lt(x, constant(SMALLEST))
  // pmin(a, b) is b < a ? b : a, so that NaN in the second place is lost: here x comes first and is kept.
  x = f32x4.pmin(x, constant(LARGEST))
  const n = f32x4.nearest(f32x4.mul(x, constant(LOG2_E)))
  let r = fma(n, constant(LN2_HIGH), x)
  r = fma(n, constant(LN2_LOW), r)
  let p = fma(constant(P5), r, constant(P4))
  p = fma(p, r, constant(P3))
  p = fma(p, r, constant(P2))
  p = fma(p, r, constant(P1))
  p = fma(p, r, constant(P0))
  p = fma(p, f32x4.mul(r, r), f32x4.add(r, constant(ONE)))
  const whole = relaxedTruncate(n)
  return v128.andnot(i32x4.add(p, i32x4.shl(whole, 23)), small)
}

/** A whole number in float32 as an integer; anything for what is too large. */
// @ts-ignore: decorator
@inline
function relaxedTruncate(x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_trunc_f32x4_s(x)
  return i32x4.trunc_sat_f32x4_s(x)
}

/** The natural logarithm of a positive number; of 0 minus infinity, of infinity infinity, else NaN. */
export function log(x: f64): f64 {
  if (!(x > 0)) return x == 0 ? -Infinity : NaN
  if (x == Infinity) return x
  const bits = reinterpret<u64>(x)
  let exponent = <i32>(bits >> 52) - 1023
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000)
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5
    exponent++
  }
  // ln m = 2 artanh((m - 1) / (m + 1)), with |s| < 0.172.
  const s = (mantissa - 1) / (mantissa + 1)
  const q = s * s
  let series: f64 = 0
  for (let k = 21; k >= 1; k -= 2) series = series * q + 1.0 / <f64>k
  return <f64>exponent * 0.6931471805599453 + 2 * s * series
}

/** base^power for a whole power, by squaring. */
export function wholePower(base: f64, power: i32): f64 {
  let result: f64 = 1
  for (let left = power; left > 0; left >>= 1) {
    if (left & 1) result *= base
    base *= base
  }
  return result
}

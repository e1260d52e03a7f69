// The functions of formulas (program/Formula.ts) on vectors, to a few units in the last place. NaN stays NaN.
#pragma once

#include <cmath>

#include "step.h"

namespace trainyard {
namespace {

FORCE vf integral(vf v) { return __builtin_convertvector(__builtin_convertvector(v, vi), vf); }

// eˣ, infinite where it is beyond float32.
FORCE vf exponentialOf(vf x) { return select(x > all(88.72283f), all(INFINITY), exponential(x)); }

// ln x with Cephes' logf polynomial: x = 2ⁿ · m, m from √½ to √2.
FORCE vf logarithmOf(vf x) {
  const vi isSmall = x < all(1.17549435e-38f);
  const vf scaled = select(isSmall, x * all(8388608.0f), x);
  const vu b = bits(scaled);
  vf n = __builtin_convertvector((vi)(b >> 23) - allInts(126), vf) - select(isSmall, all(23.0f), all(0.0f));
  vf m = floats((b & allBits(0x007fffff)) | allBits(0x3f000000));
  const vi isLow = m < all(0.707106781186547524f);
  n = select(isLow, n - all(1.0f), n);
  m = select(isLow, m + m, m) - all(1.0f);
  const vf z = m * m;
  vf p = all(7.0376836292e-2f);
  p = p * m + all(-1.1514610310e-1f);
  p = p * m + all(1.1676998740e-1f);
  p = p * m + all(-1.2420140846e-1f);
  p = p * m + all(1.4249322787e-1f);
  p = p * m + all(-1.6668057665e-1f);
  p = p * m + all(2.0000714765e-1f);
  p = p * m + all(-2.4999993993e-1f);
  p = p * m + all(3.3333331174e-1f);
  vf y = m * z * p + n * all(-2.12194440e-4f) - all(0.5f) * z;
  y = m + y + n * all(0.693359375f);
  y = select(x == all(INFINITY), x, y);
  y = select(x == all(0.0f), all(-INFINITY), y);
  return select(x >= all(0.0f), y, all(NAN));
}

// tanh x: Cephes' polynomial near 0, else 1 - 2 / (e²ˣ + 1).
FORCE vf tangentOf(vf x) {
  const vf size = floats(bits(x) & allBits(0x7fffffff)), z = x * x;
  vf p = all(-5.70498872745e-3f);
  p = p * z + all(2.06390887954e-2f);
  p = p * z + all(-5.37397155531e-2f);
  p = p * z + all(1.33314422036e-1f);
  p = p * z + all(-3.33332819422e-1f);
  const vf near = p * z * x + x;
  const vf far = all(1.0f) - all(2.0f) / (exponential(size + size) + all(1.0f));
  return select(size < all(0.625f), near, floats(bits(far) | (bits(x) & allBits(0x80000000u))));
}

FORCE vf sigmoidOf(vf x) { return all(1.0f) / (all(1.0f) + exponentialOf(-x)); }

// sin (part 0) or cos (part 1) with Cephes' polynomials after taking multiples of π/4 away in three parts; beyond 8192, and for what is
// not finite, as the C library has it.
template <int PART>
FORCE vf sineOf(vf x) {
  const vf size = floats(bits(x) & allBits(0x7fffffff));
  const vi isFar = ~(size <= all(8192.0f));
  const vf angle = select(isFar, all(0.0f), size);
  vi eighth = __builtin_convertvector(angle * all(1.27323954473516f), vi);
  eighth = (eighth + allInts(1)) & allInts(~1);
  const vf n = __builtin_convertvector(eighth, vf);
  const vf r = ((angle - n * all(0.78515625f)) - n * all(2.4187564849853515625e-4f)) - n * all(3.77489497744594108e-8f);
  const vf z = r * r;
  vf c = all(2.443315711809948e-5f);
  c = c * z + all(-1.388731625493765e-3f);
  c = c * z + all(4.166664568298827e-2f);
  c = c * z * z - all(0.5f) * z + all(1.0f);
  vf s = all(-1.9515295891e-4f);
  s = s * z + all(8.3321608736e-3f);
  s = s * z + all(-1.6666654611e-1f);
  s = s * z * r + r;
  const vi quarter = (eighth >> 1) & allInts(3);
  const vi swaps = (quarter & allInts(1)) != allInts(0);
  vf y;
  vu sign;
  if (PART == 0) {
    y = select(swaps, c, s);
    sign = ((vu)(quarter & allInts(2)) << 30) ^ (bits(x) & allBits(0x80000000u));
  } else {
    y = select(swaps, s, c);
    sign = ((vu)((quarter + allInts(1)) & allInts(2))) << 30;
  }
  y = floats(bits(y) ^ sign);
  bool anyFar = false;
  for (int i = 0; i < LANES; i++) anyFar = anyFar || isFar[i] != 0;
  if (anyFar)
    for (int i = 0; i < LANES; i++)
      if (isFar[i] != 0) y[i] = (float)(PART == 0 ? std::sin((double)x[i]) : std::cos((double)x[i]));
  return y;
}

FORCE vf powerOf(vf a, vf b) {
  for (int i = 0; i < LANES; i++) a[i] = (float)std::pow((double)a[i], (double)b[i]);
  return a;
}

FORCE vf floorOf(vf x) {
  const vf size = floats(bits(x) & allBits(0x7fffffff));
  const vi isLarge = ~(size < all(8388608.0f));
  const vf whole = integral(select(isLarge, all(0.0f), x));
  return select(isLarge, x, select(whole > x, whole - all(1.0f), whole));
}

// NaN where either is.
FORCE vf largerOf(vf a, vf b) { return select((a > b) | (a != a), a, b); }
FORCE vf smallerOf(vf a, vf b) { return select((a < b) | (a != a), a, b); }
FORCE float largerOf(float a, float b) { return a > b || a != a ? a : b; }

// In the order of `arity` in program/Formula.ts.
enum Function : int32_t {
  functionAdd, functionSubtract, functionMultiply, functionDivide, functionNegate, functionMax, functionMin, functionExp, functionLog,
  functionSqrt, functionTanh, functionSigmoid, functionSin, functionCos, functionPow, functionAbs, functionFloor, functionLess,
  functionEqual, functionWhere
};

template <typename F>
FORCE void perform(int64_t count, float* to, F body) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, body(i, (int64_t)LANES));
  if (i < count) store(to + i, body(i, count - i), count - i);
}

// to[i] = f(a[i], b[i], c[i]); those that f does not take are not looked at. `to` may be one of them.
static void apply(int32_t function, int64_t count, const float* a, const float* b, const float* c, float* to) {
  const auto one = [&](auto f) __attribute__((always_inline)) {
    perform(count, to, [&](int64_t i, int64_t some) __attribute__((always_inline)) { return f(part(a + i, some)); });
  };
  const auto two = [&](auto f) __attribute__((always_inline)) {
    perform(count, to,
            [&](int64_t i, int64_t some) __attribute__((always_inline)) { return f(part(a + i, some), part(b + i, some)); });
  };
#define ONE(value) return one([](vf x) __attribute__((always_inline)) -> vf { return value; })
#define TWO(value) return two([](vf x, vf y) __attribute__((always_inline)) -> vf { return value; })
  switch ((Function)function) {
    case functionAdd: TWO(x + y);
    case functionSubtract: TWO(x - y);
    case functionMultiply: TWO(x * y);
    case functionDivide: TWO(x / y);
    case functionNegate: ONE(-x);
    case functionMax: TWO(largerOf(x, y));
    case functionMin: TWO(smallerOf(x, y));
    case functionExp: ONE(exponentialOf(x));
    case functionLog: ONE(logarithmOf(x));
    case functionSqrt: ONE(squareRoot(x));
    case functionTanh: ONE(tangentOf(x));
    case functionSigmoid: ONE(sigmoidOf(x));
    case functionSin: ONE(sineOf<0>(x));
    case functionCos: ONE(sineOf<1>(x));
    case functionPow: TWO(powerOf(x, y));
    case functionAbs: ONE(floats(bits(x) & allBits(0x7fffffff)));
    case functionFloor: ONE(floorOf(x));
    case functionLess: TWO(select(x < y, all(1.0f), all(0.0f)));
    case functionEqual: TWO(select(x == y, all(1.0f), all(0.0f)));
    case functionWhere:
      return perform(count, to, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
        return select(part(a + i, some) != all(0.0f), part(b + i, some), part(c + i, some));
      });
  }
#undef ONE
#undef TWO
}

}  // namespace
}  // namespace trainyard

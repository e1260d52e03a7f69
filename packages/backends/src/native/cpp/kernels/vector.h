// Vectors of LANES floats with the compiler's own vector types, so that one source serves SSE, NEON, AVX2 and AVX-512.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace trainyard {
namespace {

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef uint32_t vu __attribute__((vector_size(4 * LANES)));

#define FORCE static inline __attribute__((always_inline))

FORCE vf load(const float* from) {
  vf v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
FORCE void store(float* to, vf v) { __builtin_memcpy(to, &v, sizeof v); }

FORCE vf all(float x) {
#if LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_set1_ps(x);
#elif LANES == 8 && defined(__AVX2__)
  return (vf)_mm256_set1_ps(x);
#else
  vf v;
  for (int i = 0; i < LANES; i++) v[i] = x;
  return v;
#endif
}
FORCE vu bits(vf v) {
  vu r;
  __builtin_memcpy(&r, &v, sizeof r);
  return r;
}
FORCE vf floats(vu v) {
  vf r;
  __builtin_memcpy(&r, &v, sizeof r);
  return r;
}
FORCE vu allBits(uint32_t x) {
  float f;
  __builtin_memcpy(&f, &x, 4);
  return bits(all(f));
}

#if LANES == 8 && defined(__AVX2__)
// All bits of the first `count` lanes.
FORCE __m256i firstLanes(int64_t count) {
  static const int32_t bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256((const __m256i*)(bits + 8 - (count < 8 ? count : 8)));
}
#endif

// The first `count` lanes from memory, the others zero; nothing beyond `count` is touched.
FORCE vf load(const float* from, int64_t count) {
#if LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
#elif LANES == 8 && defined(__AVX2__)
  return (vf)_mm256_maskload_ps(from, firstLanes(count));
#else
  if (count >= LANES) return load(from);
  float t[LANES] = {};
  for (int64_t i = 0; i < count; i++) t[i] = from[i];
  return load(t);
#endif
}
FORCE void store(float* to, vf v, int64_t count) {
#if LANES == 16 && defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)v);
#elif LANES == 8 && defined(__AVX2__)
  _mm256_maskstore_ps(to, firstLanes(count), (__m256)v);
#else
  if (count >= LANES) return store(to, v);
  float t[LANES];
  store(t, v);
  for (int64_t i = 0; i < count; i++) to[i] = t[i];
#endif
}

// 0, 1, 2, ...
FORCE vi lanes() {
  vi v;
  for (int i = 0; i < LANES; i++) v[i] = i;
  return v;
}
FORCE vi allInts(int32_t x) { return (vi)allBits((uint32_t)x); }

// All lanes, or some.
FORCE vf part(const float* from, int64_t some) { return some == LANES ? load(from) : load(from, some); }

FORCE vf maximum(vf a, vf b) { return a > b ? a : b; }
FORCE vf minimum(vf a, vf b) { return a < b ? a : b; }
FORCE vf select(vi mask, vf a, vf b) { return mask ? a : b; }

FORCE vf squareRoot(vf v) {
#if LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)v);
#elif LANES == 8 && defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)v);
#else
  for (int i = 0; i < LANES; i++) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

FORCE float sum(vf v) {
#if LANES == 16 && defined(__AVX512F__)
  return _mm512_reduce_add_ps((__m512)v);
#else
  float t[LANES];
  store(t, v);
  for (int half = LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) t[i] += t[i + half];
  return t[0];
#endif
}
// Lane i: the sum of vector i's lanes, of LANES vectors that lie one after the other. All are added up in the same order.
FORCE vf sumsOf(const float* from) {
  vf v[LANES];
#pragma GCC unroll 16
  for (int i = 0; i < LANES; i++) v[i] = load(from + i * LANES);
#if LANES == 16 && defined(__AVX512F__)
  __m512 pairs[8], fours[4];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++)
    pairs[i] = _mm512_add_ps(_mm512_unpacklo_ps((__m512)v[2 * i], (__m512)v[2 * i + 1]),
                             _mm512_unpackhi_ps((__m512)v[2 * i], (__m512)v[2 * i + 1]));
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const __m512d a = _mm512_castps_pd(pairs[2 * i]), b = _mm512_castps_pd(pairs[2 * i + 1]);
    fours[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  // Each has four of the sums, in four parts.
  const __m512 low = _mm512_add_ps(_mm512_shuffle_f32x4(fours[0], fours[1], 0x88), _mm512_shuffle_f32x4(fours[0], fours[1], 0xdd));
  const __m512 high = _mm512_add_ps(_mm512_shuffle_f32x4(fours[2], fours[3], 0x88), _mm512_shuffle_f32x4(fours[2], fours[3], 0xdd));
  return (vf)_mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
#elif LANES == 8 && defined(__AVX2__)
  __m256 fours[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++)
    fours[i] = _mm256_hadd_ps(_mm256_hadd_ps((__m256)v[4 * i], (__m256)v[4 * i + 1]),
                              _mm256_hadd_ps((__m256)v[4 * i + 2], (__m256)v[4 * i + 3]));
  return (vf)_mm256_add_ps(_mm256_permute2f128_ps(fours[0], fours[1], 0x20), _mm256_permute2f128_ps(fours[0], fours[1], 0x31));
#else
  vf r;
  for (int i = 0; i < LANES; i++) r[i] = sum(v[i]);
  return r;
#endif
}
FORCE float largest(vf v) {
#if LANES == 16 && defined(__AVX512F__)
  return _mm512_reduce_max_ps((__m512)v);
#else
  float t[LANES];
  store(t, v);
  float r = t[0];
  for (int i = 1; i < LANES; i++) r = t[i] > r ? t[i] : r;
  return r;
#endif
}

// eˣ to about one unit in the last place; NaN stays NaN, large x saturates near the largest float, small x goes to 0.
// 2ⁿ · p(r) with r = x - n · ln 2 and Cephes' expf polynomial.
FORCE vf exponential(vf x) {
#if LANES == 16 && defined(__AVX512F__)
  // "Not less" lets NaN through; everything below the smallest normal result is 0.
  const __mmask16 large = _mm512_cmp_ps_mask((__m512)x, (__m512)all(-87.3f), _CMP_NLT_UQ);
  const vf bounded = (vf)_mm512_min_ps((__m512)all(88.7f), (__m512)x);
  const vf n = (vf)_mm512_roundscale_ps((__m512)(bounded * all(1.44269504088896341f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  vf r = bounded - n * all(0.693359375f);
  r = r + n * all(2.12194440e-4f);
  vf p = all(1.9875691500e-4f);
  p = p * r + all(1.3981999507e-3f);
  p = p * r + all(8.3334519073e-3f);
  p = p * r + all(4.1665795894e-2f);
  p = p * r + all(1.6666665459e-1f);
  p = p * r + all(5.0000001201e-1f);
  p = p * (r * r) + r + all(1.0f);
  return (vf)_mm512_maskz_scalef_ps(large, (__m512)p, (__m512)n);
#else
  vi tiny = x < all(-87.3f);
  x = x > all(88.7f) ? all(88.7f) : x;
  x = tiny ? all(-87.3f) : x;
  const vf magic = all(12582912.0f);
  vf n = x * all(1.44269504088896341f) + magic;
  const vu integer = bits(n);
  n = n - magic;
  vf r = x - n * all(0.693359375f);
  r = r + n * all(2.12194440e-4f);
  vf p = all(1.9875691500e-4f);
  p = p * r + all(1.3981999507e-3f);
  p = p * r + all(8.3334519073e-3f);
  p = p * r + all(4.1665795894e-2f);
  p = p * r + all(1.6666665459e-1f);
  p = p * r + all(5.0000001201e-1f);
  p = p * (r * r) + r + all(1.0f);
  // Half the exponent at a time, so that 2¹²⁸ does not overflow on the way.
  const vi exponent = (vi)(integer << 23) >> 23;
  const vi half = exponent >> 1;
  const vf first = floats((vu)((half + allInts(127)) << 23));
  const vf second = floats((vu)((exponent - half + allInts(127)) << 23));
  return tiny ? all(0.0f) : p * first * second;
#endif
}

// 2ˣ to four millionths, in half the time: for what is rounded to bf16 afterwards, or summed with many others. NaN stays NaN, small x goes to 0.
constexpr float log2e = 1.44269504088896341f, ln2 = 0.693147180559945f;
FORCE vf quickPower(vf x) {
#if LANES == 16 && defined(__AVX512DQ__)
  const vf r = (vf)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  vf p = all(1.367030945e-2f);
  p = p * r + all(5.174499776e-2f);
  p = p * r + all(2.416043573e-1f);
  p = p * r + all(6.929729222e-1f);
  p = p * r + all(1.000003493f);
  // 2 to the next lower whole number, which it takes of x by itself.
  return (vf)_mm512_scalef_ps((__m512)p, (__m512)x);
#else
  return exponential(x * all(ln2));
#endif
}

// 1 / v to about a unit in the last place, for v from 1 up.
FORCE vf reciprocal(vf v) {
#if LANES == 16 && defined(__AVX512F__)
  const vf y = (vf)_mm512_rcp14_ps((__m512)v);
  return y * (all(2.0f) - v * y);
#else
  return all(1.0f) / v;
#endif
}

// The same to 14 bits; 0 for what is infinite.
FORCE vf quickReciprocal(vf v) {
#if LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_rcp14_ps((__m512)v);
#else
  return all(1.0f) / v;
#endif
}

// 1 / (1 + e⁻ˣ). QUICK, here and below: for a result that is rounded to bf16.
template <bool QUICK = false>
FORCE vf sigmoid(vf x) {
  return QUICK ? quickReciprocal(all(1.0f) + quickPower(x * all(-log2e))) : reciprocal(all(1.0f) + exponential(-x));
}
template <bool QUICK = false>
FORCE vf siluOf(vf x) { return x * sigmoid<QUICK>(x); }

constexpr float geluRoot = 0.7978845608028654f;
constexpr float geluCube = 0.044715f;

// (1 + tanh u) / 2 = 1 - q with q = 1 / (1 + e²ᵘ), for the u of gelu.
template <bool QUICK>
FORCE vf geluRest(vf x) {
  constexpr float twice = 2.0f * geluRoot * log2e;
  if (QUICK) return quickReciprocal(all(1.0f) + quickPower(x * (all(twice) + all(twice * geluCube) * (x * x))));
  const vf u = all(geluRoot) * (x + all(geluCube) * x * x * x);
  return reciprocal(all(1.0f) + exponential(u + u));
}
template <bool QUICK = false>
FORCE vf geluOf(vf x) { return x * (all(1.0f) - geluRest<QUICK>(x)); }
template <bool QUICK = false>
FORCE vf geluSlope(vf x) {
  const vf q = geluRest<QUICK>(x), half = all(1.0f) - q;
  const vf inner = all(2.0f * geluRoot) * (all(1.0f) + all(3.0f * geluCube) * x * x);
  return half + x * q * half * inner;
}

// The upper halves of floats rounded to bf16, nearest even; NaN stays NaN.
FORCE vu roundedBits(vf v) {
  const vu b = bits(v);
  const vu r = b + allBits(0x7fff) + ((b >> 16) & allBits(1));
  return (vu)(v == v ? (vi)r : (vi)allBits(0x7fc00000));
}
FORCE uint32_t roundedBits(float x) {
  uint32_t b;
  __builtin_memcpy(&b, &x, 4);
  if (x != x) return 0x7fc00000u;
  return b + 0x7fff + ((b >> 16) & 1);
}
FORCE vf rounded(vf v) { return floats(roundedBits(v) & allBits(0xffff0000u)); }
FORCE float rounded(float x) {
  const uint32_t b = roundedBits(x) & 0xffff0000u;
  __builtin_memcpy(&x, &b, 4);
  return x;
}

// Numbers that are bf16 already, in two bytes each.
typedef uint16_t vh __attribute__((vector_size(2 * LANES)));
FORCE vf loadBf16(const uint16_t* from) {
#if LANES == 16 && defined(__AVX512F__)
  return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from)), 16);
#elif LANES == 8 && defined(__AVX2__)
  return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)from)), 16);
#else
  vh h;
  __builtin_memcpy(&h, from, sizeof h);
  return floats(__builtin_convertvector(h, vu) << 16);
#endif
}
FORCE void storeBf16(uint16_t* to, vf v) {
  const vh h = __builtin_convertvector(bits(v) >> 16, vh);
  __builtin_memcpy(to, &h, sizeof h);
}

// Numbers of either kind as floats; of fewer than LANES of them nothing beyond is touched.
FORCE vf loadWide(const float* from) { return load(from); }
FORCE vf loadWide(const uint16_t* from) { return loadBf16(from); }
FORCE vf loadPart(const float* from, int64_t count) { return load(from, count); }
FORCE vf loadPart(const uint16_t* from, int64_t count) {
  uint16_t all[LANES] = {};
  std::memcpy(all, from, (size_t)count * 2);
  return loadBf16(all);
}
static void roundBf16(const float* from, int64_t count, uint16_t* to) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) storeBf16(to + i, floats(roundedBits(load(from + i))));
  for (; i < count; i++) to[i] = (uint16_t)(roundedBits(from[i]) >> 16);
}

// Share `index` of `count` of the items 0 .. total: from `begin` to `end`, a multiple of `grain` where it can be.
struct Range {
  int64_t begin, end;
};
FORCE Range share(int64_t total, int index, int count, int64_t grain = 1) {
  const int64_t units = (total + grain - 1) / grain;
  const int64_t begin = units * index / count * grain, end = units * (index + 1) / count * grain;
  return {begin < total ? begin : total, end < total ? end : total};
}

FORCE int64_t upTo(int64_t x, int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

}  // namespace
}  // namespace trainyard

// Products of a few rows with a weight in 8 bits, which is read at a quarter of the bytes of float32 (rounding.h has the format).
//
// The copy: columns in groups of LANES; of each group, block after block along k, the columns' scales and then its numbers, four along k
// together for each column, with 128 added. Where the processor multiplies bytes (VPDPBUSD), each block of A is rounded to sixteen bits of
// its largest magnitude and multiplied as an upper and a lower byte: the sums are whole numbers, and A adds next to no error.
#pragma once

#include "../rounding.h"
#include "smallBatch.h"

namespace trainyard {
namespace {

constexpr int64_t quads = roundedBlock / 4;

FORCE int64_t groupsOf(int64_t n) { return (n + LANES - 1) / LANES; }
FORCE int64_t roundedBlocks(int64_t k) { return (k + roundedBlock - 1) / roundedBlock; }
constexpr int64_t groupBlock = LANES * (4 + roundedBlock);
FORCE int64_t groupBytes(int64_t k) { return roundedBlocks(k) * groupBlock; }

// One block of one column: its numbers with 128 added, every fourth byte quadruple LANES apart.
static float packInt8(const float* from, int64_t count, uint8_t* to) {
  const float most = magnitudeOf(from, count);
  const float inverse = most >= smallestMagnitude ? 127.0f / most : 0.0f;
  for (int64_t i = 0; i < roundedBlock; i++)
    to[i / 4 * LANES * 4 + i % 4] =
        (uint8_t)(128 + (i < count && inverse != 0.0f ? (int)std::nearbyint(from[i] * inverse) : 0));
  return most / 127.0f;
}

// This worker's share of the copy of b, whose columns are rows in memory.
static void packAllInt8(const Matrix& b, int64_t k, int64_t n, uint8_t* to, const Worker& w) {
  const Range mine = share(groupsOf(n), w.index, w.count);
  for (int64_t group = mine.begin; group < mine.end; group++)
    for (int64_t block = 0; block < roundedBlocks(k); block++) {
      uint8_t* at = to + group * groupBytes(k) + block * groupBlock;
      const int64_t count = k - block * roundedBlock < roundedBlock ? k - block * roundedBlock : roundedBlock;
      float scales[LANES] = {};
      for (int64_t lane = 0; lane < LANES; lane++) {
        const int64_t column = group * LANES + lane;
        uint8_t* bytes = at + LANES * 4 + lane * 4;
        if (column < n) scales[lane] = packInt8(b.data + column * b.row + block * roundedBlock, count, bytes);
        else packInt8(nullptr, 0, bytes);
      }
      std::memcpy(at, scales, sizeof scales);
    }
}

#if LANES == 16 && defined(__AVX512VNNI__)

// A block of A as upper · 256 + lower of a scale. `upperStart` and `lowerStart` take away what 128 more in each of B's numbers adds.
struct Halved {
  int8_t upper[roundedBlock], lower[roundedBlock];
  float scale;
  int32_t upperStart, lowerStart, unused;
};

FORCE void halve(const float* from, int64_t count, Halved& to) {
  constexpr float most16 = 127.0f * 256.0f;
  const float most = magnitudeOf(from, count);
  const float inverse = most >= smallestMagnitude ? most16 / most : 0.0f;
  __m512i uppers = _mm512_setzero_si512(), lowers = uppers;
  for (int64_t i = 0; i < roundedBlock; i += 16) {
    const int64_t some = count - i < 0 ? 0 : count - i < 16 ? count - i : 16;
    const __m512 x = inverse == 0.0f ? _mm512_setzero_ps() : _mm512_mul_ps((__m512)load(from + i, some), _mm512_set1_ps(inverse));
    const __m512i whole = _mm512_cvtps_epi32(x);
    const __m512i upper = _mm512_srai_epi32(_mm512_add_epi32(whole, _mm512_set1_epi32(128)), 8);
    const __m512i lower = _mm512_sub_epi32(whole, _mm512_slli_epi32(upper, 8));
    _mm_storeu_si128((__m128i*)(to.upper + i), _mm512_cvtepi32_epi8(upper));
    _mm_storeu_si128((__m128i*)(to.lower + i), _mm512_cvtepi32_epi8(lower));
    uppers = _mm512_add_epi32(uppers, upper);
    lowers = _mm512_add_epi32(lowers, lower);
  }
  to.scale = most / most16;
  to.upperStart = -128 * _mm512_reduce_add_epi32(uppers);
  to.lowerStart = -128 * _mm512_reduce_add_epi32(lowers);
}

typedef Halved Row8;
FORCE void prepareRow(const float* from, int64_t k, Row8* to) {
  for (int64_t block = 0; block < roundedBlocks(k); block++)
    halve(from + block * roundedBlock, k - block * roundedBlock < roundedBlock ? k - block * roundedBlock : roundedBlock, to[block]);
}

// One block of ROWS rows and GROUPS groups, `next` bytes apart, added to the sums. FETCHES: the groups after these are asked for with them.
template <int ROWS, int GROUPS, bool FETCHES>
FORCE void int8Block(const Row8* a, int64_t aRow, const uint8_t* b, int64_t next, vf (*sum)[GROUPS]) {
  __m512i upper[ROWS][GROUPS], lower[ROWS][GROUPS];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 16
    for (int j = 0; j < GROUPS; j++) {
      upper[i][j] = _mm512_set1_epi32(a[i * aRow].upperStart);
      lower[i][j] = _mm512_set1_epi32(a[i * aRow].lowerStart);
    }
  for (int64_t q = 0; q < quads; q++) {
    __m512i weights[GROUPS];
#pragma GCC unroll 16
    for (int j = 0; j < GROUPS; j++) {
      if (FETCHES) __builtin_prefetch(b + (GROUPS + j) * next + LANES * 4 + q * LANES * 4, 0, 2);
      weights[j] = _mm512_loadu_si512(b + j * next + LANES * 4 + q * LANES * 4);
    }
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) {
      int32_t four[2];
      std::memcpy(four, a[i * aRow].upper + 4 * q, 4);
      std::memcpy(four + 1, a[i * aRow].lower + 4 * q, 4);
#pragma GCC unroll 16
      for (int j = 0; j < GROUPS; j++) {
        upper[i][j] = _mm512_dpbusd_epi32(upper[i][j], weights[j], _mm512_set1_epi32(four[0]));
        lower[i][j] = _mm512_dpbusd_epi32(lower[i][j], weights[j], _mm512_set1_epi32(four[1]));
      }
    }
  }
#pragma GCC unroll 16
  for (int j = 0; j < GROUPS; j++) {
    const vf scales = load((const float*)(b + j * next));
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) {
      const __m512i whole = _mm512_add_epi32(_mm512_slli_epi32(upper[i][j], 8), lower[i][j]);
      sum[i][j] = sum[i][j] + (vf)_mm512_cvtepi32_ps(whole) * (scales * all(a[i * aRow].scale));
    }
  }
}

#else

// A block of A as it is.
struct Row8 {
  float values[roundedBlock];
};
FORCE void prepareRow(const float* from, int64_t k, Row8* to) {
  std::memset(to, 0, (size_t)roundedBlocks(k) * sizeof(Row8));
  std::memcpy(to, from, (size_t)k * 4);
}

// Byte `at` of each lane, with the 128 taken away, as a float.
FORCE vf byteOf(vi quadruples, int at) { return __builtin_convertvector((quadruples << (24 - 8 * at)) >> 24, vf); }

template <int ROWS, int GROUPS, bool FETCHES>
FORCE void int8Block(const Row8* a, int64_t aRow, const uint8_t* b, int64_t next, vf (*sum)[GROUPS]) {
  vf part[ROWS][GROUPS];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 16
    for (int j = 0; j < GROUPS; j++) part[i][j] = all(0.0f);
  for (int64_t q = 0; q < quads; q++)
#pragma GCC unroll 16
    for (int j = 0; j < GROUPS; j++) {
      vi four;
      if (FETCHES) __builtin_prefetch(b + (GROUPS + j) * next + LANES * 4 + q * LANES * 4, 0, 2);
      std::memcpy(&four, b + j * next + LANES * 4 + q * LANES * 4, sizeof four);
      four = four ^ allInts((int32_t)0x80808080u);
#pragma GCC unroll 4
      for (int at = 0; at < 4; at++) {
        const vf weights = byteOf(four, at);
#pragma GCC unroll 16
        for (int i = 0; i < ROWS; i++) part[i][j] = part[i][j] + all(a[i * aRow].values[4 * q + at]) * weights;
      }
    }
#pragma GCC unroll 16
  for (int j = 0; j < GROUPS; j++) {
    const vf scales = load((const float*)(b + j * next));
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) sum[i][j] = sum[i][j] + part[i][j] * scales;
  }
}

#endif

// Floats of a worker's own memory for the rows of A.
FORCE size_t int8Local(int64_t rows, int64_t k) { return (size_t)(rows * roundedBlocks(k)) * (sizeof(Row8) / 4); }

template <int ROWS, int GROUPS, bool FETCHES>
FORCE void int8Tile(const Product& p, int64_t i, int64_t group, const Row8* a, const uint8_t* b) {
  const int64_t blocks = roundedBlocks(p.k), next = blocks * groupBlock;
  vf sum[ROWS][GROUPS];
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
    for (int j = 0; j < GROUPS; j++) sum[r][j] = all(0.0f);
  for (int64_t block = 0; block < blocks; block++) int8Block<ROWS, GROUPS, FETCHES>(a + block, blocks, b + block * groupBlock, next, sum);
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 16
    for (int j = 0; j < GROUPS; j++) {
      const int64_t n0 = (group + j) * LANES, columns = p.n - n0 < LANES ? p.n - n0 : LANES;
      float* to = p.c + (i + r) * p.row + n0;
      columns == LANES ? store(to, sum[r][j]) : store(to, sum[r][j], columns);
    }
  const int64_t n0 = group * LANES, columns = p.n - n0 < GROUPS * LANES ? p.n - n0 : GROUPS * LANES;
  finishTile(p, i, ROWS, n0, columns);
}

// Rows that a tile takes at once: with two groups beside them, whole sums of both halves of A fill the registers, and each number of A
// that is read serves two products.
constexpr int64_t int8Rows = 4;

template <int GROUPS, bool FETCHES>
FORCE void int8Part(const Product& p, int64_t i, int64_t rows, int64_t group, const Row8* a, const uint8_t* b) {
  switch (rows) {
    case 1: return int8Tile<1, GROUPS, FETCHES>(p, i, group, a, b);
    case 2: return int8Tile<2, GROUPS, FETCHES>(p, i, group, a, b);
    case 3: return int8Tile<3, GROUPS, FETCHES>(p, i, group, a, b);
    case 4: return int8Tile<4, GROUPS, FETCHES>(p, i, group, a, b);
  }
}

// This worker's groups, GROUPS side by side; all rows pass while a group is near.
template <int GROUPS>
static void multiplyInt8(const Product& p, const Row8* a, const uint8_t* b, const Worker& w) {
  const Range mine = share(groupsOf(p.n), w.index, w.count);
  const int64_t parts = (p.m + int8Rows - 1) / int8Rows;
  for (int64_t group = mine.begin; group < mine.end;) {
    const bool isWhole = mine.end - group >= GROUPS;
    const uint8_t* from = b + group * groupBytes(p.k);
    for (int64_t part = 0; part < parts; part++) {
      const int64_t i = p.m * part / parts, rows = p.m * (part + 1) / parts - i;
      const Row8* left = a + i * roundedBlocks(p.k);
      // The next groups come while the first rows pass.
      if (!isWhole) int8Part<1, false>(p, i, rows, group, left, from);
      else if (part == 0 && parts > 1) int8Part<GROUPS, true>(p, i, rows, group, left, from);
      else int8Part<GROUPS, false>(p, i, rows, group, left, from);
    }
    group += isWhole ? GROUPS : 1;
  }
}

// The whole product. Needs `int8Local` floats of a worker's own memory beyond the first p.m · p.k; `isThere` as in `fewRows`.
static void fewInt8(const Product& p, const Packed& packed, bool isThere, Worker& w) {
  uint8_t* b = (uint8_t*)packed.data;
  if (isStale(packed, w)) {
    packAllInt8(p.b, p.k, p.n, b, w);
    refreshed(packed, w);
    w.barrier(w.pool);
  }
  const int64_t blocks = roundedBlocks(p.k);
  Row8* a = (Row8*)(w.local + p.m * p.k);
  for (int64_t r = 0; !isThere && r < p.m; r++) prepareRow(p.a.data + r * p.a.row, p.k, a + r * blocks);
  if (p.m <= 2) multiplyInt8<4>(p, a, b, w);
  else multiplyInt8<2>(p, a, b, w);
}

// Asks for the beginning of this worker's groups, those that are read side by side.
static void fetchInt8(const Packed& packed, int64_t k, int64_t n, const Worker& w) {
  const Range mine = share(groupsOf(n), w.index, w.count);
  for (int64_t group = mine.begin; group < mine.end && group < mine.begin + 4; group++) {
    const char* from = (const char*)packed.data + group * groupBytes(k);
    for (int64_t i = 0; i < 4096; i += 64) __builtin_prefetch(from + i, 0, 2);
  }
}

}  // namespace
}  // namespace trainyard

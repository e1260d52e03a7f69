// Copies of matrices in the order in which the tiles read them, rounded to bf16 where the product is to be taken in it.
//
// Left-hand side A [M, K]: strips of up to `rowsOf` rows; right-hand side B [K, N]: panels of `panel` columns. Both are cut
// along k into blocks of `depth` units, so that a strip and a panel stay in the nearest cache.
#pragma once

#include "../program.h"
#include "tiles.h"

namespace trainyard {
namespace {

// full: float32. rounded: bf16 values held as floats, for processors that cannot multiply bf16. paired: two bf16 a unit.
enum Mode { full, rounding, paired };

#if defined(TRAINYARD_TILES) || defined(__AVX512BF16__)
constexpr bool multipliesBf16 = true;
#else
constexpr bool multipliesBf16 = false;
#endif

FORCE Mode modeOf(Precision precision) {
  return precision == precisionF32 ? full : multipliesBf16 ? paired : precision == precisionInt8 ? full : rounding;
}

// How the numbers of a right-hand side that is not transposed are recomputed while it is packed: gelu of what lies there, or its rows
// normalised.
struct Recomputed {
  bool gelu;
  const float *gain, *bias, *means, *rstds;
};

// A matrix in memory: element (i, j) is data[i · row + j], or data[j · row + i] when `transposed`.
struct Matrix {
  const float* data;
  int64_t row;
  bool transposed;
  const Recomputed* recomputed = nullptr;
};

// Units along k that so many numbers make.
FORCE int64_t unitsOf(Mode mode, int64_t numbers) { return mode == paired ? (numbers + 1) / 2 : numbers; }

struct Blocks {
  int64_t units;   // along k
  int64_t blocks;  // along k
  int64_t length(int64_t block) const { return units - block * depth < depth ? units - block * depth : depth; }
};

FORCE Blocks blocksOf(int64_t k, Mode mode) {
  int64_t units = unitsOf(mode, k);
#if defined(TRAINYARD_TILES)
  if (mode == paired) units = upTo(units, tileUnits);
#endif
  return {units, (units + depth - 1) / depth};
}

// Rows of a strip for this mode: tiles take 32, the register kernel of the same path at most 14.
FORCE int64_t rowsOf(Mode mode) {
#if defined(TRAINYARD_TILES)
  return mode == paired ? 32 : registerRows;
#else
  (void)mode;
  return registerRows;
#endif
}

struct Strips {
  int64_t rows, count;
  // Strips share the rows evenly, so that none is much smaller than the others. Tiles always take 32.
  bool even;
  int64_t begin(int64_t strip, int64_t most) const { return even ? rows * strip / count : strip * most; }
};
FORCE Strips stripsOf(int64_t m, Mode mode) {
  const int64_t most = rowsOf(mode);
  return {m, (m + most - 1) / most, most != 32};
}
FORCE int64_t stripBegin(const Strips& s, int64_t strip, Mode mode) {
  const int64_t at = s.begin(strip, rowsOf(mode));
  return at < s.rows ? at : s.rows;
}

// Floats of the packed sides.
FORCE size_t leftSize(int64_t m, int64_t k, Mode mode) {
  return (size_t)(stripsOf(m, mode).count * blocksOf(k, mode).blocks * rowsOf(mode) * stripRow);
}
FORCE size_t rightSize(int64_t k, int64_t n, Mode mode) {
  return (size_t)((n + panel - 1) / panel * panel * blocksOf(k, mode).units);
}

// Where a strip or a panel of a block begins.
FORCE int64_t leftAt(const Strips& s, int64_t block, int64_t strip, Mode mode) {
  return (block * s.count + strip) * rowsOf(mode) * stripRow;
}
FORCE int64_t rightAt(const Blocks& b, int64_t panels, int64_t block, int64_t column) {
  return block * depth * panels * panel + column * b.length(block) * panel;
}

// Rows of a wide matrix that are read a few numbers at a time lie a page apart, where the processor fetches nothing ahead by itself.
constexpr int64_t rowsAhead = 12;
// Rows ahead of what is packed: pairs are packed in less time.
FORCE int64_t packedAhead(Mode mode) { return mode == paired ? 4 * rowsAhead : rowsAhead; }
FORCE void fetchRow(const Matrix& a, int64_t row, int64_t rows, int64_t column, int64_t count) {
  if (row >= rows) return;
  for (int64_t j = 0; j < count; j += 16) __builtin_prefetch(a.data + row * a.row + column + j);
}

// A part of a matrix in memory that is fetched into the second cache, some of its rows at a time.
struct Ahead {
  const float* from;
  int64_t row, rows, columns, step;
  void fetchSome() {
    const int64_t some = rows < step ? rows : step;
    for (int64_t i = 0; i < some; i++, from += row)
      for (int64_t j = 0; j < columns; j += 16) __builtin_prefetch(from + j, 0, 2);
    rows -= some;
  }
};
FORCE Ahead aheadOf(const float* from, int64_t row, int64_t rows, int64_t columns, int64_t parts) {
  return {from, row, rows, columns, (rows + parts - 1) / parts};
}

FORCE uint32_t pairOf(float low, float high) { return (roundedBits(low) >> 16) | (roundedBits(high) & 0xffff0000u); }
FORCE float asFloat(uint32_t b) {
  float f;
  __builtin_memcpy(&f, &b, 4);
  return f;
}
FORCE vf pairsOf(vf low, vf high) {
#if defined(__AVX512BF16__) && LANES == 16
  // Both halves one after the other, then word i of each beside the other.
  alignas(64) static const uint16_t beside[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                  8,  24, 9,  25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  const __m512bh both = _mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
  __m512i words;
  __builtin_memcpy(&words, &both, sizeof words);
  return (vf)_mm512_permutexvar_epi16(_mm512_load_si512(beside), words);
#else
  return floats((roundedBits(low) >> 16) | (roundedBits(high) & allBits(0xffff0000u)));
#endif
}

// One row of numbers that follow each other along k, as `units` units; `valid` numbers exist, the others are zero.
FORCE void packAlong(Mode mode, const float* from, int64_t valid, float* to, int64_t units) {
  int64_t u = 0;
  if (mode == paired) {
#if defined(__AVX512BF16__)
    for (; u + LANES <= units && 2 * (u + LANES) <= valid; u += LANES) {
      const __m512bh p = _mm512_cvtne2ps_pbh((__m512)load(from + 2 * u + LANES), (__m512)load(from + 2 * u));
      __builtin_memcpy(to + u, &p, sizeof p);
    }
#endif
    for (; u < units; u++)
      to[u] = asFloat(pairOf(2 * u < valid ? from[2 * u] : 0.0f, 2 * u + 1 < valid ? from[2 * u + 1] : 0.0f));
    return;
  }
  for (; u + LANES <= units; u += LANES) store(to + u, mode == rounding ? rounded(load(from + u)) : load(from + u));
  for (; u < units; u++) to[u] = mode == rounding ? rounded(from[u]) : from[u];
}

// A row of unit k across `count` columns, from the one or two rows of numbers it is made of; `second` null: zeros.
FORCE void packAcross(Mode mode, const float* first, const float* second, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const vf low = load(first + i);
    store(to + i, mode == full       ? low
                  : mode == rounding ? rounded(low)
                                     : pairsOf(low, second != nullptr ? load(second + i) : all(0.0f)));
  }
  if (i == count) return;
  const int64_t some = count - i;
  const vf low = load(first + i, some);
  store(to + i,
        mode == full       ? low
        : mode == rounding ? rounded(low)
                           : pairsOf(low, second != nullptr ? load(second + i, some) : all(0.0f)),
        some);
}

#if LANES == 16 && defined(__AVX512F__)
// Transposes 16 × 16 floats: rows `fromRow` apart into rows `toRow` apart.
static void transposeBlock(const float* from, int64_t fromRow, float* to, int64_t toRow) {
  __m512 r[16], t[16];
  for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_ps(from + i * fromRow);
  for (int i = 0; i < 8; i++) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; i++) {
    const __m512d a = _mm512_castps_pd(t[4 * i]), b = _mm512_castps_pd(t[4 * i + 2]);
    const __m512d c = _mm512_castps_pd(t[4 * i + 1]), d = _mm512_castps_pd(t[4 * i + 3]);
    r[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    r[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    r[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
    r[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0x88);
    t[4 + i] = _mm512_shuffle_f32x4(r[i], r[4 + i], 0xdd);
    t[8 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0x88);
    t[12 + i] = _mm512_shuffle_f32x4(r[8 + i], r[12 + i], 0xdd);
  }
  for (int i = 0; i < 4; i++) {
    _mm512_storeu_ps(to + i * toRow, _mm512_shuffle_f32x4(t[i], t[8 + i], 0x88));
    _mm512_storeu_ps(to + (8 + i) * toRow, _mm512_shuffle_f32x4(t[i], t[8 + i], 0xdd));
    _mm512_storeu_ps(to + (4 + i) * toRow, _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0x88));
    _mm512_storeu_ps(to + (12 + i) * toRow, _mm512_shuffle_f32x4(t[4 + i], t[12 + i], 0xdd));
  }
}
#endif

// Transposes rows × columns floats.
static __attribute__((noinline)) void transpose(const float* from, int64_t fromRow, int64_t rows, int64_t columns, float* to, int64_t toRow) {
  int64_t i = 0;
#if LANES == 16 && defined(__AVX512F__)
  for (; i + 16 <= rows; i += 16) {
    int64_t j = 0;
    for (; j + 16 <= columns; j += 16) transposeBlock(from + i * fromRow + j, fromRow, to + j * toRow + i, toRow);
    for (; j < columns; j++)
      for (int64_t n = i; n < i + 16; n++) to[j * toRow + n] = from[n * fromRow + j];
  }
#endif
  for (; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[j * toRow + i] = from[i * fromRow + j];
}

// Rows ahead that are asked for where rows are packed along themselves.
constexpr int64_t nextRows = 2;

// Packs one strip of A (rows m0 .. m0 + rows) of one block along k.
static void packLeft(Mode mode, const Matrix& a, int64_t m0, int64_t rows, int64_t k, int64_t block, int64_t units, float* to) {
  const int64_t wide = mode == paired ? 2 : 1;
  const int64_t k0 = block * depth * wide;
  if (!a.transposed) {
    const int64_t valid = k - k0 < units * wide ? k - k0 : units * wide;
    for (int64_t i = 0; i < rows; i++) {
      const float* from = a.data + (m0 + i) * a.row + k0;
      // Each row is a new place in memory: the processor fetches only the later part of it ahead by itself.
      if (i + nextRows < rows)
        for (int64_t j = 0; j < valid; j += 16) __builtin_prefetch(from + nextRows * a.row + j);
      packAlong(mode, from, valid, to + i * stripRow, units);
    }
#if defined(TRAINYARD_TILES)
    if (mode == paired)
      for (int64_t i = rows; i < 32; i++) std::memset(to + i * stripRow, 0, (size_t)units * 4);
#endif
    return;
  }
#if defined(TRAINYARD_TILES)
  if (mode == paired) {
    // Tiles want each row's units together: units across the rows first, then transposed 16 at a time.
    alignas(64) float across[16][32];
    for (int64_t u = 0; u < units; u += 16) {
      for (int64_t n = 0; n < 16; n++) {
        const int64_t at = k0 + 2 * (u + n);
        std::memset(across[n], 0, sizeof across[n]);
        if (at < k)
          packAcross(mode, a.data + at * a.row + m0, at + 1 < k ? a.data + (at + 1) * a.row + m0 : nullptr, rows, across[n]);
      }
      transpose(&across[0][0], 32, 16, 32, to + u, stripRow);
    }
    return;
  }
#endif
  const int64_t step = rowsOf(mode);
  for (int64_t u = 0; u < units; u++) {
    const int64_t at = k0 + u * wide;
    for (int64_t i = 0; i < wide; i++) fetchRow(a, at + packedAhead(mode) + i, k, m0, rows + 2);
    packAcross(mode, a.data + at * a.row + m0, mode == paired && at + 1 < k ? a.data + (at + 1) * a.row + m0 : nullptr, rows,
               to + u * step);
  }
}

// Strips that are packed together where A is transposed: a few hundred neighbouring numbers of a row.
constexpr int64_t stripsTogether = 16;

// Packs strips first .. last of one block along k, where A is transposed and units follow each other across the rows: each row in memory is read
// once, and not again for every strip.
static void packLeftTransposed(Mode mode, const Matrix& a, const Strips& s, int64_t first, int64_t last, int64_t k, int64_t block,
                           int64_t units, float* to) {
  const int64_t wide = mode == paired ? 2 : 1, step = rowsOf(mode);
  // Known before, because a division takes longer than packing a unit of a strip.
  int64_t begins[stripsTogether + 1];
  for (int64_t strip = first; strip <= last; strip++) begins[strip - first] = stripBegin(s, strip, mode);
  const int64_t m0 = begins[0], end = begins[last - first];
  float* const at0 = to + leftAt(s, block, first, mode);
  for (int64_t u = 0; u < units; u++) {
    const int64_t at = (block * depth + u) * wide;
    for (int64_t i = 0; i < wide; i++) fetchRow(a, at + rowsAhead / 2 * wide + i, k, m0, end - m0);
    const float *row = a.data + at * a.row, *second = mode == paired && at + 1 < k ? row + a.row : nullptr;
    float* unit = at0 + u * step;
    for (int64_t i = 0; i < last - first; i++, unit += step * stripRow)
      packAcross(mode, row + begins[i], second == nullptr ? nullptr : second + begins[i], begins[i + 1] - begins[i], unit);
  }
}

// Whether A's strips are packed by `packLeftTransposed`: tiles want another order.
FORCE bool turnsTogether(const Matrix& a, Mode mode) {
#if defined(TRAINYARD_TILES)
  if (mode == paired) return false;
#endif
  (void)mode;
  return a.transposed;
}

// Strips of rows from `first` on, of one block along k, as if it were the only one.
static void packLeftRows(Mode mode, const Matrix& a, const Strips& s, int64_t first, int64_t k, int64_t block, int64_t units,
                         float* to) {
  Matrix from = a;
  from.data += a.transposed ? first : first * a.row;
  if (turnsTogether(a, mode)) {
    for (int64_t strip = 0; strip < s.count; strip += stripsTogether) {
      const int64_t end = strip + stripsTogether < s.count ? strip + stripsTogether : s.count;
      packLeftTransposed(mode, from, s, strip, end, k, block, units, to - leftAt(s, block, 0, mode));
    }
    return;
  }
  for (int64_t strip = 0; strip < s.count; strip++) {
    const int64_t begin = stripBegin(s, strip, mode);
    packLeft(mode, from, begin, stripBegin(s, strip + 1, mode) - begin, k, block, units, to + leftAt(s, 0, strip, mode));
  }
}

}  // namespace
}  // namespace trainyard

// The right-hand side in panels: from rows as they lie, or transposed; what was not kept is recomputed on the way.
#pragma once

#include "pack.h"

namespace trainyard {
namespace {

// Numbers of row i from column n0 on, recomputed: all of a vector, or some.
template <bool QUICK>
FORCE vf recomputed(const Matrix& b, int64_t i, int64_t n0, int64_t some) {
  const Recomputed& how = *b.recomputed;
  const vf v = part(b.data + i * b.row + n0, some);
  if (how.gelu) return geluOf<QUICK>(v);
  const vf n = (v - all(how.means[i])) * all(how.rstds[i]) * part(how.gain + n0, some);
  return how.bias != nullptr ? n + part(how.bias + n0, some) : n;
}

// One unit of a panel, `count` columns of rows `at` and, in pairs, the next.
FORCE void packUnit(Mode mode, const Matrix& b, int64_t at, bool both, int64_t n0, int64_t count, float* to) {
  const float *first = b.data + at * b.row + n0, *second = both ? first + b.row : nullptr;
  if (b.recomputed == nullptr) return packAcross(mode, first, second, count, to);
  const auto one = [&](int64_t j, int64_t some) __attribute__((always_inline)) -> vf {
    if (mode == paired)
      return pairsOf(recomputed<true>(b, at, n0 + j, some), both ? recomputed<true>(b, at + 1, n0 + j, some) : all(0.0f));
    const vf v = recomputed<false>(b, at, n0 + j, some);
    return mode == rounding ? rounded(v) : v;
  };
  int64_t j = 0;
  for (; j + LANES <= count; j += LANES) store(to + j, one(j, LANES));
  if (j < count) store(to + j, one(j, count - j), count - j);
}

// Panels that are packed together where B is not transposed: some hundred neighbouring numbers of a row.
constexpr int64_t panelsTogether = 16;
// Units ahead that are fetched there, into the second cache: the first could not wait for so many.
constexpr int64_t rightAhead = 12;
FORCE void fetchRows(const Matrix& b, int64_t first, int64_t end, int64_t count, int64_t column, int64_t columns) {
  for (int64_t row = first; row < first + count && row < end; row++)
    for (int64_t j = 0; j < columns; j += 16) __builtin_prefetch(b.data + row * b.row + column + j, 0, 2);
}

// Packs panels that begin at columns n0, n0 + panel .. below n0 + columns of one block along k, `apart` floats from one to the next: each row in
// memory is read once, and not again for every panel.
static void packRightRows(Mode mode, const Matrix& b, int64_t n0, int64_t columns, int64_t k, int64_t block, int64_t units, float* to,
                          int64_t apart) {
  const int64_t wide = mode == paired ? 2 : 1;
  const int64_t k0 = block * depth * wide;
  for (int64_t u = 0; u < units; u++) {
    const int64_t at = k0 + u * wide;
    const bool both = mode == paired && at + 1 < k;
    if (at < k)
      fetchRows(b, at + rightAhead * wide, k, wide, n0, columns);
    for (int64_t j = 0; j < columns; j += panel) {
      const int64_t some = columns - j < panel ? columns - j : panel;
      float* unit = to + j / panel * apart + u * panel;
      if (at < k) packUnit(mode, b, at, both, n0 + j, some, unit);
      for (int64_t i = at < k ? some : 0; i < panel; i++) unit[i] = 0.0f;
    }
  }
}

// Packs one panel of B (columns n0 .. n0 + columns) of one block along k.
static void packRight(Mode mode, const Matrix& b, int64_t n0, int64_t columns, int64_t k, int64_t block, int64_t units,
                      float* to) {
  if (!b.transposed) return packRightRows(mode, b, n0, columns, k, block, units, to, 0);
  const int64_t wide = mode == paired ? 2 : 1;
  const int64_t k0 = block * depth * wide;
  // Each column of B is a row in memory: units along it, some hundred numbers at a time, then transposed.
  constexpr int64_t piece = 128, pieceRow = piece + 16;
  alignas(64) float along[panel * pieceRow];
  const int64_t valid = k - k0;
  for (int64_t u = 0; u < units; u += piece) {
    const int64_t some = units - u < piece ? units - u : piece;
    const int64_t left = valid - u * wide, numbers = left < some * wide ? left : some * wide;
    for (int64_t i = 0; i < panel; i++) {
      float* at = along + i * pieceRow;
      if (i >= columns) {
        std::memset(at, 0, (size_t)some * 4);
        continue;
      }
      const float* from = b.data + (n0 + i) * b.row + k0 + u * wide;
      if (i + nextRows < columns)
        for (int64_t j = 0; j < numbers; j += 16) __builtin_prefetch(from + nextRows * b.row + j);
      packAlong(mode, from, numbers, at, some);
    }
    transpose(along, pieceRow, panel, some, to + u * panel, panel);
  }
}

}  // namespace
}  // namespace trainyard

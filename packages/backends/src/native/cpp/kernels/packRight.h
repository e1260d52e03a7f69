// The right-hand side in panels: from rows as they lie, or transposed; what was not kept is recomputed on the way.
#pragma once

#include "pack.h"

namespace trainyard {
namespace {

// `count` numbers of row i from column n0 on, recomputed.
FORCE void recompute(const Matrix& b, int64_t i, int64_t n0, int64_t count, float* to) {
  const Recomputed& how = *b.recomputed;
  const float* from = b.data + i * b.row + n0;
  for (int64_t j = 0; j < count; j += LANES) {
    const int64_t some = count - j < LANES ? count - j : LANES;
    vf v = load(from + j, some);
    if (how.gelu) {
      v = geluOf(v);
    } else {
      v = (v - all(how.means[i])) * all(how.rstds[i]) * load(how.gain + n0 + j, some);
      if (how.bias != nullptr) v = v + load(how.bias + n0 + j, some);
    }
    store(to + j, v, some);
  }
}

// Panels that are packed together where B is not transposed: some hundred neighbouring numbers of a row.
constexpr int64_t panelsTogether = 16;
// Units ahead that are asked for there.
constexpr int64_t rightAhead = 4;

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
      for (int64_t i = 0; i < wide; i++) fetchRow(b, at + rightAhead * wide + i, k, n0, columns);
    for (int64_t j = 0; j < columns; j += panel) {
      const int64_t some = columns - j < panel ? columns - j : panel;
      float* unit = to + j / panel * apart + u * panel;
      int64_t done = 0;
      if (at < k) {
        const float *first = b.data + at * b.row + n0 + j, *second = both ? first + b.row : nullptr;
        float made[2][panel];
        if (b.recomputed != nullptr) {
          recompute(b, at, n0 + j, some, made[0]);
          if (both) recompute(b, at + 1, n0 + j, some, made[1]);
          first = made[0];
          second = both ? made[1] : nullptr;
        }
        packAcross(mode, first, second, some, unit);
        done = some;
      }
      for (int64_t i = done; i < panel; i++) unit[i] = 0.0f;
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

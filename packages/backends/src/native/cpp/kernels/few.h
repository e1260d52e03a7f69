// Products of a row or a few, as in generation, with a copy of B that stays: reading that copy is nearly all of the work. A is taken as
// it lies, nobody waits for anybody, and whoever waits at the end asks for the beginning of what it will read next.
#pragma once

#include "product.h"

namespace trainyard {
namespace {

// With more rows than these, strips pay for their packing.
#if LANES == 16
constexpr int64_t fewestRows = 8;
#else
constexpr int64_t fewestRows = 4;
#endif

// The copy holds float32, pairs of bf16, or bf16 in two bytes each where `rounding` would read no more.
FORCE bool takesFew(int64_t rows, const Packed* packed, Mode mode) {
#if defined(TRAINYARD_TILES)
  if (mode == paired) return false;
#endif
  return packed != nullptr && (packed->form == formHalves || rows <= fewestRows);
}

FORCE vf loadWide(const float* from) { return load(from); }
FORCE vf loadWide(const uint16_t* from) { return loadHalves(from); }

// c[ROWS, PANELS · panel] (+)= a[ROWS, k] · b. Several panels side by side, so that sums need not wait for each other and memory is
// asked for in several places.
template <int ROWS, int PANELS, bool PAIRED, typename T>
FORCE void fewTile(int64_t k, const float* __restrict__ a, int64_t aRow, const T* __restrict__ b, float* __restrict__ c,
                   int64_t cRow, bool add) {
  constexpr int vectors = PANELS * panelVectors;
  vf sum[ROWS][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++) sum[i][j] = all(0.0f);
  for (int64_t n = 0; n < k; n++) {
#pragma GCC unroll 16
    for (int i = 0; i < ROWS; i++) {
      const vf left = all(a[i * aRow + n]);
#pragma GCC unroll 16
      for (int j = 0; j < vectors; j++)
        sum[i][j] = multiplyAdd<PAIRED>(left, loadWide(b + (j / panelVectors * k + n) * panel + j % panelVectors * LANES), sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++) {
      float* to = c + i * cRow + j * LANES;
      store(to, add ? load(to) + sum[i][j] : sum[i][j]);
    }
}

// The same in two bytes a number: for `rounding`, whose numbers have no more.
static void packAllHalves(const Matrix& b, int64_t k, int64_t n, uint16_t* to, const Worker& w) {
  const Blocks blocks = blocksOf(k, rounding);
  const int64_t panels = (n + panel - 1) / panel;
  const Range mine = share(panels * blocks.blocks, w.index, w.count);
  alignas(64) float wide[depth * panel];
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t column = i / blocks.blocks, block = i % blocks.blocks, units = blocks.length(block);
    const int64_t columns = n - column * panel < panel ? n - column * panel : panel;
    packRight(rounding, b, column * panel, columns, k, block, units, wide);
    uint16_t* at = to + rightAt(blocks, panels, block, column);
    for (int64_t u = 0; u < units * panel; u += LANES) storeHalves(at + u, load(wide + u));
  }
}

// ROWS rows from the i-th on and this worker's panels: several of them side by side where rows alone are too few sums.
template <int ROWS, bool PAIRED, typename T>
static void multiplyRows(const Product& p, int64_t i, const T* b, const Worker& w) {
  constexpr int64_t wide = ROWS == 1 ? 4 : ROWS <= 3 ? 2 : 1;
  const Blocks blocks = blocksOf(p.k, PAIRED ? paired : full);
  const int64_t panels = (p.n + panel - 1) / panel;
  const Range mine = share(panels, w.index, w.count);
  alignas(64) float c[ROWS * wide * panel];
  for (int64_t column = mine.begin, taken; column < mine.end; column += taken) {
    taken = mine.end - column >= wide ? wide : 1;
    const int64_t n0 = column * panel, columns = p.n - n0 < taken * panel ? p.n - n0 : taken * panel;
    for (int64_t block = 0; block < blocks.blocks; block++) {
      const int64_t units = blocks.length(block);
      const float* from = p.a.data + i * p.a.row + block * depth;
      const T* right = b + rightAt(blocks, panels, block, column);
      if (taken == wide) fewTile<ROWS, wide, PAIRED>(units, from, p.a.row, right, c, taken * panel, block > 0);
      else fewTile<ROWS, 1, PAIRED>(units, from, p.a.row, right, c, panel, block > 0);
    }
    for (int64_t r = 0; r < ROWS; r++) std::memcpy(p.c + (i + r) * p.row + n0, c + r * taken * panel, (size_t)columns * 4);
    finishTile(p, i, ROWS, n0, columns);
  }
}

template <bool PAIRED, typename T>
static void multiplyFew(const Product& p, const T* b, const Worker& w) {
  for (int64_t i = 0, some; i < p.m; i += some) {
    some = p.m - i < fewestRows ? p.m - i : fewestRows;
    switch (some) {
      case 1: multiplyRows<1, PAIRED>(p, i, b, w); break;
      case 2: multiplyRows<2, PAIRED>(p, i, b, w); break;
      case 3: multiplyRows<3, PAIRED>(p, i, b, w); break;
      case 4: multiplyRows<4, PAIRED>(p, i, b, w); break;
#if LANES == 16
      case 5: multiplyRows<5, PAIRED>(p, i, b, w); break;
      case 6: multiplyRows<6, PAIRED>(p, i, b, w); break;
      case 7: multiplyRows<7, PAIRED>(p, i, b, w); break;
      case 8: multiplyRows<8, PAIRED>(p, i, b, w); break;
#endif
    }
  }
}

// The whole product. Needs p.m · p.k floats of a worker's own memory for bf16.
static void fewRows(Product p, const Packed& packed, Worker& w) {
  if (isStale(packed, w)) {
    if (packed.form == formHalves) packAllHalves(p.b, p.k, p.n, (uint16_t*)packed.data, w);
    else packAllRight(modeOf(w.precision), p.b, p.k, p.n, packed.data, w);
    refreshed(packed, w);
    w.meet(w.team);
  }
  const Mode mode = modeOf(w.precision);
  if (mode != full) {
    const int64_t units = blocksOf(p.k, mode).units;
    for (int64_t r = 0; r < p.m; r++) packAlong(mode, p.a.data + r * p.a.row, p.k, w.local + r * p.k, units);
    p.a = {w.local, p.k, false};
  }
  if (packed.form == formHalves) multiplyFew<false>(p, (const uint16_t*)packed.data, w);
  else if (mode == paired) multiplyFew<multipliesBf16>(p, packed.data, w);
  else multiplyFew<false>(p, packed.data, w);
}

// Asks for the beginning of this worker's panels.
static void fetchFew(const Packed& packed, int64_t k, int64_t n, const Worker& w) {
  const Blocks blocks = blocksOf(k, modeOf(w.precision));
  const int64_t panels = (n + panel - 1) / panel, bytes = packed.form == formHalves ? 2 : 4;
  const Range mine = share(panels, w.index, w.count);
  const char* from = (const char*)packed.data + rightAt(blocks, panels, 0, mine.begin) * bytes;
  // Each of the panels that are read side by side.
  for (int64_t column = mine.begin; column < mine.end && column < mine.begin + 4; column++, from += blocks.length(0) * panel * bytes)
    for (int64_t i = 0; i < 4096; i += 64) __builtin_prefetch(from + i, 0, 2);
}

}  // namespace
}  // namespace trainyard

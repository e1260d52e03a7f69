// Products of a row or a few, as in generation, with a copy of B that stays: of one row reading that copy is nearly all of the work, and of
// several it is read once. A is taken as it lies, nobody waits for anybody, and whoever waits at the end asks for the beginning of what it
// will read next.
#pragma once

#include "ownRows.h"

namespace trainyard {
namespace {

// With more rows than these, strips pay for their packing.
constexpr int64_t mostFewRows = 32;
// Rows that a tile takes at once, with two vectors of sums each.
#if LANES == 16 || defined(__aarch64__)
constexpr int64_t fewestRows = 8;
#else
constexpr int64_t fewestRows = 4;
#endif

// The copy holds float32, pairs of bf16, or bf16 in two bytes each where `rounding` would read no more.
FORCE bool takesFew(int64_t rows, const Packed* packed, Mode mode) {
#if defined(TRAINYARD_TILES)
  if (mode == paired) return false;
#endif
  (void)mode;
  return packed != nullptr && (packed->form == formBf16 || rows <= mostFewRows);
}

// c[ROWS, PANELS · panel] (+)= a[ROWS, k] · b. Several panels side by side, so that sums need not wait for each other and memory is
// asked for in several places. FETCHES: the row of a panel that is `ahead` numbers further is asked for with each.
template <int ROWS, int PANELS, bool PAIRED, bool FETCHES, typename T>
FORCE void fewTile(int64_t k, const float* __restrict__ a, int64_t aRow, const T* __restrict__ b, int64_t ahead, float* __restrict__ c,
                   int64_t cRow, bool add) {
  constexpr int vectors = PANELS * panelVectors;
  vf sum[ROWS][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < ROWS; i++)
#pragma GCC unroll 16
    for (int j = 0; j < vectors; j++) sum[i][j] = all(0.0f);
  for (int64_t n = 0; n < k; n++) {
    if (FETCHES)
#pragma GCC unroll 16
      for (int64_t j = 0; j < panel * (int64_t)sizeof(T); j += 64) __builtin_prefetch((const char*)(b + n * panel + ahead) + j, 0, 2);
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
static void packAllBf16(const Matrix& b, int64_t k, int64_t n, uint16_t* to, const Worker& w) {
  const Blocks blocks = blocksOf(k, rounding);
  const int64_t panels = (n + panel - 1) / panel;
  const Range mine = share(panels * blocks.blocks, w.index, w.count);
  alignas(64) float wide[depth * panel];
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t column = i / blocks.blocks, block = i % blocks.blocks, units = blocks.length(block);
    const int64_t columns = n - column * panel < panel ? n - column * panel : panel;
    packRight(rounding, b, column * panel, columns, k, block, units, wide);
    uint16_t* at = to + rightAt(blocks, panels, block, column);
    for (int64_t u = 0; u < units * panel; u += LANES) storeBf16(at + u, load(wide + u));
  }
}

// ROWS rows from the i-th on, PANELS panels side by side from `column` on, whole: into c, whose rows are as wide as these panels.
template <int ROWS, int PANELS, bool PAIRED, bool FETCHES, typename T>
static void multiplyPanels(const Product& p, int64_t i, int64_t column, const T* b, float* c) {
  const Blocks blocks = blocksOf(p.k, PAIRED ? paired : full);
  const int64_t panels = (p.n + panel - 1) / panel;
  for (int64_t block = 0; block < blocks.blocks; block++)
    fewTile<ROWS, PANELS, PAIRED, FETCHES>(blocks.length(block), p.a.data + i * p.a.row + block * depth, p.a.row,
                                           b + rightAt(blocks, panels, block, column), blocks.length(block) * panel, c, PANELS * panel,
                                           block > 0);
}

// `rows` rows, as many as a tile may have, and one panel.
template <bool PAIRED, bool FETCHES, typename T>
static void fewPanel(const Product& p, int64_t i, int64_t rows, int64_t column, const T* b, float* c) {
  switch (rows) {
    case 1: return multiplyPanels<1, 1, PAIRED, FETCHES>(p, i, column, b, c);
    case 2: return multiplyPanels<2, 1, PAIRED, FETCHES>(p, i, column, b, c);
    case 3: return multiplyPanels<3, 1, PAIRED, FETCHES>(p, i, column, b, c);
    case 4: return multiplyPanels<4, 1, PAIRED, FETCHES>(p, i, column, b, c);
#if LANES == 16 || defined(__aarch64__)
    case 5: return multiplyPanels<5, 1, PAIRED, FETCHES>(p, i, column, b, c);
    case 6: return multiplyPanels<6, 1, PAIRED, FETCHES>(p, i, column, b, c);
    case 7: return multiplyPanels<7, 1, PAIRED, FETCHES>(p, i, column, b, c);
    case 8: return multiplyPanels<8, 1, PAIRED, FETCHES>(p, i, column, b, c);
#endif
  }
}

// Copies `rows` rows of c, `width` numbers wide, to where they belong, and finishes them.
static void givePanels(const Product& p, int64_t i, int64_t rows, int64_t column, const float* c, int64_t width) {
  const int64_t n0 = column * panel, columns = p.n - n0 < width ? p.n - n0 : width;
  for (int64_t r = 0; r < rows; r++) std::memcpy(p.c + (i + r) * p.row + n0, c + r * width, (size_t)columns * 4);
  finishTile(p, i, rows, n0, columns);
}

// As many panels side by side as are left, at most PANELS; gives how many.
template <int ROWS, int PANELS, bool PAIRED, typename T>
static int64_t multiplyBeside(const Product& p, int64_t column, int64_t left, const T* b) {
  if constexpr (PANELS > 1)
    if (left < PANELS) return multiplyBeside<ROWS, PANELS - 1, PAIRED>(p, column, left, b);
  alignas(64) float c[ROWS * PANELS * panel];
  multiplyPanels<ROWS, PANELS, PAIRED, false>(p, 0, column, b, c);
  givePanels(p, 0, ROWS, column, c, PANELS * panel);
  return PANELS;
}

// All rows, ROWS of them, and this worker's panels: several of them side by side where rows alone are too few sums.
template <int ROWS, bool PAIRED, typename T>
static void multiplyRows(const Product& p, const T* b, const Worker& w) {
  constexpr int wide = ROWS == 1 ? 4 : ROWS <= 3 ? 2 : 1;
  const Range mine = share((p.n + panel - 1) / panel, w.index, w.count);
  for (int64_t column = mine.begin; column < mine.end;)
    column += multiplyBeside<ROWS, wide, PAIRED>(p, column, mine.end - column, b);
}

// More rows than a tile has: a panel stays near while all of them pass.
template <bool PAIRED, typename T>
static void multiplyMany(const Product& p, const T* b, const Worker& w) {
  const Range mine = share((p.n + panel - 1) / panel, w.index, w.count);
  const int64_t parts = (p.m + fewestRows - 1) / fewestRows;
  alignas(64) float c[fewestRows * panel];
  for (int64_t column = mine.begin; column < mine.end; column++)
    for (int64_t part = 0; part < parts; part++) {
      const int64_t i = p.m * part / parts, rows = p.m * (part + 1) / parts - i;
      // The next panel comes while the first rows pass.
      if (part == 0) fewPanel<PAIRED, true>(p, i, rows, column, b, c);
      else fewPanel<PAIRED, false>(p, i, rows, column, b, c);
      givePanels(p, i, rows, column, c, panel);
    }
}

template <bool PAIRED, typename T>
static void multiplyFew(const Product& p, const T* b, const Worker& w) {
  switch (p.m) {
    case 1: return multiplyRows<1, PAIRED>(p, b, w);
    case 2: return multiplyRows<2, PAIRED>(p, b, w);
    case 3: return multiplyRows<3, PAIRED>(p, b, w);
    default: return multiplyMany<PAIRED>(p, b, w);
  }
}

// The whole product. Needs p.m · p.k floats of a worker's own memory for bf16; `isThere`: they are there from the product before.
static void fewRows(Product p, const Packed& packed, bool isThere, Worker& w) {
  if (isStale(packed, w)) {
    if (packed.form == formBf16) packAllBf16(p.b, p.k, p.n, (uint16_t*)packed.data, w);
    else packAllRight(modeOf(w.precision), p.b, p.k, p.n, packed.data, w);
    refreshed(packed, w);
    w.barrier(w.pool);
  }
  const Mode mode = modeOf(w.precision);
  if (mode != full) {
    const int64_t units = blocksOf(p.k, mode).units;
    for (int64_t r = 0; !isThere && r < p.m; r++) packAlong(mode, p.a.data + r * p.a.row, p.k, w.local + r * p.k, units);
    p.a = {w.local, p.k, false};
  }
  if (packed.form == formBf16) multiplyFew<false>(p, (const uint16_t*)packed.data, w);
  else if (mode == paired) multiplyFew<multipliesBf16>(p, packed.data, w);
  else multiplyFew<false>(p, packed.data, w);
}

// Asks for the beginning of this worker's panels.
static void fetchFew(const Packed& packed, int64_t k, int64_t n, const Worker& w) {
  const Blocks blocks = blocksOf(k, modeOf(w.precision));
  const int64_t panels = (n + panel - 1) / panel, bytes = packed.form == formBf16 ? 2 : 4;
  const Range mine = share(panels, w.index, w.count);
  const char* from = (const char*)packed.data + rightAt(blocks, panels, 0, mine.begin) * bytes;
  // Each of the panels that are read side by side.
  for (int64_t column = mine.begin; column < mine.end && column < mine.begin + 4; column++, from += blocks.length(0) * panel * bytes)
    for (int64_t i = 0; i < 4096; i += 64) __builtin_prefetch(from + i, 0, 2);
}

}  // namespace
}  // namespace trainyard

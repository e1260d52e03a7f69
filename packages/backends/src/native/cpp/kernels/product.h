// C [M, N] (+)= A [M, K] · B [K, N], by all workers together: pack, wait for all, multiply, and finish each tile while it is in cache.
// Every element is summed in the same order whatever the number of workers.
#pragma once

#include <initializer_list>

#include "packRight.h"

namespace trainyard {
namespace {

// What is done with a finished tile of the product.
struct Product {
  int64_t m, n, k;
  Matrix a, b;
  float* c;
  int64_t row;  // of c and of the tensors below
  bool add;
  const float* bias;      // [N], added
  const float* residual;  // [M, N], added
  const float* gate;      // [M, N]: c is multiplied with silu of it
  float* gelu;            // [M, N], gets gelu(c)
  const float* geluX;     // [M, N]: c is multiplied with the slope of gelu there
  // B is A transposed, and nothing is added but what is symmetric too: the part below the diagonal is that above it.
  bool symmetric;
  // What gelu and silu give is rounded to bf16 next: they need not be exact beyond that.
  bool quick;
  // c is alpha times the product plus beta times the residual.
  bool blends;
  float alpha, beta;
};

// The loop of `finishTile` for one kind of product: with gelu's values, with its slope, with factors, or with none of these.
template <bool GELU, bool SLOPE, bool BLENDS, bool QUICK>
static void finishRows(const Product& p, int64_t m0, int64_t rows, int64_t n0, int64_t columns) {
  const float *bias = p.bias, *residual = p.residual, *geluX = p.geluX, *gate = p.gate;
  float *c = p.c, *gelu = p.gelu;
  // Whole panels have their vectors side by side, so that neither waits for the other's arithmetic.
  if (columns == panel) {
    for (int64_t i = m0; i < m0 + rows; i++) {
      const int64_t at = i * p.row + n0;
      vf v[panelVectors];
#pragma GCC unroll 2
      for (int j = 0; j < panelVectors; j++) {
        v[j] = load(c + at + j * LANES);
        if (bias != nullptr) v[j] = v[j] + load(bias + n0 + j * LANES);
        if (BLENDS) v[j] = all(p.alpha) * v[j] + all(p.beta) * load(residual + at + j * LANES);
        else if (residual != nullptr) v[j] = v[j] + load(residual + at + j * LANES);
        if (gate != nullptr) v[j] = siluOf<QUICK>(load(gate + at + j * LANES)) * v[j];
      }
      vf g[panelVectors];
#pragma GCC unroll 2
      for (int j = 0; j < panelVectors; j++) {
        if (SLOPE) v[j] = v[j] * geluSlope<QUICK>(load(geluX + at + j * LANES));
        if (GELU) g[j] = geluOf<QUICK>(v[j]);
      }
#pragma GCC unroll 2
      for (int j = 0; j < panelVectors; j++) {
        store(c + at + j * LANES, v[j]);
        if (GELU) store(gelu + at + j * LANES, g[j]);
      }
    }
    return;
  }
  for (int64_t i = m0; i < m0 + rows; i++)
    for (int64_t j = n0; j < n0 + columns; j += LANES) {
      const int64_t some = n0 + columns - j < LANES ? n0 + columns - j : LANES, at = i * p.row + j;
      const auto from = [some](const float* x) __attribute__((always_inline)) { return some == LANES ? load(x) : load(x, some); };
      const auto to = [some](float* x, vf v) __attribute__((always_inline)) { some == LANES ? store(x, v) : store(x, v, some); };
      vf v = from(c + at);
      if (bias != nullptr) v = v + from(bias + j);
      if (BLENDS) v = all(p.alpha) * v + all(p.beta) * from(residual + at);
      else if (residual != nullptr) v = v + from(residual + at);
      if (gate != nullptr) v = siluOf<QUICK>(from(gate + at)) * v;
      if (SLOPE) v = v * geluSlope<QUICK>(from(geluX + at));
      to(c + at, v);
      if (GELU) to(gelu + at, geluOf<QUICK>(v));
    }
}
template <bool QUICK>
FORCE void finishTileAs(const Product& p, int64_t m0, int64_t rows, int64_t n0, int64_t columns) {
  if (p.gelu != nullptr) finishRows<true, false, false, QUICK>(p, m0, rows, n0, columns);
  else if (p.geluX != nullptr) finishRows<false, true, false, QUICK>(p, m0, rows, n0, columns);
  else if (p.gate != nullptr) finishRows<false, false, false, QUICK>(p, m0, rows, n0, columns);
  else if (p.blends) finishRows<false, false, true, false>(p, m0, rows, n0, columns);
  else if (p.bias != nullptr || p.residual != nullptr) finishRows<false, false, false, false>(p, m0, rows, n0, columns);
}
FORCE void finishTile(const Product& p, int64_t m0, int64_t rows, int64_t n0, int64_t columns) {
  p.quick ? finishTileAs<true>(p, m0, rows, n0, columns) : finishTileAs<false>(p, m0, rows, n0, columns);
}

// Lets what a tile is finished with come while it is computed.
FORCE void fetchFinish(const Product& p, int64_t m0, int64_t rows, int64_t n0) {
  for (const float* from : {p.residual, p.gate, p.geluX, (const float*)p.gelu})
    if (from != nullptr)
      for (int64_t i = m0; i < m0 + rows; i++)
        for (int64_t j = n0; j < n0 + panel && j < p.n; j += 16) __builtin_prefetch(from + i * p.row + j, 1, 2);
}

// A tile in registers. Of the last columns a panel is computed beside C, and those that exist are copied.
FORCE void registerTileOf(TileKernel kernel, const Product& p, int64_t units, const float* a, const float* b, int64_t m0, int64_t rows,
                          int64_t n0, int64_t columns, bool add) {
  float* c = p.c + m0 * p.row + n0;
  if (columns == panel) {
    kernel(units, a, b, c, p.row, add);
    return;
  }
  alignas(64) float block[registerRows * panel];
  if (add)
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < panel; j++) block[i * panel + j] = j < columns ? c[i * p.row + j] : 0.0f;
  kernel(units, a, b, block, panel, add);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) c[i * p.row + j] = block[i * panel + j];
}

FORCE void oneTile(Mode mode, const Product& p, int64_t units, const float* a, const float* b, int64_t m0, int64_t rows,
                   int64_t n0, int64_t columns, bool add) {
#if defined(TRAINYARD_TILES)
  if (mode == paired) {
    float* c = p.c + m0 * p.row + n0;
    alignas(64) float block[32 * panel];
    tileBlock(units, a, b, block);
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < columns; j += LANES) {
        const int64_t left = columns - j < LANES ? columns - j : LANES;
        const vf v = load(block + i * panel + j);
        store(c + i * p.row + j, add ? v + load(c + i * p.row + j, left) : v, left);
      }
    return;
  }
  const TileKernel kernel = p.a.transposed ? stripKernel<false, byColumns>((int)rows) : stripKernel<false, byRows>((int)rows);
#else
  const TileKernel kernel =
      multipliesBf16 && mode == paired
          ? (p.a.transposed ? stripKernel<multipliesBf16, byColumns>((int)rows) : stripKernel<multipliesBf16, byRows>((int)rows))
          : (p.a.transposed ? stripKernel<false, byColumns>((int)rows) : stripKernel<false, byRows>((int)rows));
#endif
  registerTileOf(kernel, p, units, a, b, m0, rows, n0, columns, add);
}

// Packs B into `to`: this worker's share.
static void packAllRight(Mode mode, const Matrix& b, int64_t k, int64_t n, float* to, const Worker& w) {
  const Blocks blocks = blocksOf(k, mode);
  const int64_t panels = (n + panel - 1) / panel;
  const Range mine = share(panels * blocks.blocks, w.index, w.count);
  for (int64_t i = mine.begin, next; i < mine.end; i = next) {
    const int64_t column = i % panels, block = i / panels;
    next = i + 1;
    if (!b.transposed) {
      const int64_t rest = panels - column < mine.end - i ? panels - column : mine.end - i;
      next = i + (rest < panelsTogether ? rest : panelsTogether);
    }
    const int64_t end = (column + next - i) * panel, columns = (end < n ? end : n) - column * panel;
    const int64_t units = blocks.length(block);
    float* at = to + rightAt(blocks, panels, block, column);
    if (b.transposed) packRight(mode, b, column * panel, columns, k, block, units, at);
    else packRightRows(mode, b, column * panel, columns, k, block, units, at, units * panel);
  }
}

// Whether the weight was written since its copy was made. Every worker counts for itself, and all count the same.
FORCE bool isStale(const Packed& packed, const Worker& w) { return w.packedVersions[packed.slot] != w.versions[packed.held]; }
FORCE void refreshed(const Packed& packed, Worker& w) { w.packedVersions[packed.slot] = w.versions[packed.held]; }

static void packAllLeft(Mode mode, const Matrix& a, int64_t m, int64_t k, float* to, const Worker& w) {
  const Blocks blocks = blocksOf(k, mode);
  const Strips strips = stripsOf(m, mode);
  const Range mine = share(strips.count * blocks.blocks, w.index, w.count);
  for (int64_t i = mine.begin, next; i < mine.end; i = next) {
    const int64_t strip = i % strips.count, block = i / strips.count;
    next = i + 1;
    if (turnsTogether(a, mode)) {
      const int64_t rest = strips.count - strip < mine.end - i ? strips.count - strip : mine.end - i;
      next = i + (rest < stripsTogether ? rest : stripsTogether);
      packLeftTransposed(mode, a, strips, strip, strip + next - i, k, block, blocks.length(block), to);
      continue;
    }
    const int64_t m0 = stripBegin(strips, strip, mode);
    packLeft(mode, a, m0, stripBegin(strips, strip + 1, mode) - m0, k, block, blocks.length(block),
             to + leftAt(strips, block, strip, mode));
  }
}

// Fetches part `index` of `count` of what the next tiles read, while this one is computed.
FORCE void fetch(const float* from, int64_t floats, int64_t index, int64_t count) {
  const Range part = share(floats, (int)index, (int)count, 16);
  for (int64_t i = part.begin; i < part.end; i += 16) __builtin_prefetch(from + i, 0, 2);
}

// Floats of A that the second cache holds beside what else is needed.
constexpr int64_t nearStrips = (5 << 18) / 4;
// With fewer strips than these a panel is gone before the next could come.
constexpr int64_t fetchedStrips = 4;

// Of tiles that `multiply` numbers from 0 to `total`, this worker's share: tiles below the diagonal of a symmetric product are no work.
template <typename F>
FORCE Range tilesOf(bool symmetric, int64_t total, const Worker& w, F isBelow) {
  if (!symmetric) return share(total, w.index, w.count);
  int64_t work = 0;
  for (int64_t i = 0; i < total; i++) work += isBelow(i) ? 0 : 1;
  Range mine = share(work, w.index, w.count);
  int64_t begin = total, end = total, done = 0;
  for (int64_t i = 0; i < total; i++) {
    if (isBelow(i)) continue;
    if (done == mine.begin && begin == total) begin = i;
    if (done == mine.end) {
      end = i;
      break;
    }
    done++;
  }
  return {mine.begin < mine.end ? begin : end, end};
}

// This worker's rows below the diagonal of a symmetric product, from the columns above it. Everyone has met since these were written.
static void mirror(const Product& p, const Worker& w) {
  constexpr int64_t side = 16;
  // Later rows are longer: each worker takes early and late ones in turn.
  for (int64_t i = w.index * side; i < p.m; i += w.count * side) {
    const int64_t rows = p.m - i < side ? p.m - i : side;
    for (int64_t j = 0; j < i; j += side) transpose(p.c + j * p.row + i, p.row, side, rows, p.c + i * p.row + j, p.row);
    for (int64_t r = i; r < i + rows; r++)
      for (int64_t j = i; j < r; j++) p.c[r * p.row + j] = p.c[j * p.row + r];
  }
}

// This worker's share of the tiles. `a` and `b` are packed by all workers and everyone has met since.
static void multiply(Mode mode, const Product& p, const float* a, const float* b, const Worker& w) {
  const Blocks blocks = blocksOf(p.k, mode);
  const Strips strips = stripsOf(p.m, mode);
  const int64_t panels = (p.n + panel - 1) / panel;
  // A panel of B stays in the nearest cache while all strips of A pass from the next one, as long as that one holds them.
  const bool byStrips = p.m > p.n && strips.count * rowsOf(mode) * stripRow > nearStrips;
  const int64_t inner = byStrips ? panels : strips.count;
  // Whether all of a tile's columns are before all of its rows.
  const auto isBelow = [&](int64_t i) {
    return (byStrips ? i % inner : i / inner) * panel + panel <= stripBegin(strips, byStrips ? i / inner : i % inner, mode);
  };
  const Range mine = tilesOf(p.symmetric, panels * strips.count, w, isBelow);
#if defined(TRAINYARD_TILES)
  if (mode == paired) tilesOpen();
#endif
  for (int64_t block = 0; block < blocks.blocks; block++) {
    const int64_t units = blocks.length(block);
    const bool last = block + 1 == blocks.blocks;
    for (int64_t i = mine.begin; i < mine.end; i++) {
      if (p.symmetric && isBelow(i)) continue;
      const int64_t strip = byStrips ? i / inner : i % inner, column = byStrips ? i % inner : i / inner;
      const int64_t m0 = stripBegin(strips, strip, mode), rows = stripBegin(strips, strip + 1, mode) - m0;
      const int64_t n0 = column * panel, columns = p.n - n0 < panel ? p.n - n0 : panel;
      if (!byStrips && inner >= fetchedStrips && i + inner - strip < mine.end)
        fetch(b + rightAt(blocks, panels, block, column + 1), units * panel, strip, inner);
      if (last) fetchFinish(p, m0, rows, n0);
      oneTile(mode, p, units, a + leftAt(strips, block, strip, mode), b + rightAt(blocks, panels, block, column), m0, rows, n0,
              columns, p.add || block > 0);
      if (last) finishTile(p, m0, rows, n0, columns);
    }
  }
#if defined(TRAINYARD_TILES)
  if (mode == paired) tilesClose();
#endif
}

}  // namespace
}  // namespace trainyard

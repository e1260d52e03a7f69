// Products whose rows each worker packs for itself, strips by strips: nobody waits for them, and they are packed and read in the worker's own
// cache. B is packed by all workers together.
#pragma once

#include "product.h"

namespace trainyard {
namespace {

// Strips that a worker packs at a time, of one block along k: they stay in its second cache beside a panel and what is packed next.
constexpr int64_t ownStrips = 16;
// With fewer rows for each worker, panels would be read too often.
constexpr int64_t leastOwnRows = 4 * registerRows;

FORCE bool takesOwnRows(int64_t m, Mode mode, int workers) {
#if defined(TRAINYARD_TILES)
  if (mode == paired) return false;
#endif
  (void)mode;
  return m >= leastOwnRows * workers;
}
FORCE size_t ownSize(Mode mode) { return (size_t)(ownStrips * rowsOf(mode) * stripRow); }
// Floats of the packed left side.
FORCE size_t leftNeed(int64_t m, int64_t k, Mode mode, int workers) {
  return takesOwnRows(m, mode, workers) ? ownSize(mode) * (size_t)workers : leftSize(m, k, mode);
}

// A worker's rows in chunks of strips.
struct OwnRows {
  Range rows;
  Strips strips;
  int64_t chunks;
  int64_t begin(int64_t chunk, Mode mode) const {
    return rows.begin + stripBegin(strips, share(strips.count, (int)chunk, (int)chunks).begin, mode);
  }
  int64_t end(int64_t chunk, Mode mode) const { return chunk + 1 < chunks ? begin(chunk + 1, mode) : rows.end; }
  // A block of a chunk, as it lies in A, to be fetched in so many parts. Nothing beyond the last chunk.
  Ahead ahead(Mode mode, const Product& p, int64_t chunk, int64_t block, int64_t parts) const {
    if (chunk >= chunks) return {p.a.data, 0, 0, 0, 0};
    const int64_t most = depth * (mode == paired ? 2 : 1), k0 = block * most, some = p.k - k0 < most ? p.k - k0 : most;
    const int64_t m0 = begin(chunk, mode), count = end(chunk, mode) - m0;
    return p.a.transposed ? aheadOf(p.a.data + k0 * p.a.row + m0, p.a.row, some, count, parts)
                          : aheadOf(p.a.data + m0 * p.a.row + k0, p.a.row, count, some, parts);
  }
};

// This worker's rows. `b` is packed and everyone has met since; `left` is the worker's own.
static void multiplyOwn(Mode mode, const Product& p, const float* b, float* left, const Worker& w) {
  const Blocks blocks = blocksOf(p.k, mode);
  const int64_t panels = (p.n + panel - 1) / panel;
  const Range mine = share(p.m, w.index, w.count);
  const Strips all = stripsOf(mine.end - mine.begin, mode);
  const OwnRows own = {mine, all, (all.count + ownStrips - 1) / ownStrips};
  for (int64_t chunk = 0; chunk < own.chunks; chunk++) {
    const int64_t first = own.begin(chunk, mode);
    const Strips strips = stripsOf(own.end(chunk, mode) - first, mode);
    // Known before, because a division takes as long as a good part of a small tile.
    int64_t begins[ownStrips + 1];
    for (int64_t strip = 0; strip <= strips.count; strip++) begins[strip] = first + stripBegin(strips, strip, mode);
    for (int64_t block = 0; block < blocks.blocks; block++) {
      const int64_t units = blocks.length(block);
      const bool last = block + 1 == blocks.blocks;
      const int64_t after = last ? 0 : block + 1;
      packLeftRows(mode, p.a, strips, first, p.k, block, units, left);
      Ahead rows = own.ahead(mode, p, last ? chunk + 1 : chunk, after, panels * strips.count);
      for (int64_t column = 0; column < panels; column++) {
        const int64_t n0 = column * panel, columns = p.n - n0 < panel ? p.n - n0 : panel;
        const float *at = b + rightAt(blocks, panels, block, column), *a = left;
        Ahead next = column + 1 < panels ? aheadOf(at + units * panel, panel, units, panel, strips.count)
                                         : aheadOf(b + rightAt(blocks, panels, after, 0), panel, blocks.length(after), panel, strips.count);
        for (int64_t strip = 0; strip < strips.count; strip++, a += rowsOf(mode) * stripRow) {
          const int64_t m0 = begins[strip], count = begins[strip + 1] - m0;
          next.fetchSome();
          rows.fetchSome();
          if (last) fetchFinish(p, m0, count, n0);
          oneTile(mode, p, units, a, at, m0, count, n0, columns, p.add || block > 0);
          if (last) finishTile(p, m0, count, n0, columns);
        }
      }
    }
  }
}

// The whole product. `packed` is a copy of B that outlives the step, or null: then B is packed into `right`.
static void product(const Product& p, const Packed* packed, float* left, float* right, Worker& w) {
  const Mode mode = modeOf(w.precision);
  if (packed == nullptr) {
    packAllRight(mode, p.b, p.k, p.n, right, w);
  } else if (isStale(*packed, w)) {
    packAllRight(mode, p.b, p.k, p.n, packed->data, w);
    refreshed(*packed, w);
  }
  const float* b = packed != nullptr ? packed->data : right;
  if (!p.symmetric && takesOwnRows(p.m, mode, w.count)) {
    w.barrier(w.pool);
    multiplyOwn(mode, p, b, left + ownSize(mode) * (size_t)w.index, w);
    return;
  }
  packAllLeft(mode, p.a, p.m, p.k, left, w);
  w.barrier(w.pool);
  multiply(mode, p, left, b, w);
  if (!p.symmetric) return;
  w.barrier(w.pool);
  mirror(p, w);
}

}  // namespace
}  // namespace trainyard

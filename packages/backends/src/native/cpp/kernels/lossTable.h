// What the loss keeps: its shape, the table in the two orders in which the tiles read it, and gradients of logits as pairs of bf16.
//
// The table is packed once a step by all workers together: a strip or a panel of it is read for each chunk of rows by every worker.
#pragma once

#include "lossPaired.h"

namespace trainyard {
namespace {

// Rows of a chunk: enough blocks of `depth` that many workers find some dozens of rows each.
struct LossShape {
  int64_t rows, width, v;
  int64_t rowBlocks, chunk;  // of a chunk: blocks of rows; rows, a whole number of panels
  int64_t blocks;            // of tokens
  bool gradient;
  int64_t tokensOf(int64_t block) const { return v - block * depth < depth ? v - block * depth : depth; }
};
FORCE LossShape lossShape(const Step& s, int workers) {
  LossShape l;
  l.rows = rowsOf(s.inputs[0]);
  l.width = widthOf(s.inputs[0]);
  l.v = s.inputs[1]->shape[0];
  const int64_t wanted = (workers + 3) / 4, all = (l.rows + depth - 1) / depth;
  l.rowBlocks = wanted < all ? wanted : all;
  l.chunk = l.rowBlocks > 1 || l.rows > depth ? l.rowBlocks * depth : upTo(l.rows, panel);
  l.blocks = (l.v + depth - 1) / depth;
  l.gradient = s.outputs[4] != nullptr || s.outputs[5] != nullptr;
  return l;
}

// Strips of a whole block of tokens.
FORCE int64_t blockStrips() { return stripsOf(depth, full).count; }
// Floats of the table's strips and panels of one block.
FORCE size_t stripsSize(const LossShape& l, Mode mode) {
  return (size_t)(blockStrips() * blocksOf(l.width, mode).blocks * registerRows * stripRow);
}
FORCE size_t panelsSize(const LossShape& l, Mode mode) { return (size_t)(unitsOf(mode, depth) * upTo(l.width, panel)); }

// Floats of logits, of numbers for each row, and of what a worker has for itself: in pairs, logits of a block and their gradients.
FORCE size_t lossLogits(const LossShape& l) { return (size_t)(l.rowBlocks * (l.gradient ? l.v : depth) * stripRow); }
FORCE size_t lossPerRow(const LossShape& l) { return (size_t)(upTo(l.rows, LANES) + 2 * l.blocks * l.chunk); }
FORCE size_t lossOwn(Mode mode) { return mode == paired ? (size_t)((depth + depth / 2) * stripRow) : 0; }

// Units begin .. end of `rows` rows of `width` numbers as panels of `panel` columns, each `unitsOf(rows)` deep.
static void packPanels(Mode mode, const float* from, int64_t rows, int64_t width, int64_t begin, int64_t end, float* to) {
  const int64_t units = unitsOf(mode, rows), wide = mode == paired ? 2 : 1;
  for (int64_t u = begin; u < end; u++)
    for (int64_t n0 = 0; n0 < width; n0 += panel) {
      const int64_t columns = width - n0 < panel ? width - n0 : panel;
      const float* first = from + wide * u * width + n0;
      float* at = to + n0 * units + u * panel;
      packAcross(mode, first, wide == 2 && 2 * u + 1 < rows ? first + width : nullptr, columns, at);
      for (int64_t i = columns; i < panel; i++) at[i] = 0.0f;
    }
}

// This worker's share of the table, as strips for the logits and, where x has a gradient, as panels for that: block by block, so that a block is
// near when it is read again.
static void packTable(Mode mode, const LossShape& l, const float* table, bool asPanels, float* strips, float* panels, const Worker& w) {
  const Blocks alongWidth = blocksOf(l.width, mode);
  const int64_t each = blockStrips(), blockUnits = unitsOf(mode, depth);
  const Range mine = share(l.blocks * each, w.index, w.count);
  const Range units = share(unitsOf(mode, l.v), w.index, w.count);
  for (int64_t block = 0; block < l.blocks; block++) {
    const Strips s = stripsOf(l.tokensOf(block), full);
    const float* from = table + block * depth * l.width;
    for (int64_t strip = 0; strip < s.count; strip++) {
      if (block * each + strip < mine.begin || block * each + strip >= mine.end) continue;
      const int64_t begin = stripBegin(s, strip, full), count = stripBegin(s, strip + 1, full) - begin;
      for (int64_t k = 0; k < alongWidth.blocks; k++)
        packLeft(mode, {from, l.width, false}, begin, count, l.width, k, alongWidth.length(k),
                 strips + (size_t)block * stripsSize(l, mode) + leftAt(s, k, strip, full));
    }
    const int64_t first = block * blockUnits, begin = units.begin > first ? units.begin : first;
    const int64_t end = units.end < first + blockUnits ? units.end : first + blockUnits;
    if (asPanels && begin < end)
      packPanels(mode, from, l.tokensOf(block), l.width, begin - first, end - first, panels + (size_t)block * panelsSize(l, mode));
  }
}

// Where the strips of a block of tokens begin, and at last the block's end: known before, because a division takes as long as a part of a tile.
constexpr int64_t mostBlockStrips = (depth + registerRows - 1) / registerRows;
struct StripBegins {
  int64_t at[mostBlockStrips + 1];
};
FORCE StripBegins stripBeginsOf(const Strips& s, int64_t first, int64_t last) {
  StripBegins begins;
  for (int64_t i = first; i <= last; i++) begins.at[i - first] = stripBegin(s, i, full);
  return begins;
}

// Neighbouring numbers of a panel as pairs, and back.
FORCE void storePairs(float* to, const vf* v) {
#if defined(__AVX512BF16__) && LANES == 16
  const __m512bh pairs = _mm512_cvtne2ps_pbh((__m512)v[1], (__m512)v[0]);
  __builtin_memcpy(to, &pairs, sizeof pairs);
#else
  float numbers[panel];
  for (int j = 0; j < panelVectors; j++) store(numbers + j * LANES, v[j]);
  for (int i = 0; i < panel / 2; i++) to[i] = asFloat(pairOf(numbers[2 * i], numbers[2 * i + 1]));
#endif
}
FORCE void loadPairs(const float* from, vf* v) {
  for (int j = 0; j < panelVectors; j++) v[j] = loadBf16((const uint16_t*)from + j * LANES);
}

}  // namespace
}  // namespace trainyard

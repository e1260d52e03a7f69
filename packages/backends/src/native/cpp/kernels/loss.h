// The output layer and its loss, in chunks of rows: logits of one chunk, their softmax, and both gradients from them, so that
// logits are computed once and all of them never exist together.
//
// Logits are kept in the very layout that the gradients' products read: blocks of `depth` tokens, and in a block each row
// `stripRow` after the one before. A worker takes its rows from x to dx without meeting anyone; what it wrote last is still in
// its caches when it goes on. The table's gradient alone needs everyone's rows.
//
// Exponentials are taken against the largest logit of their block, as soon as the block is there, and brought to the row's
// log-sum-exp when the gradient is made.
#pragma once

#include <cfloat>
#include <cmath>

#include "lossPaired.h"

namespace trainyard {
namespace {

// One `depth` of rows, so that the table's gradient is read and written once for each.
FORCE int64_t lossChunk(int64_t rows) { return rows < depth ? rows : depth; }
FORCE int64_t lossBlocks(int64_t vocabulary) { return (vocabulary + depth - 1) / depth; }
// Floats of packed rows that one worker has for itself.
FORCE size_t lossLeft(int64_t chunk, int64_t width, int workers) {
  const size_t rows = leftSize((chunk + workers - 1) / workers, width, full), tokens = leftSize(depth, depth, full);
  return rows > tokens ? rows : tokens;
}

// Logits of one row and block become their exponentials against the largest of them, or against `given`.
struct Exponentials {
  float most, total;
};
FORCE Exponentials exponentials(float* row, int64_t count, const float* given) {
  float most;
  if (given != nullptr) {
    most = *given;
  } else {
    vf m = all(-FLT_MAX);
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) m = maximum(m, load(row + i));
    most = largest(m);
    for (; i < count; i++) most = row[i] > most ? row[i] : most;
  }
  vf s = all(0.0f), s2 = all(0.0f);
  int64_t i = 0;
  for (; i + 2 * LANES <= count; i += 2 * LANES) {
    const vf e = exponential(load(row + i) - all(most)), e2 = exponential(load(row + i + LANES) - all(most));
    store(row + i, e);
    store(row + i + LANES, e2);
    s = s + e;
    s2 = s2 + e2;
  }
  for (; i < count; i += LANES) {
    const int64_t some = count - i < LANES ? count - i : LANES;
    const vf e = select(lanes() < allInts((int32_t)some), exponential(load(row + i, some) - all(most)), all(0.0f));
    store(row + i, e, some);
    s = s + e;
  }
  return {most, sum(s + s2)};
}

FORCE void scaleRow(float* row, int64_t count, float by, bool toBf16) {
  for (int64_t i = 0; i < count; i += LANES) {
    const int64_t some = count - i < LANES ? count - i : LANES;
    const vf g = load(row + i, some) * all(by);
    store(row + i, toBf16 ? rounded(g) : g, some);
  }
}

// One step's loss for operands held as floats.
struct LossOfFloats {
  const Step& s;
  Worker& w;
  const Mode mode;
  const Tensor* x;
  const int32_t* targets;
  const int64_t rows, width, v, chunk, blocks;
  const float* right;  // the packed table, for logits
  const float factor;  // of every gradient
  float *logits, *perRow;
  // [chunk, blocks] each: the block's largest logit, later its factor; the sum of its exponentials.
  float *most, *total;
  float* left;

  float* blockAt(int64_t block) const { return logits + block * chunk * stripRow; }
  int64_t tokensOf(int64_t block) const { return v - block * depth < depth ? v - block * depth : depth; }
  const float* given(int64_t r) const { return s.inputs[4] != nullptr ? s.inputs[4]->data + r : nullptr; }

  // Exponentials of the logits of rows r0 + mine, their losses, and what the forward outputs want.
  void forward(int64_t r0, Range mine) {
    const int64_t m = mine.end - mine.begin;
    if (m == 0) return;
    const Blocks alongWidth = blocksOf(width, mode);
    const Strips strips = stripsOf(m, full);
    const int64_t panels = (v + panel - 1) / panel;
    Product p = {};
    p.m = m;
    p.k = width;
    p.row = stripRow;
    p.a = {x->data + (r0 + mine.begin) * width, width, false};
    for (int64_t k = 0; k < alongWidth.blocks; k++)
      for (int64_t i = 0; i < strips.count; i++) {
        const int64_t begin = stripBegin(strips, i, full);
        packLeft(mode, p.a, begin, stripBegin(strips, i + 1, full) - begin, width, k, alongWidth.length(k),
                 left + leftAt(strips, k, i, full));
      }
    float logit[depth];
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t tokens = tokensOf(block);
      p.n = tokens;
      p.c = blockAt(block) + mine.begin * stripRow;
      for (int64_t k = 0; k < alongWidth.blocks; k++)
        for (int64_t n0 = 0; n0 < tokens; n0 += panel)
          for (int64_t i = 0; i < strips.count; i++) {
            const int64_t begin = stripBegin(strips, i, full), end = stripBegin(strips, i + 1, full);
            const int64_t next = (block * depth + n0) / panel + 1;
            if (next < panels)
              fetch(right + rightAt(alongWidth, panels, k, next), alongWidth.length(k) * panel, i, strips.count);
            oneTile(full, p, alongWidth.length(k), left + leftAt(strips, k, i, full),
                    right + rightAt(alongWidth, panels, k, (block * depth + n0) / panel), begin, end - begin, n0,
                    tokens - n0 < panel ? tokens - n0 : panel, k > 0);
          }
      for (int64_t i = 0; i < m; i++) {
        const int64_t at = mine.begin + i, target = targets[r0 + at] - block * depth;
        float* row = p.c + i * stripRow;
        if (target >= 0 && target < tokens) logit[i] = row[target];
        const Exponentials e = exponentials(row, tokens, given(r0 + at));
        most[at * blocks + block] = e.most;
        total[at * blocks + block] = e.total;
      }
    }
    for (int64_t i = 0; i < m; i++) {
      const int64_t at = mine.begin + i, r = r0 + at;
      const bool counts = targets[r] != -1;
      float largestLogit = most[at * blocks], sumExp = 0.0f;
      for (int64_t b = 1; b < blocks; b++) largestLogit = maximumOf(largestLogit, most[at * blocks + b]);
      for (int64_t b = 0; b < blocks; b++) sumExp += total[at * blocks + b] * std::exp(most[at * blocks + b] - largestLogit);
      const float value = given(r) != nullptr ? *given(r) : largestLogit + std::log(sumExp);
      // From here on `most` holds what makes each exponential its share of the gradient.
      for (int64_t b = 0; b < blocks; b++) most[at * blocks + b] = factor * std::exp(most[at * blocks + b] - value);
      perRow[r] = counts ? value - logit[i] : 0.0f;
      if (s.outputs[1] != nullptr) s.outputs[1]->data[r] = perRow[r];
      if (s.outputs[2] != nullptr) s.outputs[2]->data[r] = counts && logit[i] >= largestLogit ? 1.0f : 0.0f;
      if (s.outputs[3] != nullptr) s.outputs[3]->data[r] = value;
    }
  }

  static float maximumOf(float a, float b) { return a > b ? a : b; }

  // Exponentials become (softmax - one at the target) · factor, and a block of them its part of dx while it is in the cache.
  void backwardOfRows(int64_t r0, Range mine) {
    const int64_t m = mine.end - mine.begin;
    if (m == 0) return;
    const Tensor* dx = s.outputs[4];
    const Blocks alongTokens = blocksOf(v, full);
    const Strips strips = stripsOf(m, full);
    const int64_t panels = (width + panel - 1) / panel;
    Product p = {};
    p.row = width;
    if (dx != nullptr) p.c = dx->data + (r0 + mine.begin) * width;
    for (int64_t block = 0; block < blocks; block++) {
      const int64_t tokens = tokensOf(block);
      float* from = blockAt(block) + mine.begin * stripRow;
      for (int64_t i = 0; i < m; i++) {
        float* row = from + i * stripRow;
        const int64_t at = mine.begin + i, target = targets[r0 + at] - block * depth;
        if (targets[r0 + at] == -1) {
          std::memset(row, 0, (size_t)tokens * 4);
          continue;
        }
        const float share = most[at * blocks + block];
        const bool here = target >= 0 && target < tokens;
        const float wanted = here ? row[target] * share - factor : 0.0f;
        scaleRow(row, tokens, share, mode == rounding);
        if (here) row[target] = mode == rounding ? rounded(wanted) : wanted;
      }
      if (dx == nullptr) continue;
      for (int64_t n0 = 0; n0 < width; n0 += panel)
        for (int64_t i = 0; i < strips.count; i++) {
          const int64_t begin = stripBegin(strips, i, full), end = stripBegin(strips, i + 1, full);
          const float* b = w.shared.rightSecond + rightAt(alongTokens, panels, block, n0 / panel);
          fetch(b + tokens * panel, tokens * panel, i, strips.count);
          oneTile(full, p, tokens, from + begin * stripRow, b, begin, end - begin, n0, width - n0 < panel ? width - n0 : panel, adds(s, 4) || block > 0);
        }
    }
  }

  // This worker's tokens of dTable, from all rows of the chunk.
  void backwardOfTable(int64_t r0, int64_t some) {
    const Blocks alongRows = blocksOf(some, full);
    const int64_t panels = (width + panel - 1) / panel;
    const int64_t perBlock = stripsOf(depth, full).count;
    const int64_t all = (blocks - 1) * perBlock + stripsOf(tokensOf(blocks - 1), full).count;
    const Range mine = share(all, w.index, w.count);
    Product p = {};
    p.row = width;
    for (int64_t block = mine.begin / perBlock; block * perBlock < mine.end; block++) {
      const Strips strips = stripsOf(tokensOf(block), full);
      const int64_t first = mine.begin > block * perBlock ? mine.begin - block * perBlock : 0;
      const int64_t last = mine.end - block * perBlock < strips.count ? mine.end - block * perBlock : strips.count;
      p.a = {blockAt(block), stripRow, true};
      p.c = s.outputs[5]->data + block * depth * width;
      for (int64_t i = first; i < last; i++) {
        const int64_t begin = stripBegin(strips, i, full);
        packLeft(full, p.a, begin, stripBegin(strips, i + 1, full) - begin, some, 0, some, left + leftAt(strips, 0, i, full));
      }
      for (int64_t n0 = 0; n0 < width; n0 += panel)
        for (int64_t i = first; i < last; i++) {
          const int64_t begin = stripBegin(strips, i, full), end = stripBegin(strips, i + 1, full);
          oneTile(full, p, some, left + leftAt(strips, 0, i, full), w.shared.rightThird + rightAt(alongRows, panels, 0, n0 / panel),
                  begin, end - begin, n0, width - n0 < panel ? width - n0 : panel, adds(s, 5) || r0 > 0);
        }
    }
  }
};

static void projectionLoss(const Step& s, Worker& w) {
  const Mode mode = modeOf(w.precision);
  const Tensor *x = s.inputs[0], *table = s.inputs[1];
  const int64_t rows = rowsOf(x), width = widthOf(x), v = table->shape[0];
  const int64_t counted = countTargets(s, w, rows, v);
  if (counted < 0) return;
  if (mode == paired) return projectionLossPaired(s, w, counted);
  const bool gradient = s.outputs[4] != nullptr || s.outputs[5] != nullptr;
  const int64_t chunk = lossChunk(rows), blocks = lossBlocks(v);

  // The table is packed once for all chunks, both ways when gradients are wanted.
  const float* right = w.shared.right;
  if (s.transposed == nullptr) packAllRight(mode, {table->data, width, true}, width, v, w.shared.right, w);
  else {
    right = s.transposed->data;
    if (w.packedVersions[s.transposed->slot] != w.versions[s.transposed->held]) {
      packAllRight(mode, {table->data, width, true}, width, v, s.transposed->data, w);
      w.packedVersions[s.transposed->slot] = w.versions[s.transposed->held];
    }
  }
  if (s.outputs[4] != nullptr) packAllRight(mode, {table->data, width, false}, v, width, w.shared.rightSecond, w);
  w.meet(w.team);

  float* most = w.shared.partial + rows;
  LossOfFloats l = {s, w, mode, x, (const int32_t*)s.inputs[2]->data, rows, width, v, chunk, blocks, right,
                    gradient ? s.inputs[3]->data[0] / (float)counted : 0.0f, w.shared.rows, w.shared.partial, most,
                    most + chunk * blocks, w.shared.left + lossLeft(chunk, width, w.count) * (size_t)w.index};
  for (int64_t r0 = 0; r0 < rows; r0 += chunk) {
    const int64_t some = rows - r0 < chunk ? rows - r0 : chunk;
    const Range mine = share(some, w.index, w.count);
    l.forward(r0, mine);
    if (gradient) l.backwardOfRows(r0, mine);
    if (s.outputs[5] != nullptr) {
      packAllRight(mode, {x->data + r0 * width, width, false}, some, width, w.shared.rightThird, w);
      w.meet(w.team);
      l.backwardOfTable(r0, some);
    }
    w.meet(w.team);
  }
  if (s.outputs[0] != nullptr && w.index == 0) s.outputs[0]->data[0] = meanLoss(w.shared.partial, rows, counted);
}

}  // namespace
}  // namespace trainyard

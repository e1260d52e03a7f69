// The output layer and its loss, in chunks of rows: logits of one chunk, their softmax, and both gradients from them, so that
// logits are computed once and all of them never exist together.
//
// Logits are kept with tokens down and rows of x across, in the very layout that the table's gradient reads: for each block of
// `depth` rows, the tokens `stripRow` apart. A row of x is a lane of a vector, so that largest logits and sums of exponentials
// need nothing across lanes. The table itself is read as it is, and brought into the tiles' order block by block in the caches:
// no copy of it is kept. A worker takes its rows from x to dx without meeting anyone; the table's gradient alone needs everyone's.
//
// Exponentials are taken against the largest logit of their block of tokens, as soon as the block is there, and brought to the
// row's log-sum-exp when the gradient is made.
#pragma once

#include <cfloat>
#include <cmath>

#include "lossPaired.h"

namespace trainyard {
namespace {

// Rows of a chunk: enough blocks of `depth` that many workers find some dozens of rows each.
struct LossShape {
  int64_t rows, width, v;
  int64_t rowBlocks, chunk;  // of a chunk: blocks of rows; rows, a whole number of panels
  int64_t blocks;            // of tokens
  bool gradient;
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
// Floats of logits, of numbers for each row, and of what a worker has for itself: a block of the table, and strips of its rows.
FORCE size_t lossLogits(const LossShape& l) { return (size_t)(l.rowBlocks * (l.gradient ? l.v : depth) * stripRow); }
FORCE size_t lossPerRow(const LossShape& l) { return (size_t)(upTo(l.rows, LANES) + 2 * l.blocks * l.chunk); }
FORCE size_t lossTable(const LossShape& l) {
  const size_t strips = leftSize(depth, l.width, full), panels = (size_t)(depth * upTo(l.width, panel));
  return strips > panels ? strips : panels;
}
FORCE size_t lossOwn(const LossShape& l) { return lossTable(l) + leftSize(depth, depth, full); }

// `rows` rows of `width` numbers as panels of `panel` columns, each `unitsOf(rows)` deep.
static void packPanels(Mode mode, const float* from, int64_t rows, int64_t width, float* to) {
  const int64_t units = unitsOf(mode, rows), wide = mode == paired ? 2 : 1;
  for (int64_t u = 0; u < units; u++)
    for (int64_t n0 = 0; n0 < width; n0 += panel) {
      const int64_t columns = width - n0 < panel ? width - n0 : panel;
      const float* first = from + wide * u * width + n0;
      float* at = to + n0 * units + u * panel;
      packAcross(mode, first, wide == 2 && 2 * u + 1 < rows ? first + width : nullptr, columns, at);
      for (int64_t i = columns; i < panel; i++) at[i] = 0.0f;
    }
}

// One step's loss. PAIRED: products take pairs of bf16 from registers.
template <bool PAIRED>
struct LossByTokens {
  const Step& s;
  Worker& w;
  const Mode mode;
  const LossShape l;
  const int64_t counted;  // rows with a target
  const float *x, *table;
  const int32_t* targets;
  const float factor;  // of every gradient
  float *logits, *perRow;
  // [blocks, chunk] each: the block's largest logit, later what makes an exponential its share of the gradient; the sums.
  float *most, *total;
  float *right, *rightStraight, *own;

  float* blockAt(int64_t row, int64_t block) const {
    const int64_t tokens = l.gradient ? l.v : depth, first = l.gradient ? block * depth : 0;
    return logits + (row / depth * tokens + first) * stripRow + row % depth;
  }
  int64_t tokensOf(int64_t block) const { return l.v - block * depth < depth ? l.v - block * depth : depth; }
  // Calls body(row, lane, token) for the rows of a panel whose target lies in the block.
  template <typename F>
  void targetsIn(int64_t block, int64_t r0, int64_t row, int64_t end, F body) const {
    const int64_t last = row + panel < end ? row + panel : end;
    for (int64_t r = row; r < last; r++) {
      const int64_t token = targets[r0 + r] - block * depth;
      if (targets[r0 + r] >= 0 && token >= 0 && token < tokensOf(block)) body(r, r - row, token);
    }
  }

  // A token's numbers of a panel of rows lie far from the token's before: the processor fetches nothing ahead by itself. From beyond the
  // second cache they take longer.
  static constexpr int64_t farAhead = 32;
  static void fetchTokens(const float* at, int64_t token, int64_t tokens) {
    if (token < tokens)
      for (int64_t j = 0; j < panel; j += 16) __builtin_prefetch(at + token * stripRow + j, 1);
  }

  // Logits of one panel of rows and one block of tokens become their exponentials.
  void exponentials(int64_t block, int64_t r0, int64_t row, int64_t end) {
    float* at = blockAt(row, block);
    const int64_t tokens = tokensOf(block);
    targetsIn(block, r0, row, end, [&](int64_t r, int64_t lane, int64_t token) { perRow[r0 + r] = at[token * stripRow + lane]; });
    vf m[panelVectors], sums[panelVectors];
    for (int j = 0; j < panelVectors; j++) {
      m[j] = all(-FLT_MAX);
      sums[j] = all(0.0f);
    }
    if (s.inputs[4] != nullptr) {
      for (int j = 0; j < panelVectors; j++) {
        const int64_t left = end - row - j * LANES;
        if (left > 0) m[j] = load(s.inputs[4]->data + r0 + row + j * LANES, left < LANES ? left : LANES);
      }
    } else {
      for (int64_t t = 0; t < tokens; t++)
        for (int j = 0; j < panelVectors; j++) m[j] = maximum(load(at + t * stripRow + j * LANES), m[j]);
    }
    for (int64_t t = 0; t < tokens; t++) {
      fetchTokens(at, t + rowsAhead, tokens);
      for (int j = 0; j < panelVectors; j++) {
        const vf e = exponential(load(at + t * stripRow + j * LANES) - m[j]);
        store(at + t * stripRow + j * LANES, e);
        sums[j] = sums[j] + e;
      }
    }
    for (int j = 0; j < panelVectors; j++) {
      store(most + block * l.chunk + row + j * LANES, m[j]);
      store(total + block * l.chunk + row + j * LANES, sums[j]);
    }
  }

  // Exponentials of the logits of rows r0 + mine, their losses, and what the forward outputs want.
  void forward(int64_t r0, Range mine, int64_t end) {
    const Blocks alongWidth = blocksOf(l.width, mode);
    const int64_t panels = l.chunk / panel;
    for (int64_t row = mine.begin; row < end; row += panel)
      for (int64_t k = 0; k < alongWidth.blocks; k++)
        packRight(mode, {x + r0 * l.width, l.width, true}, row, end - row < panel ? end - row : panel, l.width, k,
                  alongWidth.length(k), right + rightAt(alongWidth, panels, k, row / panel));
    const int64_t tiles = alongWidth.blocks * ((end - mine.begin + panel - 1) / panel);
    for (int64_t block = 0; block < l.blocks; block++) {
      const int64_t tokens = tokensOf(block);
      const Strips strips = stripsOf(tokens, full);
      const Matrix a = {table + block * depth * l.width, l.width, false};
      for (int64_t k = 0; k < alongWidth.blocks; k++)
        for (int64_t i = 0; i < strips.count; i++) {
          const int64_t begin = stripBegin(strips, i, full);
          packLeft(mode, a, begin, stripBegin(strips, i + 1, full) - begin, l.width, k, alongWidth.length(k),
                   own + leftAt(strips, k, i, full));
        }
      int64_t tile = 0;
      for (int64_t k = 0; k < alongWidth.blocks; k++)
        for (int64_t row = mine.begin; row < end; row += panel)
          for (int64_t i = 0; i < strips.count; i++) {
            const int64_t begin = stripBegin(strips, i, full), count = stripBegin(strips, i + 1, full) - begin;
            if (block + 1 < l.blocks) fetch(a.data + tokens * l.width, tokensOf(block + 1) * l.width, tile++, tiles * strips.count);
            stripKernel<PAIRED, true>((int)count)(alongWidth.length(k), own + leftAt(strips, k, i, full),
                                                 right + rightAt(alongWidth, panels, k, row / panel),
                                                 blockAt(row, block) + begin * stripRow, stripRow, k > 0);
          }
      for (int64_t row = mine.begin; row < end; row += panel) exponentials(block, r0, row, end);
    }
    for (int64_t row = mine.begin; row < end; row += LANES) finishRows(r0, row, end - row < LANES ? end - row : LANES);
  }

  // Losses and the other forward outputs of `count` neighbouring rows from their blocks' sums.
  void finishRows(int64_t r0, int64_t row, int64_t count) {
    vf largestLogit = load(most + row), sumExp = all(0.0f);
    for (int64_t b = 1; b < l.blocks; b++) largestLogit = maximum(largestLogit, load(most + b * l.chunk + row));
    for (int64_t b = 0; b < l.blocks; b++)
      sumExp = sumExp + load(total + b * l.chunk + row) * exponential(load(most + b * l.chunk + row) - largestLogit);
    float largest[LANES], sums[LANES], values[LANES] = {}, factors[LANES] = {};
    store(largest, largestLogit);
    store(sums, sumExp);
    for (int64_t i = 0; i < count; i++) {
      const int64_t r = r0 + row + i;
      const bool counts = targets[r] != -1;
      const float logit = perRow[r];
      values[i] = s.inputs[4] != nullptr ? s.inputs[4]->data[r] : largest[i] + std::log(sums[i]);
      factors[i] = counts ? factor : 0.0f;
      perRow[r] = counts ? values[i] - logit : 0.0f;
      if (s.outputs[1] != nullptr) s.outputs[1]->data[r] = perRow[r];
      if (s.outputs[2] != nullptr) s.outputs[2]->data[r] = counts && logit >= largest[i] ? 1.0f : 0.0f;
      if (s.outputs[3] != nullptr) s.outputs[3]->data[r] = values[i];
    }
    if (!l.gradient) return;
    for (int64_t b = 0; b < l.blocks; b++) {
      float* at = most + b * l.chunk + row;
      store(at, load(factors) * exponential(load(at) - load(values)));
    }
  }

  // Exponentials of a panel of rows become (softmax - one at the target) · factor; rows without a target become zeros.
  void gradients(int64_t block, int64_t r0, int64_t row, int64_t end) {
    float* at = blockAt(row, block);
    const float* shares = most + block * l.chunk + row;
    float wanted[panel];
    targetsIn(block, r0, row, end, [&](int64_t, int64_t lane, int64_t token) {
      const float g = at[token * stripRow + lane] * shares[lane] - factor;
      wanted[lane] = mode == rounding ? rounded(g) : g;
    });
    vf share[panelVectors];
    for (int j = 0; j < panelVectors; j++) share[j] = load(shares + j * LANES);
    const int64_t tokens = tokensOf(block);
    for (int64_t t = 0; t < tokens; t++) {
      fetchTokens(at, t + farAhead, tokens);
      for (int j = 0; j < panelVectors; j++) {
        float* to = at + t * stripRow + j * LANES;
        const vf g = select(share[j] != all(0.0f), load(to) * share[j], all(0.0f));
        store(to, mode == rounding ? rounded(g) : g);
      }
    }
    targetsIn(block, r0, row, end, [&](int64_t, int64_t lane, int64_t token) { at[token * stripRow + lane] = wanted[lane]; });
  }

  // Gradients of this worker's logits, and a block of them its part of dx while it is in the cache. The last block comes first:
  // it was made last.
  void backwardOfRows(int64_t r0, Range mine, int64_t end) {
    const Tensor* dx = s.outputs[4];
    float* ownStrips = own + lossTable(l);
    Product p = {};
    p.row = l.width;
    p.a = {nullptr, stripRow, true};
    for (int64_t block = l.blocks - 1; block >= 0; block--) {
      const int64_t tokens = tokensOf(block), units = unitsOf(mode, tokens);
      for (int64_t row = mine.begin; row < end; row += panel) gradients(block, r0, row, end);
      if (dx == nullptr) continue;
      const float* from = table + block * depth * l.width;
      packPanels(mode, from, tokens, l.width, own);
      for (int64_t first = mine.begin, last; first < end; first = last) {
        last = first / depth * depth + depth < end ? first / depth * depth + depth : end;
        const Strips strips = stripsOf(last - first, full);
        p.a.data = blockAt(first, block);
        p.c = dx->data + (r0 + first) * l.width;
        for (int64_t i = 0; i < strips.count; i++) {
          const int64_t begin = stripBegin(strips, i, full);
          packLeft(PAIRED ? paired : full, p.a, begin, stripBegin(strips, i + 1, full) - begin, tokens, 0, units,
                   ownStrips + leftAt(strips, 0, i, full));
        }
        int64_t tile = 0;
        const int64_t tiles = (l.width + panel - 1) / panel * strips.count;
        for (int64_t n0 = 0; n0 < l.width; n0 += panel)
          for (int64_t i = 0; i < strips.count; i++) {
            const int64_t begin = stripBegin(strips, i, full), count = stripBegin(strips, i + 1, full) - begin;
            if (block > 0) fetch(from - depth * l.width, depth * l.width, tile++, tiles);
            oneTile(PAIRED ? paired : full, p, units, ownStrips + leftAt(strips, 0, i, full), own + n0 * units, begin, count, n0,
                    l.width - n0 < panel ? l.width - n0 : panel, adds(s, 4) || block + 1 < l.blocks);
          }
      }
    }
  }

  // Where a block of rows of x lies in `rightStraight`, whose panels are as deep as the block alone.
  float* straightAt(int64_t k) const { return rightStraight + k * unitsOf(mode, depth) * upTo(l.width, panel); }
  int64_t rowsOfBlock(int64_t k, int64_t some) const { return some - k * depth < depth ? some - k * depth : depth; }

  void packRows(int64_t r0, int64_t some) {
    for (int64_t k = 0; k * depth < some; k++)
      packAllRight(mode, {x + (r0 + k * depth) * l.width, l.width, false}, rowsOfBlock(k, some), l.width, straightAt(k), w);
  }

  // This worker's tokens of dTable, from all rows of the chunk. Logits' gradients are read as they lie, pairs of bf16 after they were
  // made where the numbers are.
  void backwardOfTable(int64_t r0, int64_t some) {
    const int64_t panels = (l.width + panel - 1) / panel, group = depth / registerRows;
    const Strips strips = stripsOf(l.v, full);
    const Range mine = share(strips.count, w.index, w.count);
    Product p = {};
    p.row = l.width;
    p.c = s.outputs[5]->data;
    for (int64_t first = mine.begin; first < mine.end; first += group) {
      const int64_t last = first + group < mine.end ? first + group : mine.end;
      const int64_t from = stripBegin(strips, first, full), next = stripBegin(strips, last, full);
      const int64_t after = last + group < mine.end ? last + group : mine.end;
      for (int64_t k = 0; k * depth < some; k++) {
        const int64_t rows = rowsOfBlock(k, some), units = unitsOf(mode, rows);
        float* a = blockAt(k * depth, 0);
        if (PAIRED)
          for (int64_t t = from; t < next; t++) packAlong(paired, a + t * stripRow, rows, a + t * stripRow, units);
        int64_t tile = 0;
        for (int64_t n0 = 0; n0 < l.width; n0 += panel)
          for (int64_t i = first; i < last; i++) {
            const int64_t begin = stripBegin(strips, i, full), count = stripBegin(strips, i + 1, full) - begin;
            fetch(a + next * stripRow, (stripBegin(strips, after, full) - next) * stripRow, tile++, panels * (last - first));
            oneTile(PAIRED ? paired : full, p, units, a + begin * stripRow, straightAt(k) + n0 * units, begin, count, n0,
                    l.width - n0 < panel ? l.width - n0 : panel, adds(s, 5) || r0 > 0 || k > 0);
          }
      }
    }
  }

  void run() {
    for (int64_t r0 = 0; r0 < l.rows; r0 += l.chunk) {
      const int64_t some = l.rows - r0 < l.chunk ? l.rows - r0 : l.chunk;
      const Range mine = share(upTo(some, panel), w.index, w.count, panel);
      const int64_t end = mine.end < some ? mine.end : some;
      if (mine.begin < end) {
        forward(r0, mine, end);
        if (l.gradient) backwardOfRows(r0, mine, end);
      }
      if (s.outputs[5] != nullptr) {
        packRows(r0, some);
        w.meet(w.team);
        backwardOfTable(r0, some);
      }
      w.meet(w.team);
    }
    if (s.outputs[0] != nullptr && w.index == 0) s.outputs[0]->data[0] = meanLoss(w.shared.partial, l.rows, counted);
  }
};

template <bool PAIRED>
static void lossByTokens(const Step& s, Worker& w, Mode mode, const LossShape& l, int64_t counted) {
  float* most = w.shared.partial + upTo(l.rows, LANES);
  LossByTokens<PAIRED> loss = {s, w, mode, l, counted, s.inputs[0]->data, s.inputs[1]->data, (const int32_t*)s.inputs[2]->data,
                               l.gradient ? s.inputs[3]->data[0] / (float)counted : 0.0f, w.shared.rows, w.shared.partial, most,
                               most + l.blocks * l.chunk, w.shared.right, w.shared.rightThird,
                               w.shared.left + lossOwn(l) * (size_t)w.index};
  loss.run();
}

static void projectionLoss(const Step& s, Worker& w) {
  const Mode mode = modeOf(w.precision);
  const LossShape l = lossShape(s, w.count);
  const int64_t counted = countTargets(s, w, l.rows, l.v);
  if (counted < 0) return;
  if (mode != paired) return lossByTokens<false>(s, w, mode, l, counted);
  if (lossByRows) return projectionLossPaired(s, w, counted);
  lossByTokens<multipliesBf16>(s, w, mode, l, counted);
}

}  // namespace
}  // namespace trainyard

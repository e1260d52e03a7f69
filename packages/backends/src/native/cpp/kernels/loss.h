// The output layer and its loss, in chunks of rows: logits of one chunk, their softmax, and both gradients from them, so that
// logits are computed once and all of them never exist together.
//
// Logits are kept with tokens down and rows of x across, in the very layout that both gradients' products read: for each block of
// `depth` rows, the tokens `stripRow` apart. A row of x is a lane of a vector, so that largest logits and sums of exponentials
// need nothing across lanes. A worker takes its rows from x to dx without waiting for anyone; the table's gradient alone needs everyone's.
//
// Exponentials are taken against the largest logit of their block of tokens, as soon as the block is there, and brought to the
// row's log-sum-exp when the gradient is made. In bf16 they are kept as pairs of neighbouring rows, which the table's gradient reads: logits
// as floats never leave the worker that computes them. The gradient of x wants pairs of neighbouring tokens, made beside the others.
#pragma once

#include <cfloat>
#include <cmath>

#include "lossTable.h"

namespace trainyard {
namespace {

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
  float *strips, *panels;        // the table
  float *right, *rightStraight;  // x
  float* own;                    // in pairs: logits of a block, then gradients of a block as pairs of tokens
  Range mine;                    // rows of the chunk

  // Where a chunk's row has its logits of a block, or its gradients, which in pairs take half of the room.
  float* keptAt(int64_t row, int64_t block) const {
    const int64_t tokens = l.gradient ? l.v : depth, first = l.gradient ? block * depth : 0;
    return logits + (row / depth * tokens + first) * stripRow + (PAIRED ? row % depth / 2 : row % depth);
  }
  // Logits that were just computed.
  float* blockAt(int64_t row, int64_t block) const { return PAIRED ? own + row - mine.begin : keptAt(row, block); }
  float* ownGradients(int64_t row) const { return own + depth * stripRow + row - mine.begin; }
  int64_t tokensOf(int64_t block) const { return l.tokensOf(block); }
  // Calls body(row, lane, token) for the rows of a panel whose target lies in the block.
  template <typename F>
  void targetsIn(int64_t block, int64_t r0, int64_t row, int64_t end, F body) const {
    const int64_t last = row + panel < end ? row + panel : end;
    for (int64_t r = row; r < last; r++) {
      const int64_t token = targets[r0 + r] - block * depth;
      if (targets[r0 + r] >= 0 && token >= 0 && token < tokensOf(block)) body(r, r - row, token);
    }
  }

  // What a block keeps of rows first .. last, whose numbers of a token lie far from the token's before: fetched during `tiles` tiles.
  Ahead keptAhead(int64_t block, int64_t first, int64_t last, int64_t tiles) const {
    return aheadOf(keptAt(first, block), stripRow, tokensOf(block), PAIRED ? (last - first + 1) / 2 : last - first, tiles);
  }

  // Logits of one panel of rows and one block of tokens become their exponentials.
  void exponentials(int64_t block, int64_t r0, int64_t row, int64_t end) {
    float *at = blockAt(row, block), *kept = keptAt(row, block);
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
    vf scaled[panelVectors];
    for (int j = 0; j < panelVectors; j++) scaled[j] = m[j] * all(log2e);
    for (int64_t t = 0; t < tokens; t++) {
      vf e[panelVectors];
      for (int j = 0; j < panelVectors; j++) {
        const vf x = load(at + t * stripRow + j * LANES);
        e[j] = PAIRED ? quickPower(x * all(log2e) - scaled[j]) : exponential(x - m[j]);
        if (!PAIRED) store(at + t * stripRow + j * LANES, e[j]);
        sums[j] = sums[j] + e[j];
      }
      if (PAIRED && l.gradient) storePairs(kept + t * stripRow, e);
    }
    for (int j = 0; j < panelVectors; j++) {
      store(most + block * l.chunk + row + j * LANES, m[j]);
      store(total + block * l.chunk + row + j * LANES, sums[j]);
    }
  }

  // Exponentials of the logits of rows r0 + mine, their losses, and what the forward outputs want.
  void forward(int64_t r0, int64_t end) {
    const Blocks alongWidth = blocksOf(l.width, mode);
    const int64_t xPanels = l.chunk / panel;
    for (int64_t row = mine.begin; row < end; row += panel)
      for (int64_t k = 0; k < alongWidth.blocks; k++)
        packRight(mode, {x + r0 * l.width, l.width, true}, row, end - row < panel ? end - row : panel, l.width, k,
                  alongWidth.length(k), right + rightAt(alongWidth, xPanels, k, row / panel));
    const int64_t tiles = (end - mine.begin + panel - 1) / panel;
    for (int64_t block = 0; block < l.blocks; block++) {
      const Strips of = stripsOf(tokensOf(block), full);
      const float *from = strips + (size_t)block * stripsSize(l, mode), *next = from + stripsSize(l, mode);
      const Strips after = stripsOf(block + 1 < l.blocks ? tokensOf(block + 1) : 0, full);
      const StripBegins begins = stripBeginsOf(of, 0, of.count);
      // The next block's strips lie one after the other, those of all blocks along k.
      Ahead ahead = aheadOf(next, stripRow, after.count * alongWidth.blocks * registerRows, alongWidth.length(0),
                            tiles * of.count * alongWidth.blocks);
      // A panel's logits become exponentials while they are near.
      for (int64_t row = mine.begin; row < end; row += panel) {
        Ahead kept = PAIRED && l.gradient ? keptAhead(block, row, row + panel, of.count * alongWidth.blocks) : Ahead{};
        for (int64_t k = 0; k < alongWidth.blocks; k++) {
          const float *a = from + leftAt(of, k, 0, full), *b = right + rightAt(alongWidth, xPanels, k, row / panel);
          for (int64_t i = 0; i < of.count; i++, a += registerRows * stripRow) {
            const int64_t begin = begins.at[i];
            ahead.fetchSome();
            kept.fetchSome();
            stripKernel<PAIRED, byRows>((int)(begins.at[i + 1] - begin))(alongWidth.length(k), a, b,
                                                                          blockAt(row, block) + begin * stripRow, stripRow, k > 0);
          }
        }
        exponentials(block, r0, row, end);
      }
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
    float* at = keptAt(row, block);
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
      for (int j = 0; j < panelVectors; j++) {
        float* to = at + t * stripRow + j * LANES;
        const vf g = select(share[j] != all(0.0f), load(to) * share[j], all(0.0f));
        store(to, mode == rounding ? rounded(g) : g);
      }
    }
    targetsIn(block, r0, row, end, [&](int64_t, int64_t lane, int64_t token) { at[token * stripRow + lane] = wanted[lane]; });
  }

  // The same in pairs: those of neighbouring rows in place, those of neighbouring tokens in the worker's own memory.
  void pairedGradients(int64_t block, int64_t r0, int64_t row, int64_t end) {
    float *at = keptAt(row, block), *across = ownGradients(row);
    const float* shares = most + block * l.chunk + row;
    uint16_t *halves = (uint16_t*)at, *acrossBf16 = (uint16_t*)across, wanted[panel];
    targetsIn(block, r0, row, end, [&](int64_t, int64_t lane, int64_t token) {
      const float e = asFloat((uint32_t)halves[2 * token * stripRow + lane] << 16);
      wanted[lane] = (uint16_t)(roundedBits(e * shares[lane] - factor) >> 16);
    });
    vf share[panelVectors];
    for (int j = 0; j < panelVectors; j++) share[j] = load(shares + j * LANES);
    const int64_t tokens = tokensOf(block);
    for (int64_t t = 0; t < tokens; t += 2) {
      vf g[2][panelVectors];
      for (int64_t i = 0; i < 2; i++) {
        if (t + i < tokens) loadPairs(at + (t + i) * stripRow, g[i]);
        for (int j = 0; j < panelVectors; j++)
          g[i][j] = t + i < tokens ? select(share[j] != all(0.0f), g[i][j] * share[j], all(0.0f)) : all(0.0f);
        if (t + i < tokens) storePairs(at + (t + i) * stripRow, g[i]);
      }
      for (int j = 0; j < panelVectors; j++) store(across + t / 2 * stripRow + j * LANES, pairsOf(g[0][j], g[1][j]));
    }
    targetsIn(block, r0, row, end, [&](int64_t, int64_t lane, int64_t token) {
      halves[2 * token * stripRow + lane] = wanted[lane];
      acrossBf16[2 * (token / 2 * stripRow + lane) + token % 2] = wanted[lane];
    });
  }

  // Gradients of this worker's logits, and a block of them its part of dx while it is in the cache. The last block comes first:
  // it was made last.
  void backwardOfRows(int64_t r0, int64_t end) {
    const Tensor* dx = s.outputs[4];
    Product p = {};
    p.row = l.width;
    for (int64_t block = l.blocks - 1; block >= 0; block--) {
      const int64_t tokens = tokensOf(block), units = unitsOf(mode, tokens);
      for (int64_t row = mine.begin; row < end; row += panel)
        PAIRED ? pairedGradients(block, r0, row, end) : gradients(block, r0, row, end);
      if (dx == nullptr) continue;
      const float* from = panels + (size_t)block * panelsSize(l, mode);
      for (int64_t first = mine.begin, last; first < end; first = last) {
        last = first / depth * depth + depth < end ? first / depth * depth + depth : end;
        const Strips of = stripsOf(last - first, full);
        const float* a = PAIRED ? ownGradients(first) : keptAt(first, block);
        p.c = dx->data + (r0 + first) * l.width;
        const StripBegins begins = stripBeginsOf(of, 0, of.count);
        const int64_t next = block > 0 ? (int64_t)panelsSize(l, mode) : 0;
        const int64_t tiles = (l.width + panel - 1) / panel * of.count;
        Ahead ahead = aheadOf(from - next, panel, next / panel, panel, tiles);
        Ahead before = block > 0 ? keptAhead(block - 1, first, last, tiles) : Ahead{};
        for (int64_t n0 = 0; n0 < l.width; n0 += panel)
          for (int64_t i = 0; i < of.count; i++) {
            const int64_t begin = begins.at[i], count = begins.at[i + 1] - begin;
            ahead.fetchSome();
            before.fetchSome();
            registerTileOf(stripKernel<PAIRED, apart>((int)count), p, units, a + begin, from + n0 * units, begin, count, n0,
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

  // This worker's tokens of dTable, from all rows of the chunk: logits' gradients are read as they lie.
  void backwardOfTable(int64_t r0, int64_t some) {
    const int64_t xPanels = (l.width + panel - 1) / panel, group = depth / registerRows;
    const Strips of = stripsOf(l.v, full);
    const Range tokens = share(of.count, w.index, w.count);
    Product p = {};
    p.row = l.width;
    p.c = s.outputs[5]->data;
    for (int64_t first = tokens.begin; first < tokens.end; first += group) {
      const int64_t last = first + group < tokens.end ? first + group : tokens.end;
      const int64_t after = last + group < tokens.end ? last + group : tokens.end;
      const StripBegins begins = stripBeginsOf(of, first, last);
      const int64_t next = begins.at[last - first], ahead = stripBegin(of, after, full) - next;
      for (int64_t k = 0; k * depth < some; k++) {
        const int64_t rows = rowsOfBlock(k, some), units = unitsOf(mode, rows);
        const float* a = keptAt(k * depth, 0);
        Ahead nextTokens = aheadOf(a + next * stripRow, stripRow, ahead, units, xPanels * (last - first));
        for (int64_t n0 = 0; n0 < l.width; n0 += panel)
          for (int64_t i = 0; i < last - first; i++) {
            const int64_t begin = begins.at[i], count = begins.at[i + 1] - begin;
            nextTokens.fetchSome();
            registerTileOf(stripKernel<PAIRED, byRows>((int)count), p, units, a + begin * stripRow, straightAt(k) + n0 * units, begin, count,
                           n0, l.width - n0 < panel ? l.width - n0 : panel, adds(s, 5) || r0 > 0 || k > 0);
          }
      }
    }
  }

  void run() {
    packTable(mode, l, table, s.outputs[4] != nullptr, strips, panels, w);
    w.barrier(w.pool);
    for (int64_t r0 = 0; r0 < l.rows; r0 += l.chunk) {
      const int64_t some = l.rows - r0 < l.chunk ? l.rows - r0 : l.chunk;
      mine = share(upTo(some, panel), w.index, w.count, panel);
      const int64_t end = mine.end < some ? mine.end : some;
      if (mine.begin < end) {
        forward(r0, end);
        if (l.gradient) backwardOfRows(r0, end);
      }
      if (s.outputs[5] != nullptr) {
        packRows(r0, some);
        w.barrier(w.pool);
        backwardOfTable(r0, some);
      }
      w.barrier(w.pool);
    }
    if (s.outputs[0] != nullptr && w.index == 0) s.outputs[0]->data[0] = meanLoss(w.shared.partial, l.rows, counted);
  }
};

template <bool PAIRED>
static void lossByTokens(const Step& s, Worker& w, Mode mode, const LossShape& l, int64_t counted) {
  float* most = w.shared.partial + upTo(l.rows, LANES);
  LossByTokens<PAIRED> loss = {s, w, mode, l, counted, s.inputs[0]->data, s.inputs[1]->data, (const int32_t*)s.inputs[2]->data,
                               l.gradient ? s.inputs[3]->data[0] / (float)counted : 0.0f, w.shared.rows, w.shared.partial, most,
                               most + l.blocks * l.chunk, w.shared.left, w.shared.rightSecond, w.shared.right,
                               w.shared.rightThird, w.shared.rows + lossLogits(l) + lossOwn(mode) * (size_t)w.index, {0, 0}};
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

// The output layer and its loss where products run on matrix tiles: each gradient's product wants its own order of the logits'
// gradient, so a chunk of logits is packed for each.
#pragma once

#include <cmath>

#include "linear.h"

namespace trainyard {
namespace {

#if defined(TRAINYARD_TILES)
constexpr bool lossByRows = true;
#else
constexpr bool lossByRows = false;
#endif

// Small enough that a chunk's logits stay in the caches from the product to the gradients.
constexpr int64_t chunkRows = 128;

FORCE int64_t chunkOf(int64_t rows) { return rows < chunkRows ? rows : chunkRows; }
FORCE int64_t lossRow(int64_t vocabulary) { return upTo(vocabulary, 16); }

// One row of logits [V]: its log-sum-exp, and whether no logit is larger than the target's. With `gradient`, the row becomes
// (softmax - one at the target) · factor. `given` is the log-sum-exp when it is known.
static float lossOfRow(float* row, int64_t v, int32_t target, const float* given, bool gradient, float factor, float* correct) {
  const int64_t even = v - v % LANES;
  const float logit = row[target];
  float sumExp = 0.0f, most = 0.0f, logSumExp;
  if (given == nullptr) {
    vf m = all(row[0]);
    for (int64_t i = 0; i < even; i += LANES) m = maximum(m, load(row + i));
    most = largest(m);
    for (int64_t i = even; i < v; i++) most = row[i] > most ? row[i] : most;
    vf s = all(0.0f), s2 = all(0.0f);
    int64_t i = 0;
    for (; i + 2 * LANES <= even; i += 2 * LANES) {
      const vf e = exponential(load(row + i) - all(most)), e2 = exponential(load(row + i + LANES) - all(most));
      s = s + e;
      s2 = s2 + e2;
      if (gradient) {
        store(row + i, e);
        store(row + i + LANES, e2);
      }
    }
    for (; i < v; i += LANES) {
      const int64_t some = v - i < LANES ? v - i : LANES;
      const vi inside = lanes() < allInts((int32_t)some);
      const vf e = select(inside, exponential(load(row + i, some) - all(most)), all(0.0f));
      s = s + e;
      if (gradient) store(row + i, e, some);
    }
    sumExp = sum(s + s2);
    logSumExp = most + std::log(sumExp);
  } else {
    logSumExp = *given;
  }
  if (correct != nullptr) *correct = logit >= most ? 1.0f : 0.0f;
  if (gradient) {
    // The exponentials are there already, unless the log-sum-exp came from elsewhere.
    const vf share = all(factor / sumExp);
    for (int64_t i = 0; i < v; i += LANES) {
      const int64_t some = v - i < LANES ? v - i : LANES;
      const vf e = load(row + i, some);
      store(row + i, given == nullptr ? e * share : exponential(e - all(logSumExp)) * all(factor), some);
    }
    row[target] -= factor;
  }
  return logSumExp;
}

// How many rows have a target, at least one; -1 when one of them is not a token.
static int64_t countTargets(const Step& s, Worker& w, int64_t rows, int64_t v) {
  const int32_t* targets = (const int32_t*)s.inputs[2]->data;
  int64_t counted = 0;
  for (int64_t r = 0; r < rows; r++) {
    if (targets[r] < -1 || targets[r] >= v) {
      raise(w, "target %ld is not a token: the vocabulary has %ld", targets[r], v);
      return -1;
    }
    if (targets[r] != -1) counted++;
  }
  return counted == 0 ? 1 : counted;
}

static float meanLoss(const float* perRow, int64_t rows, int64_t counted) {
  double total = 0.0;
  for (int64_t r = 0; r < rows; r++) total += perRow[r];
  return (float)(total / (double)counted);
}

static void projectionLossPaired(const Step& s, Worker& w, int64_t counted) {
  const Tensor *x = s.inputs[0], *table = s.inputs[1], *targetsTensor = s.inputs[2];
  const Tensor *dLoss = s.inputs[3], *given = s.inputs[4];
  const Tensor *loss = s.outputs[0], *losses = s.outputs[1], *correct = s.outputs[2], *logSumExp = s.outputs[3];
  const Tensor *dx = s.outputs[4], *dTable = s.outputs[5];
  const int64_t rows = rowsOf(x), width = widthOf(x), v = table->shape[0];
  const int32_t* targets = (const int32_t*)targetsTensor->data;
  const bool gradient = dx != nullptr || dTable != nullptr;
  const float factor = gradient ? dLoss->data[0] / (float)counted : 0.0f;
  const Mode mode = modeOf(w.precision);
  const int64_t most = chunkOf(rows), row = lossRow(v);
  float* logits = w.shared.rows;
  float* perRow = w.shared.partial;

  for (int64_t r0 = 0; r0 < rows; r0 += most) {
    const int64_t some = rows - r0 < most ? rows - r0 : most;
    Product p = {};
    p.m = some;
    p.k = width;
    p.n = v;
    p.a = {x->data + r0 * width, width, false};
    p.b = {table->data, width, true};
    p.c = logits;
    p.row = row;
    if (r0 == 0) {
      // The table is packed once for all chunks, both ways when gradients are wanted.
      if (s.transposed == nullptr) packAllRight(mode, p.b, width, v, w.shared.right, w);
      else if (w.packedVersions[s.transposed->slot] != w.versions[s.transposed->held]) {
        packAllRight(mode, p.b, width, v, s.transposed->data, w);
        w.packedVersions[s.transposed->slot] = w.versions[s.transposed->held];
      }
      if (dx != nullptr) packAllRight(mode, {table->data, width, false}, v, width, w.shared.rightSecond, w);
    }
    packAllLeft(mode, p.a, some, width, w.shared.left, w);
    w.barrier(w.pool);
    multiply(mode, p, w.shared.left, s.transposed != nullptr ? s.transposed->data : w.shared.right, w);
    w.barrier(w.pool);

    const Range mine = share(some, w.index, w.count);
    for (int64_t i = mine.begin; i < mine.end; i++) {
      const int64_t r = r0 + i;
      float* at = logits + i * row;
      if (targets[r] == -1) {
        // Its log-sum-exp is defined all the same; nothing flows back from it.
        const float value = lossOfRow(at, v, 0, given != nullptr ? given->data + r : nullptr, false, 0.0f, nullptr);
        if (gradient) std::memset(at, 0, (size_t)v * 4);
        if (losses != nullptr) losses->data[r] = 0.0f;
        if (correct != nullptr) correct->data[r] = 0.0f;
        if (logSumExp != nullptr) logSumExp->data[r] = value;
        perRow[r] = 0.0f;
        continue;
      }
      const float logit = at[targets[r]];
      const float value = lossOfRow(at, v, targets[r], given != nullptr ? given->data + r : nullptr, gradient, factor,
                                    correct != nullptr ? correct->data + r : nullptr);
      perRow[r] = value - logit;
      if (losses != nullptr) losses->data[r] = value - logit;
      if (logSumExp != nullptr) logSumExp->data[r] = value;
    }
    w.barrier(w.pool);

    if (dx != nullptr) {
      Product g = {};
      g.m = some;
      g.k = v;
      g.n = width;
      g.a = {logits, row, false};
      g.c = dx->data + r0 * width;
      g.row = width;
      g.add = adds(s, 4);
      packAllLeft(mode, g.a, some, v, w.shared.left, w);
      w.barrier(w.pool);
      multiply(mode, g, w.shared.left, w.shared.rightSecond, w);
      w.barrier(w.pool);
    }
    if (dTable != nullptr) {
      Product g = {};
      g.m = v;
      g.k = some;
      g.n = width;
      g.a = {logits, row, true};
      g.b = {x->data + r0 * width, width, false};
      g.c = dTable->data;
      g.row = width;
      g.add = adds(s, 5) || r0 > 0;
      product(g, nullptr, w.shared.left, w.shared.rightThird, w);
      w.barrier(w.pool);
    }
  }
  if (loss != nullptr && w.index == 0) loss->data[0] = meanLoss(perRow, rows, counted);
}

}  // namespace
}  // namespace trainyard

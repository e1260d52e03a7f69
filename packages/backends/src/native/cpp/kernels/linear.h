// linear and its two backward steps.
#pragma once

#include "int8.h"
#include "normalisation.h"

namespace trainyard {
namespace {

// The rows of x, normalised, in this worker's own memory: few enough that doing it again costs less than waiting for others. They may be
// there already.
static const float* normalised(const Step& s, Worker& w) {
  const Tensor* x = s.inputs[0];
  const int64_t rows = rowsOf(x), width = widthOf(x);
  const float* gain = s.inputs[4]->data;
  for (int64_t r = 0; !s.sameRows && r < rows; r++) {
    const float* from = x->data + r * width;
    if (s.rms) rmsRow(from, width, gain, s.epsilon, w.local + r * width);
    else normaliseRow(from, width, gain, dataOf(s.inputs[5]), s.epsilon, w.local + r * width);
  }
  return w.local;
}

static void linear(const Step& s, Worker& w) {
  const Tensor *x = s.inputs[0], *weight = s.inputs[1];
  Product p = {};
  p.m = rowsOf(x);
  p.k = widthOf(x);
  p.n = weight->shape[0];
  p.a = {s.inputs[4] != nullptr ? normalised(s, w) : x->data, p.k, false};
  p.b = {weight->data, p.k, true};
  p.row = p.n;
  p.bias = dataOf(s.inputs[2]);
  p.residual = dataOf(s.inputs[3]);
  p.gate = dataOf(s.inputs[6]);
  p.gelu = dataOf(s.outputs[1]);
  p.quick = modeOf(w.precision) == paired;
  // When only gelu(y) is wanted, y itself is computed in its place.
  p.c = s.outputs[0] != nullptr ? s.outputs[0]->data : p.gelu;
  if (s.transposed != nullptr && s.transposed->form == formInt8) fewInt8(p, *s.transposed, s.sameRows, w);
  else if (takesFew(p.m, s.transposed, modeOf(w.precision))) fewRows(p, *s.transposed, s.sameRows, w);
  else product(p, s.transposed, w.shared.left, w.shared.right, w);
}

static void linearBackwardInput(const Step& s, Worker& w) {
  const Tensor *dy = s.inputs[0], *weight = s.inputs[1];
  Product p = {};
  p.m = rowsOf(dy);
  p.k = weight->shape[0];
  p.n = weight->shape[1];
  p.a = {dy->data, p.k, false};
  p.b = {weight->data, p.n, false};
  p.row = p.n;
  p.geluX = dataOf(s.inputs[2]);
  p.quick = modeOf(w.precision) == paired;
  p.c = s.outputs[0]->data;
  p.add = adds(s, 0);
  product(p, s.straight, w.shared.left, w.shared.right, w);
}

static void linearBackwardWeight(const Step& s, Worker& w) {
  const Tensor *dy = s.inputs[0], *x = s.inputs[1], *dWeight = s.outputs[0], *dBias = s.outputs[1];
  const int64_t rows = rowsOf(dy), width = widthOf(dy);
  if (dBias != nullptr) {
    // A few vectors side by side, so that whole lines of several rows are on their way at once.
    constexpr int64_t wide = 8 * LANES;
    const Range mine = share(width, w.index, w.count, LANES);
    int64_t o = mine.begin;
    for (; o + wide <= mine.end; o += wide) {
      vf sums[8];
      for (int64_t j = 0; j < 8; j++) sums[j] = adds(s, 1) ? load(dBias->data + o + j * LANES) : all(0.0f);
      for (int64_t r = 0; r < rows; r++)
        for (int64_t j = 0; j < 8; j++) sums[j] = sums[j] + load(dy->data + r * width + o + j * LANES);
      for (int64_t j = 0; j < 8; j++) store(dBias->data + o + j * LANES, sums[j]);
    }
    for (; o < mine.end; o += LANES) {
      const int64_t some = mine.end - o < LANES ? mine.end - o : LANES;
      vf sum = adds(s, 1) ? load(dBias->data + o, some) : all(0.0f);
      for (int64_t r = 0; r < rows; r++) sum = sum + load(dy->data + r * width + o, some);
      store(dBias->data + o, sum, some);
    }
  }
  if (dWeight == nullptr) return;
  Product p = {};
  p.m = width;
  p.k = rows;
  p.n = widthOf(x);
  p.a = {dy->data, width, true};
  const Recomputed recomputed = {s.gelu, dataOf(s.inputs[2]), dataOf(s.inputs[3]), dataOf(s.inputs[4]), dataOf(s.inputs[5])};
  p.b = {x->data, p.n, false, recomputed.gelu || recomputed.gain != nullptr ? &recomputed : nullptr};
  p.row = p.n;
  p.c = dWeight->data;
  p.add = adds(s, 0);
  product(p, nullptr, w.shared.left, w.shared.right, w);
}

}  // namespace
}  // namespace trainyard

// gradientNorm and adamW: every number is read and written once.
#pragma once

#include <cmath>

#include "elementwise.h"

namespace trainyard {
namespace {

// Floats in a stretch that is summed in float32 before it joins the double-precision total.
constexpr int64_t stretch = 4096;

// Stretches of all tensors together. Each has a sum of its own, so that the total has the same bits for any number of workers.
FORCE int64_t stretchesOf(const Step& s) {
  int64_t count = 0;
  for (int t = 0; t < s.inputCount; t++) count += (s.inputs[t]->size + stretch - 1) / stretch;
  return count;
}

static void gradientNorm(const Step& s, Worker& w) {
  double* sums = (double*)w.shared.partial;
  for (int t = 0; t < s.inputCount; t++) {
    const float* g = s.inputs[t]->data;
    const Range mine = share(s.inputs[t]->size, w.index, w.count, stretch);
    for (int64_t from = mine.begin; from < mine.end; from += stretch) {
      const int64_t end = mine.end - from < stretch ? mine.end : from + stretch;
      vf a = all(0.0f), b = all(0.0f), c = all(0.0f), d = all(0.0f);
      int64_t i = from;
      for (; i + 4 * LANES <= end; i += 4 * LANES) {
        const vf p = load(g + i), q = load(g + i + LANES), r = load(g + i + 2 * LANES), u = load(g + i + 3 * LANES);
        a = a + p * p;
        b = b + q * q;
        c = c + r * r;
        d = d + u * u;
      }
      for (; i < end; i += LANES) {
        const vf p = take(g + i, end - i < LANES ? end - i : LANES);
        a = a + p * p;
      }
      sums[from / stretch] = (double)sum((a + b) + (c + d));
    }
    sums += (s.inputs[t]->size + stretch - 1) / stretch;
  }
  w.barrier(w.pool);
  if (w.index != 0) return;
  const double* partial = (const double*)w.shared.partial;
  const int64_t count = stretchesOf(s);
  double total = 0.0;
  for (int64_t i = 0; i < count; i++) total += partial[i];
  const double norm = std::sqrt(total);
  float scale = 1.0f;
  if (!std::isfinite(norm)) scale = NAN;
  else if (s.maximum > 0.0f && (double)s.maximum / (norm + 1e-6) < 1.0) scale = (float)((double)s.maximum / (norm + 1e-6));
  if (s.outputs[0] != nullptr) s.outputs[0]->data[0] = (float)norm;
  if (s.outputs[1] != nullptr) s.outputs[1]->data[0] = scale;
}

static void adamW(const Step& s, Worker& w) {
  const float scale = s.inputs[4]->data[0];
  if (!std::isfinite(scale)) return;
  float *parameter = s.inputs[0]->data, *m = s.inputs[2]->data, *v = s.inputs[3]->data;
  const float* g = s.inputs[1]->data;
  const double rate = s.inputs[5]->data[0];
  const double step = *(const int32_t*)s.inputs[6]->data;
  const vf factor = all(scale), beta1 = all((float)s.beta1), beta2 = all((float)s.beta2);
  const vf rest1 = all((float)(1.0 - s.beta1)), rest2 = all((float)(1.0 - s.beta2));
  const vf first = all((float)(rate / (1.0 - std::pow(s.beta1, step))));
  const vf second = all((float)(1.0 / std::sqrt(1.0 - std::pow(s.beta2, step))));
  const vf epsilon = all((float)s.adamEpsilon), kept = all((float)(rate * s.weightDecay));
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    const vf gradient = take(g + i, some) * factor, p = take(parameter + i, some);
    const vf m1 = beta1 * take(m + i, some) + rest1 * gradient;
    const vf v1 = beta2 * take(v + i, some) + rest2 * gradient * gradient;
    give(m + i, m1, some);
    give(v + i, v1, some);
    give(parameter + i, p - (first * m1 / (squareRoot(v1) * second + epsilon) + kept * p), some);
  });
}

}  // namespace
}  // namespace trainyard

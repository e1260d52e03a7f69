// rope: pairs of a head's elements, half its width apart, turned by an angle that grows with the position.
#pragma once

#include "functions.h"

namespace trainyard {
namespace {

// Floats of a worker: frequencies, cosines and sines of half a head, in whole vectors.
FORCE size_t ropeLocal(const Step& s) { return (size_t)(3 * upTo(widthOf(s.inputs[0]) / s.heads / 2, LANES)); }

static void rope(const Step& s, Worker& w) {
  const Tensor *x = s.inputs[0], *y = s.outputs[0];
  const int64_t batch = x->shape[0], time = x->shape[1], row = widthOf(x), width = row / s.heads, half = width / 2;
  const int32_t* offsets = (const int32_t*)s.inputs[1]->data;
  const bool isShared = s.inputs[1]->size == 1;
  const int64_t padded = upTo(half, LANES);
  float *frequencies = w.local, *cosines = frequencies + padded, *sines = cosines + padded;
  const double ratio = std::pow(s.theta, -1.0 / (double)half);
  double frequency = 1.0;
  for (int64_t d = 0; d < padded; d++, frequency *= ratio) frequencies[d] = (float)frequency;
  const vf direction = all(s.inverse ? -1.0f : 1.0f);
  // Positions before sequences: each angle is taken once where sequences share their offset.
  const Range mine = share(time * batch, w.index, w.count);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t t = i / batch, b = i % batch;
    if (!isShared || b == 0 || i == mine.begin)
      for (int64_t d = 0; d < padded; d += LANES) {
        const vf angle = all((float)(offsets[isShared ? 0 : b] + t)) * load(frequencies + d);
        store(cosines + d, sineOf<1>(angle));
        store(sines + d, sineOf<0>(angle) * direction);
      }
    for (int64_t head = 0; head < s.heads; head++) {
      const int64_t place = (b * time + t) * row + head * width;
      const float* from = x->data + place;
      float* to = y->data + place;
      for (int64_t d = 0; d < half; d += LANES) {
        const int64_t some = half - d < LANES ? half - d : LANES;
        const vf first = load(from + d, some), second = load(from + half + d, some);
        const vf cosine = load(cosines + d), sine = load(sines + d);
        vf low = first * cosine - second * sine, high = second * cosine + first * sine;
        if (adds(s, 0)) {
          low = low + load(to + d, some);
          high = high + load(to + half + d, some);
        }
        store(to + d, low, some);
        store(to + half + d, high, some);
      }
    }
  }
}

}  // namespace
}  // namespace trainyard

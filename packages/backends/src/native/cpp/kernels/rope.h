// rope: pairs of a head's elements, half its width apart, rotated by an angle that grows with the position.
#pragma once

#include "functions.h"

namespace trainyard {
namespace {

// Cosines and sines of half a head, in whole vectors, in a worker's own memory.
struct Rotation {
  int64_t half, padded;
  float *frequencies, *cosines, *sines;
};
FORCE size_t rotationSize(int64_t width) { return (size_t)(3 * upTo(width / 2, LANES)); }
static Rotation rotationOf(int64_t width, double theta, float* local) {
  Rotation t;
  t.half = width / 2, t.padded = upTo(t.half, LANES);
  t.frequencies = local, t.cosines = local + t.padded, t.sines = t.cosines + t.padded;
  const double ratio = std::pow(theta, -1.0 / (double)t.half);
  double frequency = 1.0;
  for (int64_t d = 0; d < t.padded; d++, frequency *= ratio) t.frequencies[d] = (float)frequency;
  return t;
}
static void rotateTo(const Rotation& t, int64_t position, bool inverse) {
  const vf direction = all(inverse ? -1.0f : 1.0f);
  for (int64_t d = 0; d < t.padded; d += LANES) {
    const vf angle = all((float)position) * load(t.frequencies + d);
    store(t.cosines + d, sineOf<1>(angle));
    store(t.sines + d, sineOf<0>(angle) * direction);
  }
}
// One head, which may stay where it is.
static void rotateHead(const Rotation& t, const float* from, float* to, bool add) {
  for (int64_t d = 0; d < t.half; d += LANES) {
    const int64_t some = t.half - d < LANES ? t.half - d : LANES;
    const vf first = load(from + d, some), second = load(from + t.half + d, some);
    const vf cosine = load(t.cosines + d), sine = load(t.sines + d);
    vf low = first * cosine - second * sine, high = second * cosine + first * sine;
    if (add) {
      low = low + load(to + d, some);
      high = high + load(to + t.half + d, some);
    }
    store(to + d, low, some);
    store(to + t.half + d, high, some);
  }
}

static void rope(const Step& s, Worker& w) {
  const Tensor *x = s.inputs[0], *y = s.outputs[0];
  const int64_t batch = x->shape[0], time = x->shape[1], row = widthOf(x), width = row / s.heads;
  const int32_t* offsets = (const int32_t*)s.inputs[1]->data;
  const bool isShared = s.inputs[1]->size == 1;
  const Rotation rotation = rotationOf(width, s.theta, w.local);
  // Positions before sequences: each angle is taken once where sequences share their offset.
  const Range mine = share(time * batch, w.index, w.count);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t t = i / batch, b = i % batch;
    if (!isShared || b == 0 || i == mine.begin) rotateTo(rotation, offsets[isShared ? 0 : b] + t, s.inverse);
    for (int64_t head = 0; head < s.heads; head++) {
      const int64_t place = (b * time + t) * row + head * width;
      rotateHead(rotation, x->data + place, y->data + place, adds(s, 0));
    }
  }
}

}  // namespace
}  // namespace trainyard

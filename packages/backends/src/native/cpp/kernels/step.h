// What every kernel asks of its step.
#pragma once

#include <cstdio>

#include "../program.h"
#include "vector.h"

namespace trainyard {
namespace {

FORCE int64_t widthOf(const Tensor* t) { return t->shape[t->axes - 1]; }
FORCE int64_t rowsOf(const Tensor* t) { return t->size / widthOf(t); }
FORCE float* dataOf(const Tensor* t) { return t == nullptr ? nullptr : t->data; }
// Says what is wrong with the run's values. Every worker finds the same; the first of them writes it down.
static void raise(Worker& w, const char* format, long a, long b) {
  if (w.index != 0) return;
  std::snprintf(w.failure->message, sizeof w.failure->message, format, a, b);
  w.failure->raised = 1;
}

FORCE void addRow(float* to, const float* from, int64_t width) {
  for (int64_t i = 0; i < width; i += LANES) {
    const int64_t some = width - i < LANES ? width - i : LANES;
    store(to + i, load(to + i, some) + load(from + i, some), some);
  }
}

FORCE bool adds(const Step& s, int output) { return (s.accumulate >> output & 1) != 0; }

}  // namespace
}  // namespace trainyard

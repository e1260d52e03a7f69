// gelu, swiglu and their gradients, add and dropout.
#pragma once

#include "linear.h"

namespace trainyard {
namespace {

template <typename F>
FORCE void each(int64_t size, const Worker& w, F body) {
  const Range mine = share(size, w.index, w.count, 4 * LANES);
  int64_t i = mine.begin;
  for (; i + LANES <= mine.end; i += LANES) body(i, (int64_t)LANES);
  if (i < mine.end) body(i, mine.end - i);
}
FORCE vf take(const float* from, int64_t some) { return some == LANES ? load(from) : load(from, some); }
FORCE void give(float* to, vf v, int64_t some) {
  if (some == LANES) store(to, v);
  else store(to, v, some);
}

static void gelu(const Step& s, Worker& w) {
  const float* x = s.inputs[0]->data;
  float* y = s.outputs[0]->data;
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    give(y + i, geluOf(take(x + i, some)), some);
  });
}

static void geluBackward(const Step& s, Worker& w) {
  const float *dy = s.inputs[0]->data, *x = s.inputs[1]->data;
  float* dx = s.outputs[0]->data;
  const bool add = adds(s, 0);
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    vf v = take(dy + i, some) * geluSlope(take(x + i, some));
    if (add) v = v + take(dx + i, some);
    give(dx + i, v, some);
  });
}

static void swiglu(const Step& s, Worker& w) {
  const float *gate = s.inputs[0]->data, *up = s.inputs[1]->data;
  float* y = s.outputs[0]->data;
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    give(y + i, siluOf(take(gate + i, some)) * take(up + i, some), some);
  });
}

static void swigluBackward(const Step& s, Worker& w) {
  const float *dy = s.inputs[0]->data, *gate = s.inputs[1]->data, *up = s.inputs[2]->data;
  float *dGate = dataOf(s.outputs[0]), *dUp = dataOf(s.outputs[1]);
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    const vf d = take(dy + i, some), g = take(gate + i, some), q = sigmoid(g);
    if (dGate != nullptr) {
      vf v = d * take(up + i, some) * q * (all(1.0f) + g * (all(1.0f) - q));
      if (adds(s, 0)) v = v + take(dGate + i, some);
      give(dGate + i, v, some);
    }
    if (dUp != nullptr) {
      vf v = d * g * q;
      if (adds(s, 1)) v = v + take(dUp + i, some);
      give(dUp + i, v, some);
    }
  });
}

static void addition(const Step& s, Worker& w) {
  const float *a = s.inputs[0]->data, *b = s.inputs[1]->data;
  float* y = s.outputs[0]->data;
  const bool add = adds(s, 0);
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    vf v = take(a + i, some) + take(b + i, some);
    if (add) v = v + take(y + i, some);
    give(y + i, v, some);
  });
}

static void dropout(const Step& s, Worker& w) {
  const float* x = s.inputs[0]->data;
  float* y = s.outputs[0]->data;
  const bool add = adds(s, 0);
  const uint32_t seed = (uint32_t)*(const int32_t*)s.inputs[1]->data;
  const vu base = allBits(seed + s.salt * 0x9E3779B1u);
  const vf scale = all(1.0f / (1.0f - s.rate));
  each(s.inputs[0]->size, w, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    vu h = base + ((vu)lanes() + allBits((uint32_t)i)) * allBits(0x85EBCA77u);
    h ^= h >> 16;
    h *= allBits(0x85EBCA6Bu);
    h ^= h >> 13;
    h *= allBits(0xC2B2AE35u);
    h ^= h >> 16;
    const vf uniform = __builtin_convertvector((vi)(h >> 8), vf) * all(0x1p-24f);
    vf v = select(uniform >= all(s.rate), take(x + i, some) * scale, all(0.0f));
    if (add) v = v + take(y + i, some);
    give(y + i, v, some);
  });
}

}  // namespace
}  // namespace trainyard

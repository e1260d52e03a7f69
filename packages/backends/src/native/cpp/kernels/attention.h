// Causal attention and its gradient, one (sequence, head) pair at a time. Scores exist for a band of 32 queries only, in a
// worker's own memory; the backward pass computes them again from the kept log-sum-exp.
#pragma once

#include <cmath>

#include "linear.h"

namespace trainyard {
namespace {

constexpr int64_t band = 32;

// c [rows, n] (+)= a [rows, k] · b [k, n], all in a worker's memory; n a multiple of `panel`, rows of 8.
static void smallProduct(int64_t rows, int64_t n, int64_t k, const float* a, int64_t aRow, int64_t aStep, const float* b,
                         int64_t bStep, float* c, int64_t cRow, bool add) {
  constexpr int high = registerRows >= 8 ? 8 : 4;
  for (int64_t i = 0; i < rows; i += high)
    for (int64_t j = 0; j < n; j += panel)
      registerTile<high, false>(k, a + i * aRow, aRow, aStep, b + j, bStep, c + i * cRow + j, cRow, add);
}

struct HeadShape {
  int64_t batch, time, channels, heads, width;
  int64_t paddedTime, paddedWidth;
};
FORCE HeadShape headShape(const Tensor* qkv, int heads) {
  HeadShape h;
  h.batch = qkv->shape[0];
  h.time = qkv->shape[1];
  h.channels = qkv->shape[2] / 3;
  h.heads = heads;
  h.width = h.channels / heads;
  h.paddedTime = upTo(h.time, band);
  h.paddedWidth = upTo(h.width, panel);
  return h;
}
// Floats a worker needs for one head.
FORCE size_t attentionLocal(const HeadShape& h, bool backward) {
  return (size_t)((backward ? 8 : 4) * h.paddedTime * h.paddedWidth + (backward ? 2 : 1) * band * h.paddedTime + h.paddedTime);
}

// Rows of one head [time, width] out of a tensor whose rows are `row` apart, zero-padded.
static void gather(const HeadShape& h, const float* from, int64_t row, float* to) {
  for (int64_t t = 0; t < h.paddedTime; t++) {
    float* at = to + t * h.paddedWidth;
    int64_t d = 0;
    if (t < h.time) {
      // Rows of a head lie far apart.
      if (t + rowsAhead < h.time)
        for (int64_t j = 0; j < h.width; j += 16) __builtin_prefetch(from + (t + rowsAhead) * row + j);
      for (; d + LANES <= h.width; d += LANES) store(at + d, load(from + t * row + d));
      for (; d < h.width; d++) at[d] = from[t * row + d];
    }
    for (; d < h.paddedWidth; d++) at[d] = 0.0f;
  }
}
static void scatter(const HeadShape& h, const float* from, float* to, int64_t row) {
  for (int64_t t = 0; t < h.time; t++) {
    int64_t d = 0;
    for (; d + LANES <= h.width; d += LANES) store(to + t * row + d, load(from + t * h.paddedWidth + d));
    for (; d < h.width; d++) to[t * row + d] = from[t * h.paddedWidth + d];
  }
}

static void attention(const Step& s, Worker& w) {
  const HeadShape h = headShape(s.inputs[0], s.heads);
  const float* qkv = s.inputs[0]->data;
  const Tensor *y = s.outputs[0], *logSumExp = s.outputs[1];
  const int64_t size = h.paddedTime * h.paddedWidth, row = 3 * h.channels;
  float *q = w.local, *k = q + size, *v = k + size, *out = v + size, *scores = out + size;
  const float scale = 1.0f / std::sqrt((float)h.width);
  const Range mine = share(h.batch * h.heads, w.index, w.count);
  for (int64_t pair = mine.begin; pair < mine.end; pair++) {
    const int64_t b = pair / h.heads, head = pair % h.heads;
    const float* from = qkv + b * h.time * row + head * h.width;
    gather(h, from, row, q);
    gather(h, from + h.channels, row, out);
    transpose(out, h.paddedWidth, h.paddedTime, h.width, k, h.paddedTime);
    gather(h, from + 2 * h.channels, row, v);
    for (int64_t t0 = 0; t0 < h.time; t0 += band) {
      const int64_t seen = t0 + band;  // keys that some query of the band sees, padding included
      smallProduct(band, seen, h.width, q + t0 * h.paddedWidth, h.paddedWidth, 1, k, h.paddedTime, scores, h.paddedTime, false);
      float inverse[band];
      for (int64_t i = 0; i < band; i++) {
        float* at = scores + i * h.paddedTime;
        const int64_t t = t0 + i, bound = t < h.time ? t : h.time - 1;
        vf m = all(-INFINITY);
        for (int64_t u = 0; u < seen; u += LANES) {
          const vi visible = lanes() <= allInts((int32_t)(bound - u));
          const vf x = select(visible, load(at + u) * all(scale), all(-INFINITY));
          store(at + u, x);
          m = maximum(m, x);
        }
        const float most = largest(m);
        vf total = all(0.0f);
        for (int64_t u = 0; u < seen; u += LANES) {
          const vf p = exponential(load(at + u) - all(most));
          store(at + u, p);
          total = total + p;
        }
        const float sumExp = sum(total);
        inverse[i] = 1.0f / sumExp;
        if (t < h.time && logSumExp != nullptr) logSumExp->data[pair * h.time + t] = most + std::log(sumExp);
      }
      smallProduct(band, h.paddedWidth, seen, scores, h.paddedTime, 1, v, h.paddedWidth, out + t0 * h.paddedWidth, h.paddedWidth,
                   false);
      for (int64_t i = 0; i < band; i++)
        for (int64_t d = 0; d < h.paddedWidth; d += LANES) {
          float* at = out + (t0 + i) * h.paddedWidth + d;
          store(at, load(at) * all(inverse[i]));
        }
    }
    scatter(h, out, y->data + b * h.time * h.channels + head * h.width, h.channels);
  }
}

static void attentionBackward(const Step& s, Worker& w) {
  const Tensor *dyTensor = s.inputs[0], *qkvTensor = s.inputs[1], *yTensor = s.inputs[2], *logSumExp = s.inputs[3];
  const HeadShape h = headShape(qkvTensor, s.heads);
  const int64_t size = h.paddedTime * h.paddedWidth, row = 3 * h.channels;
  float *q = w.local, *k = q + size, *kTurned = k + size, *vTurned = kTurned + size, *dy = vTurned + size;
  float *dq = dy + size, *dk = dq + size, *dv = dk + size, *p = dv + size, *dp = p + band * h.paddedTime;
  float* delta = dp + band * h.paddedTime;
  const float scale = 1.0f / std::sqrt((float)h.width);
  const Range mine = share(h.batch * h.heads, w.index, w.count);
  for (int64_t pair = mine.begin; pair < mine.end; pair++) {
    const int64_t b = pair / h.heads, head = pair % h.heads;
    const float* from = qkvTensor->data + b * h.time * row + head * h.width;
    const int64_t narrow = b * h.time * h.channels + head * h.width;
    gather(h, yTensor->data + narrow, h.channels, dq);
    gather(h, dyTensor->data + narrow, h.channels, dy);
    for (int64_t t = 0; t < h.paddedTime; t++) {
      vf total = all(0.0f);
      for (int64_t d = 0; d < h.paddedWidth; d += LANES)
        total = total + load(dq + t * h.paddedWidth + d) * load(dy + t * h.paddedWidth + d);
      delta[t] = sum(total);
    }
    gather(h, from, row, q);
    gather(h, from + 2 * h.channels, row, k);
    transpose(k, h.paddedWidth, h.paddedTime, h.width, vTurned, h.paddedTime);
    gather(h, from + h.channels, row, k);
    transpose(k, h.paddedWidth, h.paddedTime, h.width, kTurned, h.paddedTime);
    std::memset(dk, 0, (size_t)size * 4);
    std::memset(dv, 0, (size_t)size * 4);
    for (int64_t t0 = 0; t0 < h.time; t0 += band) {
      const int64_t seen = t0 + band;
      smallProduct(band, seen, h.width, q + t0 * h.paddedWidth, h.paddedWidth, 1, kTurned, h.paddedTime, p, h.paddedTime, false);
      smallProduct(band, seen, h.width, dy + t0 * h.paddedWidth, h.paddedWidth, 1, vTurned, h.paddedTime, dp, h.paddedTime,
                   false);
      for (int64_t i = 0; i < band; i++) {
        const int64_t t = t0 + i;
        const bool exists = t < h.time;
        const float known = exists ? logSumExp->data[pair * h.time + t] : 0.0f;
        const int64_t bound = exists ? t : -1;
        for (int64_t u = 0; u < seen; u += LANES) {
          float *at = p + i * h.paddedTime + u, *dAt = dp + i * h.paddedTime + u;
          const vi visible = lanes() <= allInts((int32_t)(bound - u));
          const vf probability =
              select(visible, exponential(load(at) * all(scale) - all(known)), all(0.0f));
          store(at, probability);
          store(dAt, select(visible, probability * (load(dAt) - all(delta[t])) * all(scale), all(0.0f)));
        }
      }
      smallProduct(band, h.paddedWidth, seen, dp, h.paddedTime, 1, k, h.paddedWidth, dq + t0 * h.paddedWidth, h.paddedWidth,
                   false);
      smallProduct(seen, h.paddedWidth, band, dp, 1, h.paddedTime, q + t0 * h.paddedWidth, h.paddedWidth, dk, h.paddedWidth,
                   true);
      smallProduct(seen, h.paddedWidth, band, p, 1, h.paddedTime, dy + t0 * h.paddedWidth, h.paddedWidth, dv, h.paddedWidth,
                   true);
    }
    float* to = s.outputs[0]->data + b * h.time * row + head * h.width;
    scatter(h, dq, to, row);
    scatter(h, dk, to + h.channels, row);
    scatter(h, dv, to + 2 * h.channels, row);
  }
}

FORCE float dot(const float* a, const float* b, int64_t n) {
  vf s = all(0.0f);
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) s = s + load(a + i) * load(b + i);
  if (i < n) s = s + load(a + i, n - i) * load(b + i, n - i);
  return sum(s);
}

// Rows of a cache lie a page apart or nearly, like those of a wide matrix.
FORCE void fetchCached(const float* from, int64_t row, int64_t rows, int64_t channels, int64_t width) {
  if (row + rowsAhead >= rows) return;
  for (int64_t d = 0; d < width; d += 16) __builtin_prefetch(from + (row + rowsAhead) * channels + d);
}

// The row of a cache that a text of the batch has, and how many of its tokens are there.
struct CacheRow {
  int64_t slot, offset;
};
static CacheRow cacheRow(const Tensor* offsets, const Tensor* slots, int64_t b) {
  return {slots == nullptr ? b : ((const int32_t*)slots->data)[b], ((const int32_t*)offsets->data)[offsets->size == 1 ? 0 : b]};
}

// Whether all texts are in the cache. Every worker looks, so that all agree; the first of them says what is wrong.
static bool insideCache(const Tensor* offsets, const Tensor* slots, int64_t batch, int64_t time, const Tensor* keys, Worker& w) {
  for (int64_t b = 0; b < batch; b++) {
    const CacheRow row = cacheRow(offsets, slots, b);
    if (row.offset < 0 || row.offset + time > keys->shape[1]) {
      raise(w, "offset %ld does not fit a key-value cache of %ld rows", (long)row.offset, (long)keys->shape[1]);
      return false;
    }
    if (row.slot < 0 || row.slot >= keys->shape[0]) {
      raise(w, "text %ld does not fit a key-value cache of %ld texts", (long)row.slot, (long)keys->shape[0]);
      return false;
    }
  }
  return true;
}

// T new tokens against a cache: each head is one worker's, who writes its keys and values and then reads them.
static void attentionCached(const Step& s, Worker& w) {
  const Tensor *qkv = s.inputs[0], *keys = s.inputs[1], *values = s.inputs[2];
  const int64_t batch = qkv->shape[0], time = qkv->shape[1], channels = qkv->shape[2] / 3, places = keys->shape[1];
  const int64_t width = channels / s.heads;
  const Tensor *offsets = s.inputs[3], *slots = s.inputs[4];
  if (!insideCache(offsets, slots, batch, time, keys, w)) return;
  const float scale = 1.0f / std::sqrt((float)width);
  float* p = w.local;
  const Range mine = share(batch * s.heads, w.index, w.count);
  for (int64_t pair = mine.begin; pair < mine.end; pair++) {
    const int64_t b = pair / s.heads, head = pair % s.heads;
    const float* from = qkv->data + b * time * 3 * channels + head * width;
    const auto [slot, offset] = cacheRow(offsets, slots, b);
    float* k = keys->data + slot * places * channels + head * width;
    float* v = values->data + slot * places * channels + head * width;
    for (int64_t t = 0; t < time; t++) {
      std::memcpy(k + (offset + t) * channels, from + t * 3 * channels + channels, (size_t)width * 4);
      std::memcpy(v + (offset + t) * channels, from + t * 3 * channels + 2 * channels, (size_t)width * 4);
    }
    if (s.outputs[0] == nullptr) continue;
    for (int64_t t = 0; t < time; t++) {
      const int64_t seen = offset + t + 1;
      float most = -INFINITY;
      for (int64_t u = 0; u < seen; u++) {
        fetchCached(k, u, seen, channels, width);
        p[u] = scale * dot(from + t * 3 * channels, k + u * channels, width);
        most = p[u] > most ? p[u] : most;
      }
      vf total = all(0.0f);
      for (int64_t u = 0; u < seen; u += LANES) {
        const int64_t some = seen - u < LANES ? seen - u : LANES;
        const vf e = select(lanes() < allInts((int32_t)some), exponential(load(p + u, some) - all(most)), all(0.0f));
        store(p + u, e, some);
        total = total + e;
      }
      const float inverse = 1.0f / sum(total);
      float* y = s.outputs[0]->data + (b * time + t) * channels + head * width;
      for (int64_t d = 0; d < width; d += LANES) {
        const int64_t some = width - d < LANES ? width - d : LANES;
        // Four sums, that none waits for the one before.
        vf sums[4] = {all(0.0f), all(0.0f), all(0.0f), all(0.0f)};
        int64_t u = 0;
        for (; u + 4 <= seen; u += 4)
          for (int64_t i = 0; i < 4; i++) {
            if (d == 0) fetchCached(v, u + i, seen, channels, width);
            sums[i] = sums[i] + all(p[u + i]) * load(v + (u + i) * channels + d, some);
          }
        for (; u < seen; u++) sums[0] = sums[0] + all(p[u]) * load(v + u * channels + d, some);
        store(y + d, ((sums[0] + sums[1]) + (sums[2] + sums[3])) * all(inverse), some);
      }
    }
  }
}

}  // namespace
}  // namespace trainyard

// What attention of any kind needs: products in a worker's own memory, and new tokens against a cache.
#pragma once

#include <cmath>

#include "linear.h"

namespace trainyard {
namespace {

constexpr int64_t band = 32;

// c [rows, n] (+)= a [rows, k] · b [k, n], all in a worker's memory; n a multiple of `panel`, rows of 8, k in units.
template <bool PAIRED>
static void smallProduct(int64_t rows, int64_t n, int64_t k, const float* a, int64_t aRow, int64_t aStep, const float* b,
                         int64_t bStep, float* c, int64_t cRow, bool add) {
  constexpr int high = registerRows >= 8 ? 8 : 4;
  for (int64_t i = 0; i < rows; i += high)
    for (int64_t j = 0; j < n; j += panel)
      registerTile<high, PAIRED>(k, a + i * aRow, aRow, aStep, b + j, bStep, c + i * cRow + j, cRow, add);
}

// Whether attention's products take pairs of bf16 too. On tiles they would have to be packed first, which costs more than it brings.
#if defined(TRAINYARD_TILES)
constexpr bool attendsInPairs = false;
#else
constexpr bool attendsInPairs = multipliesBf16;
#endif

// In place, where PAIRED: each row's neighbours become pairs, at the row's beginning. `numbers` is even.
template <bool PAIRED>
FORCE void pairAlong(float* data, int64_t rows, int64_t numbers, int64_t row) {
  if (PAIRED)
    for (int64_t i = 0; i < rows; i++) packAlong(paired, data + i * row, numbers, data + i * row, numbers / 2);
}
// Where PAIRED: rows 2i and 2i + 1 become row i of `to`, which may be where they are. An odd row's partner is zero.
template <bool PAIRED>
FORCE void pairRows(const float* data, int64_t rows, int64_t numbers, int64_t row, float* to) {
  if (PAIRED)
    for (int64_t i = 0; i < rows; i += 2)
      packAcross(paired, data + i * row, i + 1 < rows ? data + (i + 1) * row : nullptr, numbers, to + i / 2 * row);
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

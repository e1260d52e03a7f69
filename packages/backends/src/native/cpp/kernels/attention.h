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

// New tokens of one text, whose heads share keys and values in groups. Rows that are new are read where they are given, so that whoever writes
// them into the cache need not be waited for.
struct CachedText {
  int64_t time, offset, places, width, perGroup;
  const float *query, *key, *value;  // of the first new token
  int64_t queryRow, newRow;
  float *keys, *values;  // of the text's first token
  int64_t cacheRow;
  float* y;
  int64_t yRow;
  // Value rows are added up in four sums in turn, whose last rows, fewer than four, and where this is not set the new ones too, go to the first.
  bool newInTurn;
  float scale;
  const float* keyAt(int64_t u) const { return u < offset ? keys + u * cacheRow : key + (u - offset) * newRow; }
  const float* valueAt(int64_t u) const { return u < offset ? values + u * cacheRow : value + (u - offset) * newRow; }
};

// Floats of a worker: scores of each head, its four sums of values, and one over its sum of exponentials.
FORCE size_t cachedLocal(int64_t heads, int64_t places, int64_t width) {
  return (size_t)(heads * (places + 4 * upTo(width, LANES) + 1));
}

// Scores of one head become exponentials; gives one over their sum.
FORCE float cachedSoftmax(float* p, int64_t seen) {
  float most = -INFINITY;
  for (int64_t u = 0; u < seen; u++) most = p[u] > most ? p[u] : most;
  vf total = all(0.0f);
  for (int64_t u = 0; u < seen; u += LANES) {
    const int64_t some = seen - u < LANES ? seen - u : LANES;
    const vf e = select(lanes() < allInts((int32_t)some), exponential(load(p + u, some) - all(most)), all(0.0f));
    store(p + u, e, some);
    total = total + e;
  }
  return 1.0f / sum(total);
}

// Calls `each` with heads [first, last) and where the keys and values of each lie in a row.
template <typename F>
FORCE void forHeads(const CachedText& c, int64_t first, int64_t last, F each) {
  int64_t column = first / c.perGroup * c.width, left = c.perGroup - first % c.perGroup;
  for (int64_t h = first; h < last; h++) {
    each(h, column);
    if (--left > 0) continue;
    left = c.perGroup;
    column += c.width;
  }
}

// One new token, for heads [first, last). A row of the cache is read for all heads at once, so that memory is read in its order: with
// several texts their caches are in no near one.
static void attendCachedToken(const CachedText& c, int64_t t, int64_t first, int64_t last, float* local) {
  const int64_t seen = c.offset + t + 1, wide = upTo(c.width, LANES), heads = last - first, all4 = heads * wide;
  float *p = local, *sums = p + heads * c.places, *inverse = sums + 4 * all4;
  const int64_t inTurn = (c.newInTurn ? seen : c.offset) / 4 * 4;
  const float* q = c.query + t * c.queryRow;
  for (int64_t u = 0; u < seen; u++) {
    const float* k = c.keyAt(u);
    forHeads(c, first, last, [&](int64_t h, int64_t column) {
      p[(h - first) * c.places + u] = c.scale * dot(q + h * c.width, k + column, c.width);
    });
  }
  for (int64_t h = 0; h < heads; h++) inverse[h] = cachedSoftmax(p + h * c.places, seen);
  for (int64_t i = 0; i < 4 * all4; i += LANES) store(sums + i, all(0.0f));
  for (int64_t u = 0; u < seen; u++) {
    const float* v = c.valueAt(u);
    float* to = sums + (u < inTurn ? u % 4 : 0) * all4;
    forHeads(c, first, last, [&](int64_t h, int64_t column) {
      const vf weight = all(p[(h - first) * c.places + u]);
      const float* from = v + column;
      int64_t d = 0;
      for (; d + LANES <= c.width; d += LANES) store(to + d, load(to + d) + weight * load(from + d));
      if (d < c.width) store(to + d, load(to + d) + weight * load(from + d, c.width - d));
      to += wide;
    });
  }
  for (int64_t h = 0; h < heads; h++) {
    float* y = c.y + t * c.yRow + (first + h) * c.width;
    for (int64_t d = 0; d < c.width; d += LANES) {
      const float* at = sums + h * wide + d;
      const vf total = (load(at) + load(at + all4)) + (load(at + 2 * all4) + load(at + 3 * all4));
      store(y + d, total * all(inverse[h]), c.width - d < LANES ? c.width - d : LANES);
    }
  }
}

// Heads [first, last): writes their keys and values, and then attends, where that is wanted.
static void attendCached(const CachedText& c, int64_t first, int64_t last, float* local) {
  for (int64_t h = first; h < last; h++) {
    if (h % c.perGroup != 0) continue;
    const int64_t column = h / c.perGroup * c.width;
    for (int64_t t = 0; t < c.time; t++) {
      std::memcpy(c.keys + (c.offset + t) * c.cacheRow + column, c.key + t * c.newRow + column, (size_t)c.width * 4);
      std::memcpy(c.values + (c.offset + t) * c.cacheRow + column, c.value + t * c.newRow + column, (size_t)c.width * 4);
    }
  }
  if (c.y == nullptr) return;
  // Of many tokens, a head's part of the cache stays near from one to the next.
  const int64_t together = c.time == 1 ? last - first : 1;
  for (int64_t h = first; h < last; h += together)
    for (int64_t t = 0; t < c.time; t++) attendCachedToken(c, t, h, h + together, local);
}

// This worker's share of the heads of all texts, text by text. `textOf` gives text b.
template <typename F>
FORCE void attendTexts(int64_t batch, int64_t heads, Worker& w, F textOf) {
  const Range mine = share(batch * heads, w.index, w.count);
  for (int64_t pair = mine.begin, taken; pair < mine.end; pair += taken) {
    const int64_t first = pair % heads;
    taken = mine.end - pair < heads - first ? mine.end - pair : heads - first;
    attendCached(textOf(pair / heads), first, first + taken, w.local);
  }
}

// T new tokens against a cache.
static void attentionCached(const Step& s, Worker& w) {
  const Tensor *qkv = s.inputs[0], *keys = s.inputs[1], *values = s.inputs[2];
  const int64_t batch = qkv->shape[0], time = qkv->shape[1], channels = qkv->shape[2] / 3, places = keys->shape[1];
  const int64_t width = channels / s.heads;
  const Tensor *offsets = s.inputs[3], *slots = s.inputs[4];
  if (!insideCache(offsets, slots, batch, time, keys, w)) return;
  attendTexts(batch, s.heads, w, [&](int64_t b) {
    const auto [slot, offset] = cacheRow(offsets, slots, b);
    const float* from = qkv->data + b * time * 3 * channels;
    CachedText c = {};
    c.time = time, c.offset = offset, c.places = places, c.width = width, c.perGroup = 1;
    c.query = from, c.key = from + channels, c.value = from + 2 * channels;
    c.queryRow = c.newRow = 3 * channels;
    c.keys = keys->data + slot * places * channels;
    c.values = values->data + slot * places * channels;
    c.cacheRow = channels;
    c.y = s.outputs[0] == nullptr ? nullptr : s.outputs[0]->data + b * time * channels;
    c.yRow = channels;
    c.newInTurn = true;
    c.scale = 1.0f / std::sqrt((float)width);
    return c;
  });
}

}  // namespace
}  // namespace trainyard

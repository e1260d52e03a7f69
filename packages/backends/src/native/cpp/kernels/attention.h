// What attention of any kind needs: products in a worker's own memory, and new tokens against a cache.
#pragma once

#include <cmath>

#include "linear.h"

namespace trainyard {
namespace {

constexpr int64_t band = 32;

// c [rows, n] (+)= a [rows, k] · b [k, n], all in a worker's memory; n a multiple of `panel`, rows of 8, k in units. Fetches what comes later, a
// part with each tile.
template <bool PAIRED>
static void smallProduct(int64_t rows, int64_t n, int64_t k, const float* a, int64_t aRow, int64_t aStep, const float* b,
                         int64_t bStep, float* c, int64_t cRow, bool add, Ahead ahead = {}) {
  constexpr int high = registerRows >= 8 ? 8 : 4;
  for (int64_t i = 0; i < rows; i += high)
    for (int64_t j = 0; j < n; j += panel) {
      ahead.fetchSome();
      registerTile<high, PAIRED, false>(k, a + i * aRow, aRow, aStep, b + j, bStep, c + i * cRow + j, cRow, add);
    }
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
  int64_t queryRow, keyRow, valueRow;
  float *keys, *values;  // of the text's first token
  // The same in bf16, which is then what is read of it; null without such a copy.
  uint16_t *keyBf16, *valueBf16;
  int64_t cacheRow;
  float* y;
  int64_t yRow;
  float scale;
};

// Floats of a worker: scores of each head, its sum of values, one over its sum of exponentials, and products of LANES keys.
FORCE size_t cachedLocal(int64_t heads, int64_t places, int64_t width) {
  return (size_t)(heads * (upTo(places, LANES) + upTo(width, LANES) + 1 + LANES * LANES));
}

// Scores of one head become exponentials; gives one over their sum.
FORCE float cachedSoftmax(float* p, int64_t seen) {
  vf largestOf = all(-INFINITY);
  for (int64_t u = 0; u < seen; u += LANES) {
    const vf x = select(lanes() < allInts((int32_t)(seen - u)), load(p + u), all(-INFINITY));
    largestOf = maximum(x, largestOf);
  }
  const vf most = all(largest(largestOf));
  vf total = all(0.0f);
  for (int64_t u = 0; u < seen; u += LANES) {
    const vf e = select(lanes() < allInts((int32_t)(seen - u)), exponential(load(p + u) - most), all(0.0f));
    store(p + u, e);
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

// Rows of a cache that are read at once, for all heads: memory is read in its order, and what is summed over rows is taken up and put down
// less often. So many rows ahead are asked for.
constexpr int64_t cachedRows = 4, cachedAhead = 8;

// The products of q with ROWS keys, not yet summed over the lanes.
template <int ROWS, typename T>
FORCE void keyProducts(const float* q, const T* keys, int64_t row, int64_t width, float* to) {
  vf sums[ROWS];
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; i++) sums[i] = all(0.0f);
  int64_t d = 0;
  for (; d + LANES <= width; d += LANES) {
    const vf some = load(q + d);
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++) sums[i] = sums[i] + some * loadWide(keys + i * row + d);
  }
  if (d < width) {
    const vf some = load(q + d, width - d);
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++) sums[i] = sums[i] + some * loadPart(keys + i * row + d, width - d);
  }
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; i++) store(to + i * LANES, sums[i]);
}

// Adds ROWS rows of values times their weights.
template <int ROWS, typename T>
FORCE void addValues(const float* weights, const T* values, int64_t row, int64_t width, float* to) {
  vf weight[ROWS];
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; i++) weight[i] = all(weights[i]);
  int64_t d = 0;
  for (; d + LANES <= width; d += LANES) {
    vf sum = load(to + d);
#pragma GCC unroll 4
    for (int i = 0; i < ROWS; i++) sum = sum + weight[i] * loadWide(values + i * row + d);
    store(to + d, sum);
  }
  if (d == width) return;
  vf sum = load(to + d);
#pragma GCC unroll 4
  for (int i = 0; i < ROWS; i++) sum = sum + weight[i] * loadPart(values + i * row + d, width - d);
  store(to + d, sum);
}

// Rows [begin, end) of a text's tokens: of its cache, or new ones.
template <typename T>
struct TextRows {
  const T* first;
  int64_t row, begin, end;
  const T* at(int64_t u) const { return first + (u - begin) * row; }
};

// Walks over rows, `cachedRows` of them together where they begin at such a multiple: `each` with the first row's number, its place, and how
// many. Asks for what comes later as it goes, of columns [from, to), in its order.
template <typename T, typename F>
FORCE void overRows(const TextRows<T>& rows, int64_t from, int64_t to, F each) {
  for (int64_t u = rows.begin, count; u < rows.end; u += count) {
    count = u % cachedRows == 0 && u + cachedRows <= rows.end ? cachedRows : 1;
    for (int64_t i = u + cachedAhead; i < u + cachedAhead + count && i < rows.end; i++)
      for (int64_t column = from; column < to; column += (int64_t)(64 / sizeof(T))) __builtin_prefetch(rows.at(i) + column, 0, 3);
    each(u, rows.at(u), count);
  }
}

// What a worker has of one token: of heads [first, last), from its own memory.
struct CachedToken {
  const CachedText& c;
  int64_t first, last, seen, padded, wide;
  const float* q;
  float *scores, *sums, *inverse, *products;
  int64_t from() const { return first / c.perGroup * c.width; }
  int64_t to() const { return ((last - 1) / c.perGroup + 1) * c.width; }

  template <typename T>
  inline __attribute__((always_inline)) void takeKeys(const TextRows<T>& rows) const {
    overRows(rows, from(), to(), [&](int64_t u, const T* at, int64_t count) __attribute__((always_inline)) {
      const int64_t lane = u % LANES;
      forHeads(c, first, last, [&](int64_t h, int64_t column) __attribute__((always_inline)) {
        float* into = products + ((h - first) * LANES + lane) * LANES;
        if (count == cachedRows) keyProducts<cachedRows>(q + h * c.width, at + column, rows.row, c.width, into);
        else keyProducts<1>(q + h * c.width, at + column, rows.row, c.width, into);
      });
      if (lane + count < LANES && u + count < seen) return;
      // Lanes beyond the last key are not looked at.
      for (int64_t h = 0; h < last - first; h++)
        store(scores + h * padded + u - lane, all(c.scale) * sumsOf(products + h * LANES * LANES));
    });
  }

  template <typename T>
  inline __attribute__((always_inline)) void takeValues(const TextRows<T>& rows) const {
    overRows(rows, from(), to(), [&](int64_t u, const T* at, int64_t count) __attribute__((always_inline)) {
      forHeads(c, first, last, [&](int64_t h, int64_t column) __attribute__((always_inline)) {
        const float* weights = scores + (h - first) * padded + u;
        float* into = sums + (h - first) * wide;
        if (count == cachedRows) addValues<cachedRows>(weights, at + column, rows.row, c.width, into);
        else addValues<1>(weights, at + column, rows.row, c.width, into);
      });
    });
  }
};

// One new token, for heads [first, last).
static void attendCachedToken(const CachedText& c, int64_t t, int64_t first, int64_t last, float* local) {
  const int64_t seen = c.offset + t + 1, wide = upTo(c.width, LANES), heads = last - first, padded = upTo(c.places, LANES);
  float *scores = local, *sums = scores + heads * padded, *inverse = sums + heads * wide;
  const CachedToken token = {c, first, last, seen, padded, wide, c.query + t * c.queryRow, scores, sums, inverse, inverse + heads};
  const TextRows<float> newKeys = {c.key, c.keyRow, c.offset, seen}, newValues = {c.value, c.valueRow, c.offset, seen};
  if (c.keyBf16 != nullptr) token.takeKeys(TextRows<uint16_t>{c.keyBf16, c.cacheRow, 0, c.offset});
  else token.takeKeys(TextRows<float>{c.keys, c.cacheRow, 0, c.offset});
  token.takeKeys(newKeys);
  for (int64_t h = 0; h < heads; h++) inverse[h] = cachedSoftmax(scores + h * padded, seen);
  std::memset(sums, 0, (size_t)(heads * wide) * 4);
  if (c.valueBf16 != nullptr) token.takeValues(TextRows<uint16_t>{c.valueBf16, c.cacheRow, 0, c.offset});
  else token.takeValues(TextRows<float>{c.values, c.cacheRow, 0, c.offset});
  token.takeValues(newValues);
  for (int64_t h = 0; h < heads; h++) {
    float* y = c.y + t * c.yRow + (first + h) * c.width;
    const float* from = sums + h * wide;
    for (int64_t d = 0; d < c.width; d += LANES)
      store(y + d, load(from + d) * all(inverse[h]), c.width - d < LANES ? c.width - d : LANES);
  }
}

// New rows of a group into the cache, and into its copy.
static void keepRows(const CachedText& c, const float* from, int64_t fromRow, int64_t column, float* to, uint16_t* bf16) {
  for (int64_t t = 0; t < c.time; t++) {
    const int64_t at = (c.offset + t) * c.cacheRow + column;
    const float* row = from + t * fromRow + column;
    std::memcpy(to + at, row, (size_t)c.width * 4);
    if (bf16 != nullptr) roundBf16(row, c.width, bf16 + at);
  }
}

// Heads [first, last): writes their keys and values, and then attends, where that is wanted.
static void attendCached(const CachedText& c, int64_t first, int64_t last, float* local) {
  for (int64_t h = first; h < last; h++) {
    if (h % c.perGroup != 0) continue;
    const int64_t column = h / c.perGroup * c.width;
    keepRows(c, c.key, c.keyRow, column, c.keys, c.keyBf16);
    keepRows(c, c.value, c.valueRow, column, c.values, c.valueBf16);
  }
  if (c.y == nullptr) return;
  // Of many tokens, a head's part of the cache stays near from one to the next.
  const int64_t together = c.time == 1 ? last - first : 1;
  for (int64_t h = first; h < last; h += together)
    for (int64_t t = 0; t < c.time; t++) attendCachedToken(c, t, h, h + together, local);
}

// A cache's copy in bf16: made anew where something else has written the cache.
FORCE uint16_t* bf16Of(const Packed* copy) { return copy == nullptr ? nullptr : (uint16_t*)copy->data; }
static void refreshBf16(const Step& s, const Tensor* keys, const Tensor* values, Worker& w) {
  if (s.transposed == nullptr || s.straight == nullptr || (!isStale(*s.transposed, w) && !isStale(*s.straight, w))) return;
  const Range mine = share(keys->size, w.index, w.count, 64);
  roundBf16(keys->data + mine.begin, mine.end - mine.begin, bf16Of(s.transposed) + mine.begin);
  roundBf16(values->data + mine.begin, mine.end - mine.begin, bf16Of(s.straight) + mine.begin);
  w.barrier(w.pool);
}
// What the step writes into the cache is in the copy too.
static void keptBf16(const Step& s, Worker& w) {
  for (const Packed* copy : {s.transposed, s.straight})
    if (copy != nullptr) w.packedVersions[copy->slot] = w.versions[copy->held] + 1;
}

// This worker's share of the heads of all texts, text by text: by what they see. `textOf` gives text b for heads [first, last).
template <typename F>
FORCE void attendTexts(const Tensor* offsets, const Tensor* slots, int64_t batch, int64_t time, int64_t heads, Worker& w, F textOf) {
  // Of one head; what comes with each is as much work as a few keys.
  const auto costOf = [&](int64_t b) { return cacheRow(offsets, slots, b).offset + time / 2 + 16; };
  int64_t total = 0;
  for (int64_t b = 0; b < batch; b++) total += costOf(b) * heads;
  const int64_t begin = total * w.index / w.count, end = total * (w.index + 1) / w.count;
  for (int64_t b = 0, before = 0; b < batch && before < end; b++) {
    const int64_t cost = costOf(b);
    // The heads that begin in this worker's share.
    const auto headAt = [&](int64_t at) {
      const int64_t head = (at - before + cost - 1) / cost;
      return at <= before ? 0 : head < heads ? head : heads;
    };
    const int64_t first = headAt(begin), last = headAt(end);
    if (first < last) attendCached(textOf(b, first, last), first, last, w.local);
    before += cost * heads;
  }
}

// T new tokens against a cache.
static void attentionCached(const Step& s, Worker& w) {
  const Tensor *qkv = s.inputs[0], *keys = s.inputs[1], *values = s.inputs[2];
  const int64_t batch = qkv->shape[0], time = qkv->shape[1], channels = qkv->shape[2] / 3, places = keys->shape[1];
  const int64_t width = channels / s.heads;
  const Tensor *offsets = s.inputs[3], *slots = s.inputs[4];
  if (!insideCache(offsets, slots, batch, time, keys, w)) return;
  refreshBf16(s, keys, values, w);
  attendTexts(offsets, slots, batch, time, s.heads, w, [&](int64_t b, int64_t, int64_t) {
    const auto [slot, offset] = cacheRow(offsets, slots, b);
    const float* from = qkv->data + b * time * 3 * channels;
    CachedText c = {};
    c.time = time, c.offset = offset, c.places = places, c.width = width, c.perGroup = 1;
    c.query = from, c.key = from + channels, c.value = from + 2 * channels;
    c.queryRow = c.keyRow = c.valueRow = 3 * channels;
    c.keys = keys->data + slot * places * channels;
    c.values = values->data + slot * places * channels;
    if (s.transposed != nullptr) c.keyBf16 = bf16Of(s.transposed) + slot * places * channels;
    if (s.straight != nullptr) c.valueBf16 = bf16Of(s.straight) + slot * places * channels;
    c.cacheRow = channels;
    c.y = s.outputs[0] == nullptr ? nullptr : s.outputs[0]->data + b * time * channels;
    c.yRow = channels;
    c.scale = 1.0f / std::sqrt((float)width);
    return c;
  });
  keptBf16(s, w);
}

}  // namespace
}  // namespace trainyard

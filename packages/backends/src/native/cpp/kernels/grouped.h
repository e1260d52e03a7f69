// Causal attention and its gradient: heads may share keys and values in groups, and look within documents where their starts are given.
// Scores exist for a band of 32 queries only.
//
// Work is cut into bands of 32 queries of one head, which need what the band sees of the group's keys and values: a worker keeps those
// of one group at a time in the order in which the products read them. Bands see more the later they are, and are shared by that.
// What a band gives does not depend on who computes it. Only gradients of keys and values are summed over bands: in segments that the
// shape alone decides, whose sums are added in their order.
#pragma once

#include "attention.h"

namespace trainyard {
namespace {

struct GroupShape {
  int64_t batch, time, heads, groups, width;
  int64_t bands, paddedTime, paddedWidth;
  int64_t perGroup() const { return heads / groups; }
  int64_t pairs() const { return batch * groups; }
  // Bands of all heads of a group, and how much they see together, in bands.
  int64_t groupBands() const { return perGroup() * bands; }
  int64_t groupCost() const { return perGroup() * headCost(); }
  int64_t headCost() const { return bands * (bands + 1) / 2; }
  int64_t size() const { return paddedTime * paddedWidth; }
};

// Rows of a tensor [B, T, row], from the first head that is meant.
struct Heads {
  float* data;
  int64_t row;
};
// A step's tensors, whether queries, keys and values lie in one or in three. Absent ones are null.
struct Attended {
  GroupShape g;
  Heads query, key, value, y, dy, dQuery, dKey, dValue;
  float* logSumExp;
  const int32_t* starts;
};
FORCE Heads headsOf(const Tensor* t) { return {dataOf(t), t == nullptr ? 0 : widthOf(t)}; }
static Attended attendedOf(const Step& s) {
  Attended a = {};
  const bool isJoint = s.operation == operationAttention || s.operation == operationAttentionBackward;
  const int first = s.operation == operationAttentionBackward || s.operation == operationGroupedAttentionBackward ? 1 : 0;
  const Tensor* query = s.inputs[first];
  const int64_t width = widthOf(query) / (isJoint ? 3 : 1);
  a.query = headsOf(query);
  a.key = isJoint ? Heads{query->data + width, 3 * width} : headsOf(s.inputs[first + 1]);
  a.value = isJoint ? Heads{query->data + 2 * width, 3 * width} : headsOf(s.inputs[first + 2]);
  a.starts = isJoint ? nullptr : (const int32_t*)dataOf(s.inputs[first + 3]);
  const int last = first + (isJoint ? 1 : 4);
  a.y = headsOf(first == 1 ? s.inputs[last] : s.outputs[0]);
  a.logSumExp = dataOf(first == 1 ? s.inputs[last + 1] : s.outputs[1]);
  if (first == 1) {
    a.dy = headsOf(s.inputs[0]);
    a.dQuery = headsOf(s.outputs[0]);
    a.dKey = isJoint ? Heads{a.dQuery.data + width, 3 * width} : headsOf(s.outputs[1]);
    a.dValue = isJoint ? Heads{a.dQuery.data + 2 * width, 3 * width} : headsOf(s.outputs[2]);
  }
  GroupShape& g = a.g;
  g.batch = query->shape[0];
  g.time = query->shape[1];
  g.heads = s.heads;
  g.groups = isJoint ? s.heads : s.groups;
  g.width = width / s.heads;
  g.bands = (g.time + band - 1) / band;
  g.paddedTime = g.bands * band;
  g.paddedWidth = upTo(g.width, panel);
  return a;
}

// The first band, counted through the heads of all groups, before which `cost` has been done.
FORCE int64_t bandAfter(const GroupShape& g, int64_t cost) {
  int64_t rest = cost % g.headCost(), bands = 0;
  while (rest > bands) rest -= ++bands;
  return cost / g.headCost() * g.bands + bands;
}
FORCE Range bandsOf(const GroupShape& g, int64_t cost, int64_t index, int64_t count) {
  return {bandAfter(g, cost * index / count), bandAfter(g, cost * (index + 1) / count)};
}

// Segments of a group's bands for its gradients of keys and values: enough of them that many workers have something to do.
constexpr int64_t wantedUnits = 16, leastBands = 4;
FORCE int64_t segmentsOf(const GroupShape& g) {
  const int64_t wanted = (wantedUnits + g.pairs() - 1) / g.pairs(), most = g.groupBands() / leastBands;
  const int64_t some = wanted < most ? wanted : most;
  return some < 1 ? 1 : some;
}

FORCE size_t groupedLocal(const GroupShape& g, bool backward) {
  const int64_t transposed = g.width * g.paddedTime, scores = band * g.paddedTime, rows = band * g.paddedWidth;
  return (size_t)(backward ? 2 * transposed + 3 * g.size() + 4 * rows + 2 * scores + scores / 2 + band : transposed + g.size() + 2 * rows + scores);
}
FORCE size_t groupedSums(const GroupShape& g) {
  const int64_t segments = segmentsOf(g);
  return segments == 1 ? 0 : (size_t)(g.pairs() * segments * 2 * g.time * g.width);
}

// Rows [first, first + count) of a head, zero-padded; those from `time` on are zeros.
static void takeRows(const GroupShape& g, const float* from, int64_t row, int64_t first, int64_t count, float* to) {
  for (int64_t t = first; t < first + count; t++, to += g.paddedWidth) {
    if (t >= g.time) {
      std::memset(to, 0, (size_t)g.paddedWidth * 4);
      continue;
    }
    // Rows of a head lie far apart.
    if (t + rowsAhead < g.time)
      for (int64_t d = 0; d < g.width; d += 16) __builtin_prefetch(from + (t + rowsAhead) * row + d);
    int64_t d = 0;
    for (; d + LANES <= g.width; d += LANES) store(to + d, load(from + t * row + d));
    if (d < g.width) store(to + d, load(from + t * row + d, g.width - d), g.width - d);
    for (d = g.width; d < g.paddedWidth; d++) to[d] = 0.0f;
  }
}
// All rows of a head with the time across.
static void takeTransposed(const GroupShape& g, const float* from, int64_t row, float* to) {
  transpose(from, row, g.time, g.width, to, g.paddedTime);
  for (int64_t d = 0; d < g.width; d++)
    for (int64_t t = g.time; t < g.paddedTime; t++) to[d * g.paddedTime + t] = 0.0f;
}
// Rows of a worker's memory, `fromRow` apart, to or onto rows of a tensor.
static void giveRows(const GroupShape& g, const float* from, int64_t fromRow, float* to, int64_t row, int64_t count, bool add) {
  for (int64_t t = 0; t < count; t++)
    for (int64_t d = 0; d < g.width; d += LANES) {
      const int64_t some = g.width - d < LANES ? g.width - d : LANES;
      const vf x = load(from + t * fromRow + d, some);
      store(to + t * row + d, add ? load(to + t * row + d, some) + x : x, some);
    }
}

// The first position that position t of a sequence sees.
FORCE int64_t startOf(const int32_t* starts, int64_t t) {
  if (starts == nullptr || starts[t] < 0) return 0;
  return starts[t] < t ? starts[t] : t;
}
// A band of queries: its first position, how many exist, and from where on its keys are seen, from a whole panel.
struct Band {
  int64_t first, rows, from, seen;  // keys [from, from + seen)
};
FORCE Band bandAt(const GroupShape& g, const int32_t* starts, int64_t index) {
  Band b;
  b.first = index * band;
  b.rows = g.time - b.first < band ? g.time - b.first : band;
  int64_t least = b.first;
  for (int64_t t = b.first; t < b.first + b.rows; t++) least = startOf(starts, t) < least ? startOf(starts, t) : least;
  b.from = least / panel * panel;
  b.seen = b.first + band - b.from;
  return b;
}
// Lanes of keys u .. u + LANES that lie in [low, high].
FORCE vi within(int64_t u, int64_t low, int64_t high) {
  const vi at = lanes() + allInts((int32_t)u);
  return (at >= allInts((int32_t)low)) & (at <= allInts((int32_t)high));
}

// Scores of one query become exponentials; gives their sum and largest score.
FORCE float softmaxRow(float* scores, const Band& b, int64_t start, int64_t t, float scale, float* most) {
  vf m = all(-INFINITY);
  for (int64_t u = 0; u < b.seen; u += LANES) {
    const vf x = select(within(b.from + u, start, t), load(scores + u) * all(scale), all(-INFINITY));
    store(scores + u, x);
    m = maximum(m, x);
  }
  *most = largest(m);
  vf total = all(0.0f);
  for (int64_t u = 0; u < b.seen; u += LANES) {
    const vf p = exponential(load(scores + u) - all(*most));
    store(scores + u, p);
    total = total + p;
  }
  return sum(total);
}

template <bool PAIRED>
static void attend(const Attended& a, Worker& w) {
  constexpr Mode mode = PAIRED ? paired : full;
  const GroupShape& g = a.g;
  const int64_t wide = g.paddedWidth, time = g.paddedTime;
  float *kTransposed = w.local, *v = kTransposed + g.width * time, *q = v + g.size(), *out = q + band * wide;
  float* scores = out + band * wide;
  const float scale = 1.0f / std::sqrt((float)g.width);
  const Range mine = bandsOf(g, g.pairs() * g.groupCost(), w.index, w.count);
  int64_t held = -1;
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t pair = i / g.groupBands(), b = pair / g.groups, group = pair % g.groups;
    const int64_t head = group * g.perGroup() + i % g.groupBands() / g.bands;
    if (pair != held) {
      takeTransposed(g, a.key.data + b * g.time * a.key.row + group * g.width, a.key.row, kTransposed);
      pairRows<PAIRED>(kTransposed, g.width, time, time, kTransposed);
      takeRows(g, a.value.data + b * g.time * a.value.row + group * g.width, a.value.row, 0, time, v);
      pairRows<PAIRED>(v, time, wide, wide, v);
      held = pair;
    }
    const int32_t* starts = a.starts == nullptr ? nullptr : a.starts + b * g.time;
    const Band at = bandAt(g, starts, i % g.bands);
    takeRows(g, a.query.data + b * g.time * a.query.row + head * g.width, a.query.row, at.first, band, q);
    pairAlong<PAIRED>(q, band, wide, wide);
    smallProduct<PAIRED>(band, at.seen, unitsOf(mode, g.width), q, wide, 1, kTransposed + at.from, time, scores, time, false);
    float inverse[band];
    for (int64_t r = 0; r < band; r++) {
      const int64_t t = at.first + r < g.time ? at.first + r : g.time - 1;
      float most;
      const float total = softmaxRow(scores + r * time, at, startOf(starts, t), t, scale, &most);
      inverse[r] = 1.0f / total;
      if (r < at.rows && a.logSumExp != nullptr) a.logSumExp[(b * g.heads + head) * g.time + t] = most + std::log(total);
    }
    if (a.y.data == nullptr) continue;
    pairAlong<PAIRED>(scores, band, at.seen, time);
    smallProduct<PAIRED>(band, wide, unitsOf(mode, at.seen), scores, time, 1, v + unitsOf(mode, at.from) * wide, wide, out, wide,
                         false);
    for (int64_t r = 0; r < at.rows; r++)
      for (int64_t d = 0; d < wide; d += LANES) store(out + r * wide + d, load(out + r * wide + d) * all(inverse[r]));
    giveRows(g, out, wide, a.y.data + (b * g.time + at.first) * a.y.row + head * g.width, a.y.row, at.rows, false);
  }
}

static void attention(const Step& s, Worker& w) {
  const Attended a = attendedOf(s);
  attendsInPairs && w.precision != precisionF32 ? attend<attendsInPairs>(a, w) : attend<false>(a, w);
}

}  // namespace
}  // namespace trainyard

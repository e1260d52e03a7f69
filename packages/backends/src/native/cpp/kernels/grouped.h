// Causal attention and its gradient: heads may share keys and values in groups, and look within documents where their starts are given.
// Scores exist for a band of 32 queries only.
//
// Work is cut into bands of 32 queries of one head, which need what the band sees of the group's keys and values: a worker keeps those
// of one group at a time in the order in which the products read them. Bands see more the later they are, and are shared by that.
// What a band gives does not depend on who computes it. Only gradients of keys and values are summed over bands: in segments that the
// shape alone decides, whose sums are added in their order.
#pragma once

#include "attention.h"
#include "functions.h"

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

// Rows of a head lie far apart: the processor fetches none ahead by itself. A band's rows are fetched during the products of the band before.
FORCE Ahead headAhead(const GroupShape& g, const Heads& h, int64_t b, int64_t column, int64_t first, int64_t tiles) {
  if (h.data == nullptr || b >= g.batch || first >= g.time) return {};
  const int64_t rows = g.time - first < band ? g.time - first : band;
  return aheadOf(h.data + (b * g.time + first) * h.row + column, h.row, rows, g.width, tiles);
}

// Rows [first, first + count) of a head, zero-padded; those from `time` on are zeros.
static void takeRows(const GroupShape& g, const float* from, int64_t row, int64_t first, int64_t count, float* to) {
  for (int64_t t = first; t < first + count; t++, to += g.paddedWidth) {
    if (t >= g.time) {
      std::memset(to, 0, (size_t)g.paddedWidth * 4);
      continue;
    }
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

// What scores are multiplied with before their exponentials: in pairs, which are rounded, these are powers of 2.
template <bool PAIRED>
FORCE float scoreScale(int64_t width) {
  return (PAIRED ? log2e : 1.0f) / std::sqrt((float)width);
}
template <bool PAIRED>
FORCE vf scoreExponential(vf x) {
  return PAIRED ? quickPower(x) : exponential(x);
}

// The vectors of a band's keys that one query sees something of, and of these the ones that it sees whole.
struct Visible {
  int64_t begin, whole, wholeEnd, end;
};
FORCE Visible visibleAt(const Band& b, int64_t low, int64_t high) {
  Visible v;
  v.begin = (low - b.from) / LANES * LANES;
  v.whole = upTo(low - b.from, LANES);
  v.wholeEnd = (high + 1 - b.from) / LANES * LANES;
  v.end = upTo(high + 1 - b.from, LANES);
  if (v.wholeEnd < v.whole) v.whole = v.wholeEnd = v.end;
  return v;
}
// Calls some(u) for the vectors that are seen in part, and whole(u) for the others that are seen.
template <typename S, typename W>
FORCE void overVisible(const Visible& v, S some, W whole) {
  for (int64_t u = v.begin; u < v.whole; u += LANES) some(u);
  for (int64_t u = v.whole; u < v.wholeEnd; u += LANES) whole(u);
  for (int64_t u = v.wholeEnd; u < v.end; u += LANES) some(u);
}
FORCE void clearHidden(const Visible& v, int64_t seen, float* row) {
  for (int64_t u = 0; u < v.begin; u += LANES) store(row + u, all(0.0f));
  for (int64_t u = v.end; u < seen; u += LANES) store(row + u, all(0.0f));
}

// Scores of one query become exponentials; gives their sum and largest score, scaled as they are.
template <bool PAIRED>
FORCE float softmaxRow(float* scores, const Band& b, int64_t start, int64_t t, float scale, float* most) {
  const Visible v = visibleAt(b, start, t);
  vf m = all(-INFINITY);
  overVisible(
      v,
      [&](int64_t u) __attribute__((always_inline)) {
        const vf x = select(within(b.from + u, start, t), load(scores + u), all(-INFINITY));
        store(scores + u, x);
        m = maximum(x, m);
      },
      [&](int64_t u) __attribute__((always_inline)) { m = maximum(load(scores + u), m); });
  *most = largest(m) * scale;
  vf total = all(0.0f);
  for (int64_t u = v.begin; u < v.end; u += LANES) {
    const vf p = scoreExponential<PAIRED>(load(scores + u) * all(scale) - all(*most));
    store(scores + u, p);
    total = total + p;
  }
  clearHidden(v, b.seen, scores);
  return sum(total);
}

// The log-sum-exps of a band's rows, from their sums and largest scores.
template <bool PAIRED>
static void giveLogSumExp(const Band& at, const float* totals, const float* mosts, float* to) {
  for (int64_t r = 0; r < at.rows; r += LANES) {
    const vf most = load(mosts + r) * all(PAIRED ? ln2 : 1.0f);
    store(to + at.first + r, most + logarithmOf(load(totals + r)), at.rows - r < LANES ? at.rows - r : LANES);
  }
}

// The band after one, in the order in which a worker takes them: counted through the heads of all groups. Beyond the last, b is the batch.
struct Next {
  int64_t b, head, index;
};
FORCE Next nextBand(const GroupShape& g, int64_t i) {
  const int64_t pair = (i + 1) / g.groupBands();
  return {pair / g.groups, pair % g.groups * g.perGroup() + (i + 1) % g.groupBands() / g.bands, (i + 1) % g.bands};
}
// Tiles of a band's product with so many columns.
FORCE int64_t bandTiles(int64_t columns) { return band / (registerRows >= 8 ? 8 : 4) * (columns / panel); }

template <bool PAIRED>
static void attend(const Attended& a, Worker& w) {
  constexpr Mode mode = PAIRED ? paired : full;
  const GroupShape& g = a.g;
  const int64_t wide = g.paddedWidth, time = g.paddedTime;
  float *kTransposed = w.local, *v = kTransposed + g.width * time, *q = v + g.size(), *out = q + band * wide;
  float* scores = out + band * wide;
  const float scale = scoreScale<PAIRED>(g.width);
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
    const Next next = nextBand(g, i);
    smallProduct<PAIRED>(band, at.seen, unitsOf(mode, g.width), q, wide, 1, kTransposed + at.from, time, scores, time, false,
                         headAhead(g, a.query, next.b, next.head * g.width, next.index * band, bandTiles(at.seen)));
    float totals[band], mosts[band];
    for (int64_t r = 0; r < band; r++) {
      const int64_t t = at.first + r < g.time ? at.first + r : g.time - 1;
      totals[r] = softmaxRow<PAIRED>(scores + r * time, at, startOf(starts, t), t, scale, mosts + r);
    }
    if (a.logSumExp != nullptr) giveLogSumExp<PAIRED>(at, totals, mosts, a.logSumExp + (b * g.heads + head) * g.time);
    if (a.y.data == nullptr) continue;
    pairAlong<PAIRED>(scores, band, at.seen, time);
    // And of the next group's keys and values as many rows as the band has.
    const int64_t later = pair + 1, column = later % g.groups * g.width, tiles = bandTiles(wide);
    const Ahead keys = headAhead(g, a.key, later / g.groups, column, at.first, tiles);
    smallProduct<PAIRED>(band, wide, unitsOf(mode, at.seen), scores, time, 1, v + unitsOf(mode, at.from) * wide, wide, out, wide,
                         false, keys);
    Ahead values = headAhead(g, a.value, later / g.groups, column, at.first, 1);
    values.fetchSome();
    for (int64_t r = 0; r < at.rows; r++) {
      const vf inverse = all(1.0f / totals[r]);
      for (int64_t d = 0; d < wide; d += LANES) store(out + r * wide + d, load(out + r * wide + d) * inverse);
    }
    giveRows(g, out, wide, a.y.data + (b * g.time + at.first) * a.y.row + head * g.width, a.y.row, at.rows, false);
  }
}

static void attention(const Step& s, Worker& w) {
  const Attended a = attendedOf(s);
  attendsInPairs && w.precision != precisionF32 ? attend<attendsInPairs>(a, w) : attend<false>(a, w);
}

}  // namespace
}  // namespace trainyard

// Causal attention whose heads share keys and values in groups, within documents where their starts are given, and its gradient.
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
FORCE GroupShape groupShape(const Tensor* query, int heads, int groups) {
  GroupShape g;
  g.batch = query->shape[0];
  g.time = query->shape[1];
  g.heads = heads;
  g.groups = groups;
  g.width = query->shape[2] / heads;
  g.bands = (g.time + band - 1) / band;
  g.paddedTime = g.bands * band;
  g.paddedWidth = upTo(g.width, panel);
  return g;
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
  const int64_t turned = g.width * g.paddedTime, scores = band * g.paddedTime, rows = band * g.paddedWidth;
  return (size_t)(backward ? 2 * turned + 3 * g.size() + 3 * rows + 2 * scores + band : turned + g.size() + 2 * rows + scores);
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
    std::memcpy(to, from + t * row, (size_t)g.width * 4);
    for (int64_t d = g.width; d < g.paddedWidth; d++) to[d] = 0.0f;
  }
}
// All rows of a head with the time across.
static void takeTurned(const GroupShape& g, const float* from, int64_t row, float* to) {
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

static void groupedAttention(const Step& s, Worker& w) {
  const Tensor *query = s.inputs[0], *key = s.inputs[1], *value = s.inputs[2], *y = s.outputs[0], *logSumExp = s.outputs[1];
  const GroupShape g = groupShape(query, s.heads, s.groups);
  float *kTurned = w.local, *v = kTurned + g.width * g.paddedTime, *q = v + g.size(), *out = q + band * g.paddedWidth;
  float* scores = out + band * g.paddedWidth;
  const int64_t row = query->shape[2], kvRow = key->shape[2];
  const float scale = 1.0f / std::sqrt((float)g.width);
  const Range mine = bandsOf(g, g.pairs() * g.groupCost(), w.index, w.count);
  int64_t held = -1;
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t pair = i / g.groupBands(), b = pair / g.groups, group = pair % g.groups;
    const int64_t head = group * g.perGroup() + i % g.groupBands() / g.bands;
    if (pair != held) {
      takeTurned(g, key->data + b * g.time * kvRow + group * g.width, kvRow, kTurned);
      takeRows(g, value->data + b * g.time * kvRow + group * g.width, kvRow, 0, g.paddedTime, v);
      held = pair;
    }
    const int32_t* starts = s.inputs[3] == nullptr ? nullptr : (const int32_t*)s.inputs[3]->data + b * g.time;
    const Band at = bandAt(g, starts, i % g.bands);
    takeRows(g, query->data + b * g.time * row + head * g.width, row, at.first, band, q);
    smallProduct(band, at.seen, g.width, q, g.paddedWidth, 1, kTurned + at.from, g.paddedTime, scores, g.paddedTime, false);
    float inverse[band];
    for (int64_t r = 0; r < band; r++) {
      const int64_t t = at.first + r < g.time ? at.first + r : g.time - 1;
      float most;
      const float total = softmaxRow(scores + r * g.paddedTime, at, startOf(starts, t), t, scale, &most);
      inverse[r] = 1.0f / total;
      if (r < at.rows && logSumExp != nullptr)
        logSumExp->data[(b * g.heads + head) * g.time + t] = most + std::log(total);
    }
    if (y == nullptr) continue;
    smallProduct(band, g.paddedWidth, at.seen, scores, g.paddedTime, 1, v + at.from * g.paddedWidth, g.paddedWidth, out,
                 g.paddedWidth, false);
    for (int64_t r = 0; r < at.rows; r++)
      for (int64_t d = 0; d < g.paddedWidth; d += LANES)
        store(out + r * g.paddedWidth + d, load(out + r * g.paddedWidth + d) * all(inverse[r]));
    giveRows(g, out, g.paddedWidth, y->data + (b * g.time + at.first) * row + head * g.width, row, at.rows, false);
  }
}

// One worker's gradients: of queries band by band, of keys and values summed over the bands of a segment.
struct GroupedGradient {
  const Step& s;
  const GroupShape g;
  const float scale;
  float *kTurned, *vTurned, *k, *dk, *dv, *q, *dy, *dq, *p, *dp, *delta;

  GroupedGradient(const Step& step, float* memory)
      : s(step), g(groupShape(step.inputs[1], step.heads, step.groups)), scale(1.0f / std::sqrt((float)g.width)) {
    kTurned = memory;
    vTurned = kTurned + g.width * g.paddedTime;
    k = vTurned + g.width * g.paddedTime;
    dk = k + g.size();
    dv = dk + g.size();
    q = dv + g.size();
    dy = q + band * g.paddedWidth;
    dq = dy + band * g.paddedWidth;
    p = dq + band * g.paddedWidth;
    dp = p + band * g.paddedTime;
    delta = dp + band * g.paddedTime;
  }

  void enter(int64_t b, int64_t group) {
    const int64_t kvRow = s.inputs[2]->shape[2], at = b * g.time * kvRow + group * g.width;
    takeTurned(g, s.inputs[2]->data + at, kvRow, kTurned);
    takeTurned(g, s.inputs[3]->data + at, kvRow, vTurned);
    takeRows(g, s.inputs[2]->data + at, kvRow, 0, g.paddedTime, k);
  }

  // Scores and gradients of probabilities become probabilities and gradients of scores.
  void turn(const Band& at, const int32_t* starts, const float* logSumExp) {
    for (int64_t r = 0; r < band; r++) {
      const int64_t t = at.first + r;
      const bool exists = r < at.rows;
      const float known = exists ? logSumExp[t] : 0.0f;
      const int64_t low = exists ? startOf(starts, t) : 1, high = exists ? t : 0;
      for (int64_t u = 0; u < at.seen; u += LANES) {
        float *score = p + r * g.paddedTime + u, *gradient = dp + r * g.paddedTime + u;
        const vi visible = within(at.from + u, low, high);
        const vf probability = select(visible, exponential(load(score) * all(scale) - all(known)), all(0.0f));
        store(score, probability);
        store(gradient, select(visible, probability * (load(gradient) - all(delta[r])) * all(scale), all(0.0f)));
      }
    }
  }

  void oneBand(int64_t b, int64_t head, int64_t index) {
    const int64_t row = s.inputs[1]->shape[2], place = b * g.time * row + head * g.width;
    const int32_t* starts = s.inputs[4] == nullptr ? nullptr : (const int32_t*)s.inputs[4]->data + b * g.time;
    const Band at = bandAt(g, starts, index);
    takeRows(g, s.inputs[5]->data + place, row, at.first, band, dq);
    takeRows(g, s.inputs[0]->data + place, row, at.first, band, dy);
    for (int64_t r = 0; r < band; r++) {
      vf total = all(0.0f);
      for (int64_t d = 0; d < g.paddedWidth; d += LANES)
        total = total + load(dq + r * g.paddedWidth + d) * load(dy + r * g.paddedWidth + d);
      delta[r] = sum(total);
    }
    takeRows(g, s.inputs[1]->data + place, row, at.first, band, q);
    const int64_t wide = g.paddedWidth, time = g.paddedTime;
    smallProduct(band, at.seen, g.width, q, wide, 1, kTurned + at.from, time, p, time, false);
    smallProduct(band, at.seen, g.width, dy, wide, 1, vTurned + at.from, time, dp, time, false);
    turn(at, starts, s.inputs[6]->data + (b * g.heads + head) * g.time);
    if (s.outputs[0] != nullptr) {
      smallProduct(band, wide, at.seen, dp, time, 1, k + at.from * wide, wide, dq, wide, false);
      giveRows(g, dq, wide, s.outputs[0]->data + place + at.first * row, row, at.rows, adds(s, 0));
    }
    if (s.outputs[1] != nullptr) smallProduct(at.seen, wide, band, dp, 1, time, q, wide, dk + at.from * wide, wide, true);
    if (s.outputs[2] != nullptr) smallProduct(at.seen, wide, band, p, 1, time, dy, wide, dv + at.from * wide, wide, true);
  }

  // All bands of a segment of a group.
  void segment(int64_t pair, int64_t index, int64_t count) {
    std::memset(dk, 0, (size_t)g.size() * 8);
    const Range bands = bandsOf(g, g.groupCost(), index, count);
    for (int64_t i = bands.begin; i < bands.end; i++)
      oneBand(pair / g.groups, pair % g.groups * g.perGroup() + i / g.bands, i % g.bands);
  }
};

static void groupedAttentionBackward(const Step& s, Worker& w) {
  GroupedGradient gradient(s, w.local);
  const GroupShape& g = gradient.g;
  const int64_t segments = segmentsOf(g), kvRow = g.groups * g.width, one = g.time * g.width;
  const Range mine = share(g.pairs() * segments, w.index, w.count);
  int64_t held = -1;
  for (int64_t unit = mine.begin; unit < mine.end; unit++) {
    const int64_t pair = unit / segments, b = pair / g.groups, group = pair % g.groups;
    if (pair != held) gradient.enter(b, group);
    held = pair;
    gradient.segment(pair, unit % segments, segments);
    for (int part = 0; part < 2; part++) {
      const Tensor* d = s.outputs[1 + part];
      if (d == nullptr) continue;
      const float* from = part == 0 ? gradient.dk : gradient.dv;
      if (segments == 1)
        giveRows(g, from, g.paddedWidth, d->data + b * g.time * kvRow + group * g.width, kvRow, g.time, adds(s, 1 + part));
      else
        giveRows(g, from, g.paddedWidth, w.shared.partial + (2 * unit + part) * one, g.width, g.time, false);
    }
  }
  if (segments == 1) return;
  w.meet(w.team);
  const Range rows = share(g.pairs() * g.time, w.index, w.count);
  for (int64_t r = rows.begin; r < rows.end; r++) {
    const int64_t pair = r / g.time, t = r % g.time, b = pair / g.groups, group = pair % g.groups;
    for (int part = 0; part < 2; part++) {
      if (s.outputs[1 + part] == nullptr) continue;
      float* to = s.outputs[1 + part]->data + (b * g.time + t) * kvRow + group * g.width;
      for (int64_t k = 0; k < segments; k++)
        giveRows(g, w.shared.partial + (2 * (pair * segments + k) + part) * one + t * g.width, g.width, to, kvRow, 1,
                 k > 0 || adds(s, 1 + part));
    }
  }
}

}  // namespace
}  // namespace trainyard

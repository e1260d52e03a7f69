// The gradient of attention: scores are computed again from the kept log-sum-exp, band by band.
#pragma once

#include "grouped.h"

namespace trainyard {
namespace {

// One worker's gradients: of queries band by band, of keys and values summed over the bands of a segment.
template <bool PAIRED>
struct AttentionGradient {
  static constexpr Mode mode = PAIRED ? paired : full;
  const Attended& a;
  const GroupShape& g;
  const bool adds;  // to the gradients of queries
  const float scale, forExponent;
  float *kTransposed, *vTransposed, *k, *dk, *dv, *q, *dy, *dq, *across, *p, *dp, *dpAcross, *delta;

  AttentionGradient(const Attended& attended, bool addsToQueries, float* memory)
      : a(attended), g(attended.g), adds(addsToQueries), scale(1.0f / std::sqrt((float)g.width)),
        forExponent(scoreScale<PAIRED>(g.width)) {
    kTransposed = memory;
    vTransposed = kTransposed + g.width * g.paddedTime;
    k = vTransposed + g.width * g.paddedTime;
    dk = k + g.size();
    dv = dk + g.size();
    q = dv + g.size();
    dy = q + band * g.paddedWidth;
    dq = dy + band * g.paddedWidth;
    across = dq + band * g.paddedWidth;
    p = across + band * g.paddedWidth;
    dp = p + band * g.paddedTime;
    dpAcross = dp + band * g.paddedTime;
    delta = dpAcross + band / 2 * g.paddedTime;
  }

  void enter(int64_t b, int64_t group) {
    const float* keys = a.key.data + b * g.time * a.key.row + group * g.width;
    takeTransposed(g, keys, a.key.row, kTransposed);
    takeTransposed(g, a.value.data + b * g.time * a.value.row + group * g.width, a.value.row, vTransposed);
    takeRows(g, keys, a.key.row, 0, g.paddedTime, k);
    pairRows<PAIRED>(kTransposed, g.width, g.paddedTime, g.paddedTime, kTransposed);
    pairRows<PAIRED>(vTransposed, g.width, g.paddedTime, g.paddedTime, vTransposed);
    pairRows<PAIRED>(k, g.paddedTime, g.paddedWidth, g.paddedWidth, k);
  }

  // Scores and gradients of probabilities become probabilities and gradients of scores.
  void turn(const Band& at, const int32_t* starts, const float* logSumExp) {
    for (int64_t r = 0; r < band; r++) {
      const int64_t t = at.first + r;
      const bool exists = r < at.rows;
      const float known = exists ? (PAIRED ? log2e : 1.0f) * logSumExp[t] : 0.0f;
      const int64_t low = exists ? startOf(starts, t) : 0;
      float *scores = p + r * g.paddedTime, *gradients = dp + r * g.paddedTime;
      if (!exists) {
        std::memset(scores, 0, (size_t)at.seen * 4);
        std::memset(gradients, 0, (size_t)at.seen * 4);
        continue;
      }
      const Visible v = visibleAt(at, low, t);
      const auto one = [&](int64_t u, vi visible) __attribute__((always_inline)) {
        const vf probability = select(visible, scoreExponential<PAIRED>(load(scores + u) * all(forExponent) - all(known)), all(0.0f));
        store(scores + u, probability);
        store(gradients + u, select(visible, probability * (load(gradients + u) - all(delta[r])) * all(scale), all(0.0f)));
      };
      overVisible(
          v, [&](int64_t u) __attribute__((always_inline)) { one(u, within(at.from + u, low, t)); },
          [&](int64_t u) __attribute__((always_inline)) { one(u, allInts(-1)); });
      clearHidden(v, at.seen, scores);
      clearHidden(v, at.seen, gradients);
    }
  }

  // The band's rows of q, dy and delta, q and dy in both of the orders that products want.
  void take(const Band& at, int64_t b, int64_t head) {
    const int64_t wide = g.paddedWidth;
    const auto place = [&](const Heads& h) { return h.data + b * g.time * h.row + head * g.width; };
    takeRows(g, place(a.y), a.y.row, at.first, band, dq);
    takeRows(g, place(a.dy), a.dy.row, at.first, band, dy);
    for (int64_t r = 0; r < band; r++) {
      vf total = all(0.0f);
      for (int64_t d = 0; d < wide; d += LANES) total = total + load(dq + r * wide + d) * load(dy + r * wide + d);
      delta[r] = sum(total);
    }
    takeRows(g, place(a.query), a.query.row, at.first, band, q);
    pairRows<PAIRED>(q, band, wide, wide, across);
    pairRows<PAIRED>(dy, band, wide, wide, across + band / 2 * wide);
    pairAlong<PAIRED>(q, band, wide, wide);
    pairAlong<PAIRED>(dy, band, wide, wide);
  }

  void oneBand(int64_t b, int64_t head, int64_t index, const Next& next) {
    const int32_t* starts = a.starts == nullptr ? nullptr : a.starts + b * g.time;
    const Band at = bandAt(g, starts, index);
    take(at, b, head);
    const int64_t wide = g.paddedWidth, time = g.paddedTime, units = unitsOf(mode, g.width);
    const auto ahead = [&](const Heads& h, int64_t tiles) { return headAhead(g, h, next.b, next.head * g.width, next.index * band, tiles); };
    smallProduct<PAIRED>(band, at.seen, units, q, wide, 1, kTransposed + at.from, time, p, time, false, ahead(a.query, bandTiles(at.seen)));
    smallProduct<PAIRED>(band, at.seen, units, dy, wide, 1, vTransposed + at.from, time, dp, time, false, ahead(a.dy, bandTiles(at.seen)));
    turn(at, starts, a.logSumExp + (b * g.heads + head) * g.time);
    pairRows<PAIRED>(p, band, at.seen, time, p);
    pairRows<PAIRED>(dp, band, at.seen, time, dpAcross);
    pairAlong<PAIRED>(dp, band, at.seen, time);
    if (a.dQuery.data != nullptr) {
      smallProduct<PAIRED>(band, wide, unitsOf(mode, at.seen), dp, time, 1, k + unitsOf(mode, at.from) * wide, wide, dq, wide, false,
                           ahead(a.y, bandTiles(wide)));
      giveRows(g, dq, wide, a.dQuery.data + (b * g.time + at.first) * a.dQuery.row + head * g.width, a.dQuery.row, at.rows, adds);
    }
    // And of the next group's keys and values as many rows as the band has.
    const int64_t queries = unitsOf(mode, band), later = b * g.groups + head / g.perGroup() + 1, column = later % g.groups * g.width;
    const int64_t tiles = bandTiles(wide) * at.seen / band;
    if (a.dKey.data != nullptr)
      smallProduct<PAIRED>(at.seen, wide, queries, PAIRED ? dpAcross : dp, 1, time, PAIRED ? across : q, wide, dk + at.from * wide, wide,
                           true, headAhead(g, a.key, later / g.groups, column, at.first, tiles));
    if (a.dValue.data != nullptr)
      smallProduct<PAIRED>(at.seen, wide, queries, p, 1, time, PAIRED ? across + band / 2 * wide : dy, wide, dv + at.from * wide, wide,
                           true, headAhead(g, a.value, later / g.groups, column, at.first, tiles));
  }

  // All bands of a segment of a group.
  void segment(int64_t pair, int64_t index, int64_t count) {
    std::memset(dk, 0, (size_t)g.size() * 8);
    const Range bands = bandsOf(g, g.groupCost(), index, count);
    for (int64_t i = bands.begin; i < bands.end; i++)
      oneBand(pair / g.groups, pair % g.groups * g.perGroup() + i / g.bands, i % g.bands, nextBand(g, pair * g.groupBands() + i));
  }
};

template <bool PAIRED>
static void attendBackward(const Attended& a, bool addsQ, bool addsK, bool addsV, Worker& w) {
  AttentionGradient<PAIRED> gradient(a, addsQ, w.local);
  const GroupShape& g = a.g;
  const Heads outputs[2] = {a.dKey, a.dValue};
  const bool adds[2] = {addsK, addsV};
  const int64_t segments = segmentsOf(g), one = g.time * g.width;
  const Range mine = share(g.pairs() * segments, w.index, w.count);
  int64_t held = -1;
  for (int64_t unit = mine.begin; unit < mine.end; unit++) {
    const int64_t pair = unit / segments, b = pair / g.groups, group = pair % g.groups;
    if (pair != held) gradient.enter(b, group);
    held = pair;
    gradient.segment(pair, unit % segments, segments);
    for (int part = 0; part < 2; part++) {
      const Heads& d = outputs[part];
      if (d.data == nullptr) continue;
      const float* from = part == 0 ? gradient.dk : gradient.dv;
      if (segments == 1)
        giveRows(g, from, g.paddedWidth, d.data + b * g.time * d.row + group * g.width, d.row, g.time, adds[part]);
      else
        giveRows(g, from, g.paddedWidth, w.shared.partial + (2 * unit + part) * one, g.width, g.time, false);
    }
  }
  if (segments == 1) return;
  w.barrier(w.pool);
  const Range rows = share(g.pairs() * g.time, w.index, w.count);
  for (int64_t r = rows.begin; r < rows.end; r++) {
    const int64_t pair = r / g.time, t = r % g.time, b = pair / g.groups, group = pair % g.groups;
    for (int part = 0; part < 2; part++) {
      const Heads& d = outputs[part];
      if (d.data == nullptr) continue;
      float* to = d.data + (b * g.time + t) * d.row + group * g.width;
      for (int64_t k = 0; k < segments; k++)
        giveRows(g, w.shared.partial + (2 * (pair * segments + k) + part) * one + t * g.width, g.width, to, d.row, 1, k > 0 || adds[part]);
    }
  }
}

static void attentionBackward(const Step& s, Worker& w) {
  const Attended a = attendedOf(s);
  const bool isJoint = s.operation == operationAttentionBackward;
  const bool addsQ = adds(s, 0), addsK = adds(s, isJoint ? 0 : 1), addsV = adds(s, isJoint ? 0 : 2);
  attendsInPairs && w.precision != precisionF32 ? attendBackward<attendsInPairs>(a, addsQ, addsK, addsV, w)
                                                 : attendBackward<false>(a, addsQ, addsK, addsV, w);
}

}  // namespace
}  // namespace trainyard

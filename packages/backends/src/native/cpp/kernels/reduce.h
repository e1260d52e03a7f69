// The primitive reduce. Sums are cut into segments by the shape alone, and the segments' sums are added in their order, so that the
// bits are the same for any number of workers.
#pragma once

#include "formula.h"

namespace trainyard {
namespace {

// Segments that many workers find something in; each at least so many blocks.
constexpr int64_t wantedSegments = 64, leastBlocks = 16;

struct ReduceShape {
  Pieces pieces;
  int64_t results;   // elements of the output, or when across: blocks of them that lie side by side
  int64_t blocks;    // pieces of a row (along), or rows (across), that make one result
  int64_t segments;  // of the blocks of one result
};
FORCE ReduceShape reduceShape(const Primitive& p) {
  ReduceShape r;
  r.pieces = piecesOf(p);
  const int outer = p.across ? p.axes - 1 - p.over : p.axes - p.over;
  r.results = 1;
  for (int axis = 0; axis < outer; axis++) r.results *= p.shape[axis];
  r.blocks = 1;
  for (int axis = outer; axis < p.axes - 1; axis++) r.blocks *= p.shape[axis];
  (p.across ? r.results : r.blocks) *= r.pieces.count;
  const int64_t most = r.blocks / (leastBlocks * r.pieces.rows);
  r.segments = r.results >= wantedSegments ? 1 : wantedSegments / r.results < most ? wantedSegments / r.results : most;
  if (r.segments < 1) r.segments = 1;
  return r;
}
// Floats of all segments' sums: doubles along, rows across.
FORCE size_t reduceSums(const Primitive& p) {
  const ReduceShape r = reduceShape(p);
  return r.segments == 1 ? 0 : (size_t)(r.results * r.segments * (p.across ? blockSize : 2));
}

// Sum or largest of a row, four vectors side by side.
static float reducedRow(bool isLargest, const float* from, int64_t width) {
  int64_t i = 0;
  if (isLargest) {
    vf m = all(-INFINITY);
    for (; i + LANES <= width; i += LANES) m = largerOf(m, load(from + i));
    float lanes[LANES], most = -INFINITY;
    store(lanes, m);
    for (int j = 0; j < LANES; j++) most = largerOf(most, lanes[j]);
    for (; i < width; i++) most = largerOf(most, from[i]);
    return most;
  }
  vf a = all(0.0f), b = a, c = a, d = a;
  for (; i + 4 * LANES <= width; i += 4 * LANES) {
    a = a + load(from + i);
    b = b + load(from + i + LANES);
    c = c + load(from + i + 2 * LANES);
    d = d + load(from + i + 3 * LANES);
  }
  for (; i < width; i += LANES) a = a + load(from + i, width - i < LANES ? width - i : LANES);
  return sum((a + b) + (c + d));
}

FORCE double joined(bool isLargest, double a, double b) { return isLargest ? (a > b || a != a ? a : b) : a + b; }
FORCE double nothing(bool isLargest) { return isLargest ? -INFINITY : 0.0; }

// What a result is written with: one number, or a row of them side by side.
static void putResult(const Step& s, const Primitive& p, int64_t place, const float* from, int64_t begin, int64_t width) {
  float* y = s.outputs[0]->data;
  if (p.across) return put(p, y, place, begin, width, from, adds(s, 0));
  if (place == hidden) return;
  y[place] = adds(s, 0) ? y[place] + from[0] : from[0];
}

// The innermost axis is reduced.
static void reduceAlong(const Step& s, Worker& w) {
  Evaluation e(s, w.local);
  const Primitive& p = e.p;
  const ReduceShape shape = reduceShape(p);
  const int64_t units = shape.results * shape.segments;
  const Range mine = share(units, w.index, w.count);
  double* sums = (double*)w.shared.partial;
  const auto beginOf = [&](int64_t unit) {
    return unit / shape.segments * shape.blocks + shape.blocks * (unit % shape.segments) / shape.segments;
  };
  int64_t unit = mine.begin, next = beginOf(unit + 1);
  const int64_t end = beginOf(mine.end);
  double total = nothing(p.isLargest);
  int64_t i = beginOf(unit);
  if (i < end) e.rows.begin(i / shape.pieces.count);
  for (bool isFirst = true; i < end; isFirst = false) {
    const int64_t begin = i % shape.pieces.count * shape.pieces.width;
    const Block b = {end - i < shape.pieces.rows ? end - i : shape.pieces.rows, begin,
                     e.width() - begin < shape.pieces.width ? e.width() - begin : shape.pieces.width};
    if (begin == 0 || isFirst) e.enter(b);
    const float* values = e.evaluate(b, nullptr);
    for (int64_t r = 0; r < b.rows; r++, i++) {
      total = joined(p.isLargest, total, reducedRow(p.isLargest, values + r * b.width, b.width));
      if (i + 1 < next) continue;
      const float result = (float)total;
      if (shape.segments == 1) putResult(s, p, e.place(p.viewCount - 1, r), &result, 0, 1);
      else sums[unit] = total;
      next = beginOf(++unit + 1);
      total = nothing(p.isLargest);
    }
  }
  if (shape.segments == 1) return;
  w.barrier(w.pool);
  const Range results = share(shape.results, w.index, w.count);
  for (int64_t result = results.begin; result < results.end; result++) {
    for (int64_t k = 0; k < shape.segments; k++) total = joined(p.isLargest, total, sums[result * shape.segments + k]);
    e.rows.begin(beginOf(result * shape.segments) / shape.pieces.count);
    const float value = (float)total;
    putResult(s, p, e.rows.placeOf(e.output()), &value, 0, 1);
    total = nothing(p.isLargest);
  }
}

FORCE void join(bool isLargest, float* to, const float* from, int64_t width) {
  perform(width, to, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
    const vf a = part(to + i, some), b = part(from + i, some);
    return isLargest ? largerOf(a, b) : a + b;
  });
}

// The innermost axis stays: a row of results at a time.
static void reduceAcross(const Step& s, Worker& w) {
  Evaluation e(s, w.local);
  const Primitive& p = e.p;
  const ReduceShape shape = reduceShape(p);
  const Range mine = share(shape.results * shape.segments, w.index, w.count);
  float* own = w.local + evaluationSize(p);
  for (int64_t unit = mine.begin; unit < mine.end; unit++) {
    const int64_t result = unit / shape.segments, segment = unit % shape.segments;
    const int64_t begin = result % shape.pieces.count * shape.pieces.width;
    const int64_t width = e.width() - begin < shape.pieces.width ? e.width() - begin : shape.pieces.width;
    float* total = shape.segments == 1 ? own : w.shared.partial + unit * blockSize;
    perform(width, total,
            [&](int64_t, int64_t) __attribute__((always_inline)) { return all((float)nothing(p.isLargest)); });
    const int64_t first = shape.blocks * segment / shape.segments, end = shape.blocks * (segment + 1) / shape.segments;
    e.rows.begin(result / shape.pieces.count * shape.blocks + first);
    for (int64_t i = first; i < end; i += shape.pieces.rows) {
      const Block b = {end - i < shape.pieces.rows ? end - i : shape.pieces.rows, begin, width};
      e.enter(b);
      const float* values = e.evaluate(b, nullptr);
      for (int64_t r = 0; r < b.rows; r++) join(p.isLargest, total, values + r * width, width);
    }
    if (shape.segments == 1) putResult(s, p, e.place(p.viewCount - 1, 0), total, begin, width);
  }
  if (shape.segments == 1) return;
  w.barrier(w.pool);
  const Range results = share(shape.results, w.index, w.count);
  for (int64_t result = results.begin; result < results.end; result++) {
    const int64_t begin = result % shape.pieces.count * shape.pieces.width;
    const int64_t width = e.width() - begin < shape.pieces.width ? e.width() - begin : shape.pieces.width;
    float* total = w.shared.partial + result * shape.segments * blockSize;
    for (int64_t k = 1; k < shape.segments; k++) join(p.isLargest, total, total + k * blockSize, width);
    e.rows.begin(result / shape.pieces.count * shape.blocks);
    putResult(s, p, e.rows.placeOf(e.output()), total, begin, width);
  }
}

static void reduce(const Step& s, Worker& w) { s.primitive->across ? reduceAcross(s, w) : reduceAlong(s, w); }

}  // namespace
}  // namespace trainyard

// The primitive product: y[.., m, n] = Σ k a[.., m, k] · b[.., n, k] over views, on the same kernels as `linear`. Large products are
// taken by all workers together, many small ones each by one worker; sums have the same order either way.
#pragma once

#include "ownRows.h"

namespace trainyard {
namespace {

// Packed floats that one worker may have for itself, and multiply-adds below which nobody helps.
constexpr size_t mostOwn = (size_t)1 << 22;
constexpr int64_t smallWork = 1 << 15;

struct StridedShape {
  int64_t items, m, n, k;
  // Whether the sides and the result have a stride of 1 somewhere, and are used as they lie.
  bool hasA, hasB, hasY;
  bool isAlone;  // each item is one worker's
  bool symmetric;  // both sides are the same view of the same tensor
  size_t left, right;
  size_t shared;  // of the left side where all workers take an item together
  size_t own() const { return isAlone ? left + right + (size_t)((hasA ? 0 : m * k) + (hasB ? 0 : k * n) + (hasY ? 0 : m * n)) : 0; }
};

// The stride of an axis of a side; of an axis with one element any is right.
FORCE int64_t strideOf(const Primitive& p, int view, int fromEnd) {
  const int axis = p.axes - fromEnd;
  return p.shape[axis] == 1 ? 1 : p.views[view].strides[axis];
}

// Whether the rows of both sides are the same, so that the product of any two rows is that of the two turned round, bit for bit.
static bool isSymmetric(const Step& s) {
  const Primitive& p = *s.primitive;
  const View &a = p.views[0], &b = p.views[1];
  if (s.inputs[a.input] != s.inputs[b.input] || a.offset != b.offset || adds(s, 0)) return false;
  for (int axis = 0; axis < p.axes - 3; axis++)
    if (a.strides[axis] != b.strides[axis]) return false;
  return p.shape[p.axes - 3] == p.shape[p.axes - 2] && a.strides[p.axes - 3] == b.strides[p.axes - 2] &&
         a.strides[p.axes - 1] == b.strides[p.axes - 1];
}

static StridedShape stridedShape(const Step& step, Mode mode, int workers) {
  const Primitive& p = *step.primitive;
  StridedShape s;
  s.items = 1;
  for (int axis = 0; axis < p.axes - 3; axis++) s.items *= p.shape[axis];
  s.m = p.shape[p.axes - 3];
  s.n = p.shape[p.axes - 2];
  s.k = p.shape[p.axes - 1];
  s.hasA = strideOf(p, 0, 1) == 1 || strideOf(p, 0, 3) == 1;
  s.hasB = strideOf(p, 1, 1) == 1 || strideOf(p, 1, 2) == 1;
  s.hasY = strideOf(p, 2, 2) == 1;
  s.symmetric = s.hasY && isSymmetric(step);
  s.left = leftSize(s.m, s.k, mode);
  s.shared = leftNeed(s.m, s.k, mode, workers);
  s.right = rightSize(s.k, s.n, mode);
  s.isAlone = !s.hasA || !s.hasB || !s.hasY ||
              ((s.items >= 4 * workers || s.m * s.n * s.k <= smallWork) && s.left + s.right <= mostOwn);
  return s;
}

// A side as it lies: a stride of 1 along `inner` in preference to one along `outer`.
FORCE Matrix matrixOf(const float* data, int64_t outer, int64_t inner) {
  return inner == 1 ? Matrix{data, outer, false} : Matrix{data, inner, true};
}
static Matrix copied(const float* data, int64_t rows, int64_t row, int64_t columns, int64_t column, float* to) {
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) to[i * columns + j] = data[i * row + j * column];
  return {to, columns, false};
}

// One item by one worker, in its own memory.
static void itemAlone(const StridedShape& shape, const Primitive& p, Product item, const float* a, const float* b, float* y, Worker& w) {
  const Mode mode = modeOf(w.precision);
  Worker alone = w;
  alone.index = 0;
  alone.count = 1;
  float *left = w.local, *right = left + shape.left, *rest = right + shape.right;
  if (!shape.hasA) {
    item.a = copied(a, shape.m, strideOf(p, 0, 3), shape.k, strideOf(p, 0, 1), rest);
    rest += shape.m * shape.k;
  }
  if (!shape.hasB) {
    item.b = copied(b, shape.k, strideOf(p, 1, 1), shape.n, strideOf(p, 1, 2), rest);
    rest += shape.k * shape.n;
  }
  const bool add = item.add;
  if (!shape.hasY) {
    item.c = rest;
    item.row = shape.n;
    item.add = false;
  }
  packAllRight(mode, item.b, item.k, item.n, right, alone);
  packAllLeft(mode, item.a, item.m, item.k, left, alone);
  multiply(mode, item, left, right, alone);
  if (item.symmetric) mirror(item, alone);
  if (shape.hasY) return;
  const int64_t row = strideOf(p, 2, 3), column = strideOf(p, 2, 2);
  for (int64_t i = 0; i < shape.m; i++)
    for (int64_t j = 0; j < shape.n; j++) {
      float* to = y + i * row + j * column;
      *to = add ? *to + rest[i * shape.n + j] : rest[i * shape.n + j];
    }
}

static void stridedProduct(const Step& s, Worker& w) {
  const Primitive& p = *s.primitive;
  const StridedShape shape = stridedShape(s, modeOf(w.precision), w.count);
  Product item = {};
  item.m = shape.m;
  item.n = shape.n;
  item.k = shape.k;
  item.row = strideOf(p, 2, 3);
  item.add = adds(s, 0);
  item.symmetric = shape.symmetric;
  item.blends = p.constantCount == 2;
  if (item.blends) item.alpha = p.constants[0], item.beta = p.constants[1];
  const Range mine = shape.isAlone ? share(shape.items, w.index, w.count) : Range{0, shape.items};
  for (int64_t i = mine.begin; i < mine.end; i++) {
    int64_t places[3] = {p.views[0].offset, p.views[1].offset, p.views[2].offset}, rest = i;
    for (int axis = p.axes - 4; axis >= 0; rest /= p.shape[axis--])
      for (int v = 0; v < 3; v++) places[v] += rest % p.shape[axis] * p.views[v].strides[axis];
    const float *a = s.inputs[p.views[0].input]->data + places[0], *b = s.inputs[p.views[1].input]->data + places[1];
    item.c = s.outputs[0]->data + places[2];
    if (item.blends) item.residual = s.inputs[2]->data + places[2];
    item.a = matrixOf(a, strideOf(p, 0, 3), strideOf(p, 0, 1));
    item.b = matrixOf(b, strideOf(p, 1, 1), strideOf(p, 1, 2));
    if (shape.isAlone) {
      itemAlone(shape, p, item, a, b, item.c, w);
    } else {
      // The next item is packed where this one was.
      if (i > 0) w.barrier(w.pool);
      product(item, nullptr, w.shared.left, w.shared.right, w);
    }
  }
}

}  // namespace
}  // namespace trainyard

// Formulas over views, a block of neighbouring elements at a time: as many rows of the innermost axis as make some hundred numbers.
// Views are brought into rows of floats that lie in the nearest cache, then each instruction passes over the block.
#pragma once

#include "functions.h"

namespace trainyard {
namespace {

// Numbers of a block at most.
constexpr int64_t blockSize = 256;
constexpr int64_t hidden = INT64_MIN;

// Of the axes but the innermost, in row-major order: where each view is.
struct Rows {
  const Primitive& p;
  int64_t coordinates[mostPrimitiveAxes];

  void begin(int64_t row) {
    for (int axis = p.axes - 2; axis >= 0; axis--) {
      coordinates[axis] = row % p.shape[axis];
      row /= p.shape[axis];
    }
  }
  void next() {
    for (int axis = p.axes - 2; axis >= 0; axis--) {
      if (++coordinates[axis] < p.shape[axis]) return;
      coordinates[axis] = 0;
    }
  }
  // The view's place at the beginning of the row, or `hidden` where the whole row is padding.
  int64_t placeOf(const View& v) const {
    int64_t place = v.offset;
    for (int axis = 0; axis < p.axes - 1; axis++) {
      const int64_t at = coordinates[axis];
      if (v.padded && (at < v.low[axis] || at >= v.high[axis])) return hidden;
      place += at * v.strides[axis];
    }
    return place;
  }
};

struct Block {
  int64_t rows;          // of the innermost axis,
  int64_t begin, width;  // each from here on, so far
};

// What a worker needs to take a step's formula: a row of floats for each view and constant and for each value that waits, and places.
struct Evaluation {
  const Step& s;
  const Primitive& p;
  Rows rows;
  float *inputs, *constants, *values;
  int64_t* places;  // [view][row of the block]

  Evaluation(const Step& step, float* memory) : s(step), p(*step.primitive), rows{p, {}} {
    inputs = memory;
    constants = inputs + p.viewCount * blockSize;
    values = constants + p.constantCount * blockSize;
    places = (int64_t*)(values + p.depth * blockSize);
    for (int i = 0; i < p.constantCount; i++)
      for (int64_t j = 0; j < blockSize; j += LANES) store(constants + i * blockSize + j, all(p.constants[i]));
  }
  int inner() const { return p.axes - 1; }
  int64_t width() const { return p.shape[inner()]; }
  const View& output() const { return p.views[p.viewCount - 1]; }
  int64_t place(int view, int64_t row) const { return places[view * blockSize + row]; }

  // Goes on to a block whose first row is the cursor's; leaves the cursor behind its last.
  void enter(const Block& b) {
    for (int64_t r = 0; r < b.rows; r++) {
      for (int v = 0; v < p.viewCount; v++) places[v * blockSize + r] = rows.placeOf(p.views[v]);
      rows.next();
    }
  }

  // Part of a row of a view.
  void fill(const View& v, int64_t place, int64_t begin, int64_t width, float* to) const {
    int64_t low = 0, high = width;
    if (v.padded) {
      low = v.low[inner()] - begin < 0 ? 0 : v.low[inner()] - begin;
      high = v.high[inner()] - begin < width ? v.high[inner()] - begin : width;
      if (place == hidden || low >= high) low = high = width;
      std::memset(to, 0, (size_t)low * 4);
      if (high < width) std::memset(to + high, 0, (size_t)(width - high) * 4);
      if (low == high) return;
    }
    const int64_t stride = v.strides[inner()];
    const int64_t first = place + (begin + low) * stride, count = high - low;
    to += low;
    if (v.kind == View::places) {
      for (int64_t i = 0; i < count; i++) to[i] = (float)(first + i * stride);
      return;
    }
    if (v.kind == View::integers) {
      const int32_t* from = (const int32_t*)s.inputs[v.input]->data + first;
      for (int64_t i = 0; i < count; i++) to[i] = (float)from[i * stride];
      return;
    }
    const float* from = s.inputs[v.input]->data + first;
    if (stride == 1) {
      perform(count, to, [&](int64_t i, int64_t some) __attribute__((always_inline)) { return part(from + i, some); });
    } else if (stride == 0) {
      const vf x = all(from[0]);
      perform(count, to, [&](int64_t, int64_t) __attribute__((always_inline)) { return x; });
    } else {
      for (int64_t i = 0; i < count; i++) to[i] = from[i * stride];
    }
  }

  // Whether the block's rows of a view follow each other in memory without a gap.
  bool isWhole(int view, const Block& b) const {
    const View& v = p.views[view];
    if (v.kind != View::floats || v.padded || v.strides[inner()] != 1) return false;
    for (int64_t r = 1; r < b.rows; r++)
      if (place(view, r) != place(view, 0) + r * b.width) return false;
    return true;
  }

  // The formula's values, rows one after another. They are put at `to` where the last instruction is a function and `to` is given.
  const float* evaluate(const Block& b, float* to) {
    const float* stack[mostFormulaDepth];
    const int64_t count = b.rows * b.width;
    uint64_t known = 0;
    int held = 0;
    for (int i = 0; i < p.instructionCount; i++) {
      const Primitive::Instruction& at = p.instructions[i];
      if (at.code == -2) {
        stack[held++] = constants + at.operand * blockSize;
      } else if (at.code == -1) {
        stack[held++] = operand(at.operand, b, known);
      } else {
        const int taken = at.code == functionWhere ? 3 : takesTwo(at.code) ? 2 : 1;
        held -= taken;
        float* result = to != nullptr && i + 1 == p.instructionCount ? to : values + held * blockSize;
        apply(at.code, count, stack[held], taken > 1 ? stack[held + 1] : nullptr, taken > 2 ? stack[held + 2] : nullptr, result);
        stack[held++] = result;
      }
    }
    return stack[0];
  }

 private:
  static bool takesTwo(int32_t code) {
    return code <= functionDivide || code == functionMax || code == functionMin || code == functionPow || code == functionLess ||
           code == functionEqual;
  }
  // The block of a view: where it lies, or copied once for all of the formula.
  const float* operand(int view, const Block& b, uint64_t& known) {
    const View& v = p.views[view];
    if (isWhole(view, b)) return s.inputs[v.input]->data + place(view, 0) + b.begin;
    float* to = inputs + view * blockSize;
    if (view < 64 && (known >> view & 1) != 0) return to;
    for (int64_t r = 0; r < b.rows; r++) fill(v, place(view, r), b.begin, b.width, to + r * b.width);
    if (view < 64) known |= (uint64_t)1 << view;
    return to;
  }
};

// Floats of an Evaluation.
FORCE size_t evaluationSize(const Primitive& p) {
  return (size_t)((p.viewCount + p.constantCount + p.depth) * blockSize + 2 * p.viewCount * blockSize);
}

// Puts `width` numbers, from `begin` on of a row, where the output's view has them.
static void put(const Primitive& p, float* data, int64_t place, int64_t begin, int64_t width, const float* from, bool add) {
  const View& v = p.views[p.viewCount - 1];
  int64_t low = 0, high = width;
  if (v.padded) {
    low = v.low[p.axes - 1] - begin < 0 ? 0 : v.low[p.axes - 1] - begin;
    high = v.high[p.axes - 1] - begin < width ? v.high[p.axes - 1] - begin : width;
    if (place == hidden || low >= high) return;
  }
  const int64_t stride = v.strides[p.axes - 1], count = high - low;
  float* to = data + place + (begin + low) * stride;
  from += low;
  if (stride == 1) {
    perform(count, to, [&](int64_t i, int64_t some) __attribute__((always_inline)) {
      const vf x = part(from + i, some);
      return add ? part(to + i, some) + x : x;
    });
  } else {
    for (int64_t i = 0; i < count; i++) to[i * stride] = add ? to[i * stride] + from[i] : from[i];
  }
}

// How rows are taken: whole ones, as many as fit a block, or some of them in pieces.
struct Pieces {
  int64_t rows, count, width;  // of a block; of a row; of a piece
};
FORCE Pieces piecesOf(const Primitive& p) {
  const int64_t width = p.shape[p.axes - 1];
  if (width <= blockSize / 2) return {blockSize / width, 1, width};
  const int64_t count = (width + blockSize - 1) / blockSize;
  return {1, count, count == 1 ? width : blockSize};
}

// As `piecesOf`; in squares where an input's elements follow each other along another axis than the innermost, so that its lines are used
// whole while they are near.
FORCE Pieces mapPiecesOf(const Primitive& p) {
  constexpr int64_t side = 16;
  const int inner = p.axes - 1;
  bool isTransposed = false;
  for (int v = 0; inner > 0 && v < p.viewCount; v++)
    isTransposed = isTransposed || (p.views[v].kind != View::places && p.views[v].strides[inner - 1] == 1 && p.views[v].strides[inner] > side);
  if (!isTransposed || p.shape[inner] < side || p.shape[inner - 1] < side) return piecesOf(p);
  return {blockSize / side, (p.shape[inner] + side - 1) / side, side};
}

static void map(const Step& s, Worker& w) {
  Evaluation e(s, w.local);
  const Primitive& p = e.p;
  const Pieces pieces = mapPiecesOf(p);
  int64_t rows = 1;
  for (int axis = 0; axis < p.axes - 1; axis++) rows *= p.shape[axis];
  const bool add = adds(s, 0);
  float* y = s.outputs[0]->data;
  const int last = p.viewCount - 1;
  const Range mine = share((rows + pieces.rows - 1) / pieces.rows * pieces.count, w.index, w.count);
  if (mine.begin == mine.end) return;
  e.rows.begin(mine.begin / pieces.count * pieces.rows);
  for (int64_t i = mine.begin; i < mine.end; i++) {
    const int64_t row = i / pieces.count * pieces.rows, begin = i % pieces.count * pieces.width;
    const Block b = {rows - row < pieces.rows ? rows - row : pieces.rows, begin,
                     e.width() - begin < pieces.width ? e.width() - begin : pieces.width};
    if (begin == 0 || i == mine.begin) e.enter(b);
    float* direct = !add && e.isWhole(last, b) ? y + e.place(last, 0) + begin : nullptr;
    const float* result = e.evaluate(b, direct);
    if (result == direct) continue;
    for (int64_t r = 0; r < b.rows; r++) put(p, y, e.place(last, r), begin, b.width, result + r * b.width, add);
  }
}

}  // namespace
}  // namespace trainyard

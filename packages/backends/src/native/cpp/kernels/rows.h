// The primitives gather and scatterAdd: rows of a table by their indices.
#pragma once

#include "step.h"

namespace trainyard {
namespace {

// Whether all indices are below `rows`. Every worker looks, so that all agree; the first of them says what is wrong.
static bool areBelow(const Tensor* index, int64_t rows, Worker& w) {
  const int32_t* at = (const int32_t*)index->data;
  for (int64_t i = 0; i < index->size; i++)
    if (at[i] >= rows) {
      raise(w, "index %ld is not in a table of %ld rows", at[i], (long)rows);
      return false;
    }
  return true;
}

static void gatherRows(const Step& s, Worker& w) {
  const Tensor *table = s.inputs[0], *index = s.inputs[1];
  const int64_t width = table->shape[1];
  if (!areBelow(index, table->shape[0], w)) return;
  const int32_t* at = (const int32_t*)index->data;
  const bool add = adds(s, 0);
  const Range mine = share(index->size, w.index, w.count);
  for (int64_t r = mine.begin; r < mine.end; r++) {
    float* y = s.outputs[0]->data + r * width;
    if (at[r] < 0) {
      if (!add) std::memset(y, 0, (size_t)width * 4);
      continue;
    }
    const float* from = table->data + at[r] * width;
    if (!add) std::memcpy(y, from, (size_t)width * 4);
    else addRow(y, from, width);
  }
}

// Each worker has some columns of a part of the table, so that frequent rows are no one worker's, and adds in the order of the indices.
static void scatterAdd(const Step& s, Worker& w) {
  const Tensor *x = s.inputs[0], *index = s.inputs[1], *y = s.outputs[0];
  const int64_t rows = y->shape[0], width = y->shape[1];
  if (!areBelow(index, rows, w)) return;
  const int32_t* at = (const int32_t*)index->data;
  constexpr int64_t narrowest = 64;
  const int64_t most = (width + narrowest - 1) / narrowest;
  const int across = most < w.count ? (int)most : w.count;
  // Workers that are left over when columns and parts do not divide them have nothing to do.
  const int down = w.count / across;
  if (w.index >= across * down) return;
  const Range columns = share(width, w.index % across, across, LANES);
  const Range part = share(rows, w.index / across, down);
  const int64_t some = columns.end - columns.begin;
  if (!adds(s, 0))
    for (int64_t r = part.begin; r < part.end; r++) std::memset(y->data + r * width + columns.begin, 0, (size_t)some * 4);
  for (int64_t r = 0; r < index->size; r++)
    if (at[r] >= part.begin && at[r] < part.end)
      addRow(y->data + at[r] * width + columns.begin, x->data + r * width + columns.begin, some);
}

}  // namespace
}  // namespace trainyard

// Token plus position embedding and its gradient.
#pragma once

#include "loss.h"

namespace trainyard {
namespace {

// Whether all tokens and places exist. Every worker looks, so that all agree; the first of them says what is wrong.
static bool inside(const Tensor* tokens, const Tensor* offsets, int64_t vocabulary, int64_t places, Worker& w) {
  const int32_t* ids = (const int32_t*)tokens->data;
  for (int64_t i = 0; i < tokens->size; i++)
    if (ids[i] < 0 || ids[i] >= vocabulary) {
      raise(w, "token %ld is not in the vocabulary of %ld", ids[i], (long)vocabulary);
      return false;
    }
  for (int64_t i = 0; i < offsets->size; i++) {
    const int64_t offset = ((const int32_t*)offsets->data)[i];
    if (offset < 0 || offset + tokens->shape[1] > places) {
      raise(w, "offset %ld and the tokens after it do not fit %ld positions", (long)offset, (long)places);
      return false;
    }
  }
  return true;
}

// The offset of a text, by one for all or one for each.
FORCE int64_t offsetOf(const Tensor* offsets, int64_t b) {
  return ((const int32_t*)offsets->data)[offsets->size == 1 ? 0 : b];
}

static void embedding(const Step& s, Worker& w) {
  const Tensor *tokens = s.inputs[0], *table = s.inputs[2], *positions = s.inputs[3];
  const int64_t width = table->shape[1], time = tokens->shape[1];
  if (!inside(tokens, s.inputs[1], table->shape[0], positions->shape[0], w)) return;
  const int32_t* ids = (const int32_t*)tokens->data;
  const Range mine = share(tokens->size, w.index, w.count);
  for (int64_t r = mine.begin; r < mine.end; r++) {
    const float *token = table->data + ids[r] * width, *place = positions->data + (offsetOf(s.inputs[1], r / time) + r % time) * width;
    float* y = s.outputs[0]->data + r * width;
    for (int64_t i = 0; i < width; i += LANES) {
      const int64_t some = width - i < LANES ? width - i : LANES;
      store(y + i, load(token + i, some) + load(place + i, some), some);
    }
  }
}

// Each worker owns a range of the table's rows and adds what belongs there, in the order of the tokens.
static void embeddingBackward(const Step& s, Worker& w) {
  const Tensor *dy = s.inputs[0], *tokens = s.inputs[1], *dTable = s.outputs[0], *dPositions = s.outputs[1];
  const int64_t width = widthOf(dy), time = tokens->shape[1];
  const int64_t batch = tokens->shape[0];
  const int32_t* ids = (const int32_t*)tokens->data;
  const int64_t vocabulary = dTable != nullptr ? dTable->shape[0] : INT32_MAX;
  const int64_t places = dPositions != nullptr ? dPositions->shape[0] : INT32_MAX;
  if (!inside(tokens, s.inputs[2], vocabulary, places, w)) return;
  if (dTable != nullptr) {
    const Range mine = share(vocabulary, w.index, w.count);
    if (!adds(s, 0)) std::memset(dTable->data + mine.begin * width, 0, (size_t)((mine.end - mine.begin) * width) * 4);
    for (int64_t r = 0; r < tokens->size; r++)
      if (ids[r] >= mine.begin && ids[r] < mine.end) addRow(dTable->data + ids[r] * width, dy->data + r * width, width);
  }
  if (dPositions != nullptr) {
    const Range mine = share(places, w.index, w.count);
    if (!adds(s, 1)) std::memset(dPositions->data + mine.begin * width, 0, (size_t)((mine.end - mine.begin) * width) * 4);
    for (int64_t p = mine.begin; p < mine.end; p++) {
      for (int64_t b = 0; b < batch; b++) {
        const int64_t t = p - offsetOf(s.inputs[2], b);
        if (t < 0 || t >= time) continue;
        addRow(dPositions->data + p * width, dy->data + (b * time + t) * width, width);
      }
    }
  }
}

}  // namespace
}  // namespace trainyard

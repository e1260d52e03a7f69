// New tokens against a cache whose keys and values heads share in groups.
#pragma once

#include "attention.h"
#include "rope.h"

namespace trainyard {
namespace {

// Floats of a worker beyond `cachedLocal` where queries and keys are normalised and rotated here: those of one token, and its angles.
FORCE size_t rotatedLocal(const Step& s, int64_t width) { return (size_t)((s.heads + s.groups) * width) + rotationSize(width); }

// Heads [first, last) of a row, normalised where there is a gain, and rotated.
static void rotateHeads(const Rotation& rotation, const float* from, int64_t first, int64_t last, const Tensor* gain, float epsilon, float* to) {
  const int64_t width = 2 * rotation.half;
  for (int64_t h = first; h < last; h++) {
    if (gain != nullptr) rmsRow(from + h * width, width, gain->data, epsilon, to + h * width);
    rotateHead(rotation, (gain != nullptr ? to : from) + h * width, to + h * width, false);
  }
}

static void groupedAttentionCached(const Step& s, Worker& w) {
  const Tensor *query = s.inputs[0], *key = s.inputs[1], *value = s.inputs[2], *keys = s.inputs[3], *values = s.inputs[4];
  const int64_t batch = query->shape[0], time = query->shape[1], places = keys->shape[1], kvRow = key->shape[2];
  const int64_t row = query->shape[2], width = row / s.heads, perGroup = s.heads / s.groups;
  const Tensor *offsets = s.inputs[5], *slots = s.inputs[6];
  if (!insideCache(offsets, slots, batch, time, keys, w)) return;
  refreshBf16(s, keys, values, w);
  float *ownQuery = w.local + cachedLocal(s.heads, places, width), *ownKey = ownQuery + row;
  Rotation rotation = {};
  if (s.rotates) rotation = rotationOf(width, s.theta, ownKey + kvRow);
  attendTexts(offsets, slots, batch, time, s.heads, w, [&](int64_t b, int64_t first, int64_t last) {
    const auto [slot, offset] = cacheRow(offsets, slots, b);
    CachedText c = {};
    c.time = time, c.offset = offset, c.places = places, c.width = width, c.perGroup = perGroup;
    c.query = query->data + b * time * row;
    c.key = key->data + b * time * kvRow;
    c.value = value->data + b * time * kvRow;
    c.queryRow = c.yRow = row;
    c.keyRow = c.valueRow = c.cacheRow = kvRow;
    c.keys = keys->data + slot * places * kvRow;
    c.values = values->data + slot * places * kvRow;
    if (s.transposed != nullptr) c.keyBf16 = bf16Of(s.transposed) + slot * places * kvRow;
    if (s.straight != nullptr) c.valueBf16 = bf16Of(s.straight) + slot * places * kvRow;
    c.y = s.outputs[0] == nullptr ? nullptr : s.outputs[0]->data + b * time * row;
    c.scale = 1.0f / std::sqrt((float)width);
    if (s.rotates) {
      rotateTo(rotation, offset, false);
      rotateHeads(rotation, c.query, first, last, s.inputs[7], s.epsilon, ownQuery);
      rotateHeads(rotation, c.key, first / perGroup, (last - 1) / perGroup + 1, s.inputs[8], s.epsilon, ownKey);
      c.query = ownQuery;
      c.key = ownKey;
    }
    return c;
  });
  keptBf16(s, w);
}

}  // namespace
}  // namespace trainyard

// New tokens against a cache whose keys and values heads share in groups.
#pragma once

#include "attention.h"

namespace trainyard {
namespace {

static void groupedAttentionCached(const Step& s, Worker& w) {
  const Tensor *query = s.inputs[0], *key = s.inputs[1], *value = s.inputs[2], *keys = s.inputs[3], *values = s.inputs[4];
  const int64_t batch = query->shape[0], time = query->shape[1], places = keys->shape[1], kvRow = key->shape[2];
  const int64_t row = query->shape[2], width = row / s.heads;
  const Tensor *offsets = s.inputs[5], *slots = s.inputs[6];
  if (!insideCache(offsets, slots, batch, time, keys, w)) return;
  attendTexts(batch, s.heads, w, [&](int64_t b) {
    const auto [slot, offset] = cacheRow(offsets, slots, b);
    CachedText c = {};
    c.time = time, c.offset = offset, c.places = places, c.width = width, c.perGroup = s.heads / s.groups;
    c.query = query->data + b * time * row;
    c.key = key->data + b * time * kvRow;
    c.value = value->data + b * time * kvRow;
    c.queryRow = c.yRow = row;
    c.newRow = c.cacheRow = kvRow;
    c.keys = keys->data + slot * places * kvRow;
    c.values = values->data + slot * places * kvRow;
    c.y = s.outputs[0] == nullptr ? nullptr : s.outputs[0]->data + b * time * row;
    c.scale = 1.0f / std::sqrt((float)width);
    return c;
  });
}

}  // namespace
}  // namespace trainyard

// New tokens against a cache whose keys and values heads share in groups. Rows that are new are read where they are given, so that
// whoever writes them into the cache need not be waited for.
#pragma once

#include "attention.h"

namespace trainyard {
namespace {

static void groupedAttentionCached(const Step& s, Worker& w) {
  const Tensor *query = s.inputs[0], *key = s.inputs[1], *value = s.inputs[2], *keys = s.inputs[3], *values = s.inputs[4];
  const int64_t batch = query->shape[0], time = query->shape[1], places = keys->shape[1], kvRow = key->shape[2];
  const int64_t row = query->shape[2], width = row / s.heads, perGroup = s.heads / s.groups;
  const Tensor *offsets = s.inputs[5], *slots = s.inputs[6];
  if (!insideCache(offsets, slots, batch, time, keys, w)) return;
  const float scale = 1.0f / std::sqrt((float)width);
  float* p = w.local;
  const Range mine = share(batch * s.heads, w.index, w.count);
  for (int64_t pair = mine.begin; pair < mine.end; pair++) {
    const int64_t b = pair / s.heads, head = pair % s.heads, shared = head / perGroup * width;
    const auto [slot, offset] = cacheRow(offsets, slots, b);
    float *k = keys->data + slot * places * kvRow + shared, *v = values->data + slot * places * kvRow + shared;
    const float *newK = key->data + b * time * kvRow + shared, *newV = value->data + b * time * kvRow + shared;
    for (int64_t t = 0; t < time && head % perGroup == 0; t++) {
      std::memcpy(k + (offset + t) * kvRow, newK + t * kvRow, (size_t)width * 4);
      std::memcpy(v + (offset + t) * kvRow, newV + t * kvRow, (size_t)width * 4);
    }
    if (s.outputs[0] == nullptr) continue;
    for (int64_t t = 0; t < time; t++) {
      const float* q = query->data + (b * time + t) * row + head * width;
      const int64_t seen = offset + t + 1;
      float most = -INFINITY;
      for (int64_t u = 0; u < seen; u++) {
        const bool isNew = u >= offset;
        if (!isNew) fetchCached(k, u, offset, kvRow, width);
        p[u] = scale * dot(q, isNew ? newK + (u - offset) * kvRow : k + u * kvRow, width);
        most = p[u] > most ? p[u] : most;
      }
      vf total = all(0.0f);
      for (int64_t u = 0; u < seen; u += LANES) {
        const int64_t some = seen - u < LANES ? seen - u : LANES;
        const vf e = select(lanes() < allInts((int32_t)some), exponential(load(p + u, some) - all(most)), all(0.0f));
        store(p + u, e, some);
        total = total + e;
      }
      const vf inverse = all(1.0f / sum(total));
      float* y = s.outputs[0]->data + (b * time + t) * row + head * width;
      for (int64_t d = 0; d < width; d += LANES) {
        const int64_t some = width - d < LANES ? width - d : LANES;
        // Four sums, that none waits for the one before.
        vf sums[4] = {all(0.0f), all(0.0f), all(0.0f), all(0.0f)};
        int64_t u = 0;
        for (; u + 4 <= offset; u += 4)
          for (int64_t i = 0; i < 4; i++) {
            if (d == 0) fetchCached(v, u + i, offset, kvRow, width);
            sums[i] = sums[i] + all(p[u + i]) * load(v + (u + i) * kvRow + d, some);
          }
        for (; u < seen; u++)
          sums[0] = sums[0] + all(p[u]) * load((u < offset ? v + u * kvRow : newV + (u - offset) * kvRow) + d, some);
        store(y + d, ((sums[0] + sums[1]) + (sums[2] + sums[3])) * inverse, some);
      }
    }
  }
}

}  // namespace
}  // namespace trainyard

// layerNorm, rmsNorm and their gradients: one row at a time, twice through the nearest cache.
#pragma once

#include <cmath>

#include "step.h"

namespace trainyard {
namespace {

struct RowStatistics {
  float mean, rstd;
};

// One row; without a y only its mean and the inverse of its deviation.
static RowStatistics normaliseRow(const float* x, int64_t width, const float* gain, const float* bias, float epsilon, float* y) {
  vf total = all(0.0f);
  for (int64_t i = 0; i < width; i += LANES) total = total + load(x + i, width - i < LANES ? width - i : LANES);
  const float mean = sum(total) / (float)width;
  vf squares = all(0.0f);
  for (int64_t i = 0; i < width; i += LANES) {
    const int64_t some = width - i < LANES ? width - i : LANES;
    const vf d = select(lanes() < allInts((int32_t)some), load(x + i, some) - all(mean), all(0.0f));
    squares = squares + d * d;
  }
  const float rstd = 1.0f / std::sqrt(sum(squares) / (float)width + epsilon);
  for (int64_t i = 0; y != nullptr && i < width; i += LANES) {
    const int64_t some = width - i < LANES ? width - i : LANES;
    vf v = (load(x + i, some) - all(mean)) * all(rstd) * load(gain + i, some);
    if (bias != nullptr) v = v + load(bias + i, some);
    store(y + i, v, some);
  }
  return {mean, rstd};
}

static void layerNorm(const Step& s, Worker& w) {
  const Tensor *x = s.inputs[0], *y = s.outputs[0];
  const int64_t width = widthOf(x);
  const Range mine = share(rowsOf(x), w.index, w.count);
  for (int64_t r = mine.begin; r < mine.end; r++) {
    const RowStatistics row = normaliseRow(x->data + r * width, width, s.inputs[1]->data, dataOf(s.inputs[2]), s.epsilon,
                                           y == nullptr ? nullptr : y->data + r * width);
    if (s.outputs[1] != nullptr) s.outputs[1]->data[r] = row.mean;
    if (s.outputs[2] != nullptr) s.outputs[2]->data[r] = row.rstd;
  }
}

// Rows whose gradients of gain and bias are summed together: by the shape alone, so that the bits are the same for any number of
// workers. At most 256 blocks, so that the sums over blocks stay small beside the rest.
struct RowBlocks {
  int64_t rows, count;
};
FORCE RowBlocks rowBlocksOf(int64_t rows) {
  const int64_t even = (rows + 255) / 256, some = even < 32 ? 32 : even;
  return {some, (rows + some - 1) / some};
}

// Floats of the sums of all blocks.
FORCE size_t normalisationSums(int64_t rows, int64_t width) { return (size_t)(2 * width * rowBlocksOf(rows).count); }

// The gradients of gain and bias are summed over each block of rows, then over the blocks in their order.
static void layerNormBackward(const Step& s, Worker& w) {
  const Tensor *dy = s.inputs[0], *x = s.inputs[1], *gain = s.inputs[2], *means = s.inputs[3], *rstds = s.inputs[4];
  const Tensor *dx = s.outputs[0], *dGain = s.outputs[1], *dBias = s.outputs[2];
  const int64_t rows = rowsOf(x), width = widthOf(x);
  const RowBlocks blocks = rowBlocksOf(rows);
  float *gainSum = nullptr, *biasSum = nullptr;
  const bool sums = dGain != nullptr || dBias != nullptr;
  const Range mine = share(rows, w.index, w.count, blocks.rows);
  for (int64_t r = mine.begin; r < mine.end; r++) {
    if (r % blocks.rows == 0) {
      gainSum = w.shared.partial + r / blocks.rows * 2 * width;
      biasSum = gainSum + width;
      std::memset(gainSum, 0, (size_t)width * 8);
    }
    const float *g = dy->data + r * width, *at = x->data + r * width;
    const vf mean = all(means->data[r]), rstd = all(rstds->data[r]);
    vf first = all(0.0f), second = all(0.0f);
    for (int64_t i = 0; i < width; i += LANES) {
      const int64_t some = width - i < LANES ? width - i : LANES;
      const vf d = load(g + i, some), n = (load(at + i, some) - mean) * rstd, scaled = d * load(gain->data + i, some);
      first = first + scaled;
      second = second + scaled * n;  // lanes past the end have scaled = 0
      if (sums) {
        store(gainSum + i, load(gainSum + i, some) + d * n, some);
        store(biasSum + i, load(biasSum + i, some) + d, some);
      }
    }
    if (dx == nullptr) continue;
    const vf meanFirst = all(sum(first) / (float)width), meanSecond = all(sum(second) / (float)width);
    for (int64_t i = 0; i < width; i += LANES) {
      const int64_t some = width - i < LANES ? width - i : LANES;
      const vf n = (load(at + i, some) - mean) * rstd;
      vf v = rstd * (load(g + i, some) * load(gain->data + i, some) - meanFirst - n * meanSecond);
      float* to = dx->data + r * width + i;
      if (adds(s, 0)) v = v + load(to, some);
      store(to, v, some);
    }
  }
  if (!sums) return;
  w.barrier(w.pool);
  const Range columns = share(width, w.index, w.count, LANES);
  for (int64_t i = columns.begin; i < columns.end; i += LANES) {
    const int64_t some = columns.end - i < LANES ? columns.end - i : LANES;
    vf g = dGain != nullptr && adds(s, 1) ? load(dGain->data + i, some) : all(0.0f);
    vf b = dBias != nullptr && adds(s, 2) ? load(dBias->data + i, some) : all(0.0f);
    for (int64_t block = 0; block < blocks.count; block++) {
      const float* from = w.shared.partial + block * 2 * width + i;
      g = g + load(from, some);
      b = b + load(from + width, some);
    }
    if (dGain != nullptr) store(dGain->data + i, g, some);
    if (dBias != nullptr) store(dBias->data + i, b, some);
  }
}

// 1 / √(mean of squares + epsilon), four vectors side by side.
FORCE float rmsOf(const float* x, int64_t width, float epsilon) {
  vf a = all(0.0f), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * LANES <= width; i += 4 * LANES) {
    const vf p = load(x + i), q = load(x + i + LANES), r = load(x + i + 2 * LANES), u = load(x + i + 3 * LANES);
    a = a + p * p;
    b = b + q * q;
    c = c + r * r;
    d = d + u * u;
  }
  for (; i < width; i += LANES) {
    const vf p = load(x + i, width - i < LANES ? width - i : LANES);
    a = a + p * p;
  }
  return 1.0f / std::sqrt(sum((a + b) + (c + d)) / (float)width + epsilon);
}

static void rmsRow(const float* from, int64_t width, const float* gain, float epsilon, float* to) {
  const vf factor = all(rmsOf(from, width, epsilon));
  for (int64_t i = 0; i < width; i += LANES) {
    const int64_t some = width - i < LANES ? width - i : LANES;
    store(to + i, load(from + i, some) * factor * load(gain + i, some), some);
  }
}

// Each run of as many neighbours as there are gains is normalised by itself.
static void rmsNorm(const Step& s, Worker& w) {
  const Tensor *x = s.inputs[0], *gain = s.inputs[1];
  const int64_t width = gain->size;
  const Range mine = share(x->size / width, w.index, w.count);
  for (int64_t r = mine.begin; r < mine.end; r++)
    rmsRow(x->data + r * width, width, gain->data, s.epsilon, s.outputs[0]->data + r * width);
}

FORCE size_t rmsNormSums(int64_t rows, int64_t width) { return (size_t)(width * rowBlocksOf(rows).count); }

// With n = x · factor and g = dy · gain: dx = factor · (g - n · mean(g · n)), dGain = Σ dy · n, summed as in layerNormBackward.
static void rmsNormBackward(const Step& s, Worker& w) {
  const Tensor *dy = s.inputs[0], *x = s.inputs[1], *gain = s.inputs[2], *dx = s.outputs[0], *dGain = s.outputs[1];
  const int64_t width = gain->size, rows = x->size / width;
  const RowBlocks blocks = rowBlocksOf(rows);
  float* sums = nullptr;
  const Range mine = share(rows, w.index, w.count, blocks.rows);
  for (int64_t r = mine.begin; r < mine.end; r++) {
    if (r % blocks.rows == 0) {
      sums = w.shared.partial + r / blocks.rows * width;
      std::memset(sums, 0, (size_t)width * 4);
    }
    const float *g = dy->data + r * width, *at = x->data + r * width;
    const vf factor = all(rmsOf(at, width, s.epsilon));
    vf total = all(0.0f);
    for (int64_t i = 0; i < width; i += LANES) {
      const int64_t some = width - i < LANES ? width - i : LANES;
      const vf product = load(g + i, some) * (load(at + i, some) * factor);
      total = total + product * load(gain->data + i, some);
      if (dGain != nullptr) store(sums + i, load(sums + i, some) + product, some);
    }
    if (dx == nullptr) continue;
    const vf mean = all(sum(total) / (float)width);
    for (int64_t i = 0; i < width; i += LANES) {
      const int64_t some = width - i < LANES ? width - i : LANES;
      vf v = factor * (load(g + i, some) * load(gain->data + i, some) - load(at + i, some) * factor * mean);
      float* to = dx->data + r * width + i;
      if (adds(s, 0)) v = v + load(to, some);
      store(to, v, some);
    }
  }
  if (dGain == nullptr) return;
  w.barrier(w.pool);
  const Range columns = share(width, w.index, w.count, LANES);
  for (int64_t i = columns.begin; i < columns.end; i += LANES) {
    const int64_t some = columns.end - i < LANES ? columns.end - i : LANES;
    vf g = adds(s, 1) ? load(dGain->data + i, some) : all(0.0f);
    for (int64_t block = 0; block < blocks.count; block++) g = g + load(w.shared.partial + block * width + i, some);
    store(dGain->data + i, g, some);
  }
}

}  // namespace
}  // namespace trainyard

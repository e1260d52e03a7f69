// One kernel path whole: includes every kernel, compiled for one kind of processor, and describes it as a `Path`.
#pragma once

#include <ctime>

#include "attentionBackward.h"
#include "embedding.h"
#include "groupedCached.h"
#include "loss.h"
#include "normalisation.h"
#include "optimizer.h"
#include "reduce.h"
#include "rope.h"
#include "rows.h"
#include "strided.h"

namespace trainyard {
namespace {

static void executeStep(const Step* step, Worker* worker) {
  const Step& s = *step;
  Worker& w = *worker;
  switch (s.operation) {
    case operationEmbedding: return embedding(s, w);
    case operationEmbeddingBackward: return embeddingBackward(s, w);
    case operationLayerNorm: return layerNorm(s, w);
    case operationLayerNormBackward: return layerNormBackward(s, w);
    case operationLinear: return linear(s, w);
    case operationLinearBackwardInput: return linearBackwardInput(s, w);
    case operationLinearBackwardWeight: return linearBackwardWeight(s, w);
    case operationAttention: return attention(s, w);
    case operationAttentionBackward: return attentionBackward(s, w);
    case operationAttentionCached: return attentionCached(s, w);
    case operationGelu: return gelu(s, w);
    case operationGeluBackward: return geluBackward(s, w);
    case operationAdd: return addition(s, w);
    case operationDropout: return dropout(s, w);
    case operationProjectionLoss: return projectionLoss(s, w);
    case operationGradientNorm: return gradientNorm(s, w);
    case operationAdamW: return adamW(s, w);
    case operationMap: return map(s, w);
    case operationReduce: return reduce(s, w);
    case operationProduct: return stridedProduct(s, w);
    case operationGather: return gatherRows(s, w);
    case operationScatterAdd: return scatterAdd(s, w);
    case operationRmsNorm: return rmsNorm(s, w);
    case operationRmsNormBackward: return rmsNormBackward(s, w);
    case operationSwiglu: return swiglu(s, w);
    case operationSwigluBackward: return swigluBackward(s, w);
    case operationRope: return rope(s, w);
    case operationGroupedAttention: return attention(s, w);
    case operationGroupedAttentionBackward: return attentionBackward(s, w);
    case operationGroupedAttentionCached: return groupedAttentionCached(s, w);
    case operationCount: return;
  }
}

// Asks for the first of what a step will read that does not depend on other steps.
static void fetchStep(const Step* step, const Worker* worker) {
  const Step& s = *step;
  if (s.operation == operationLinear && s.transposed != nullptr && s.transposed->form == formInt8)
    fetchInt8(*s.transposed, widthOf(s.inputs[0]), s.inputs[1]->shape[0], *worker);
  else if (s.operation == operationLinear && takesFew(rowsOf(s.inputs[0]), s.transposed, modeOf(worker->precision)))
    fetchFew(*s.transposed, widthOf(s.inputs[0]), s.inputs[1]->shape[0], *worker);
}

FORCE void atLeast(size_t& has, size_t wants) {
  if (wants > has) has = wants;
}

// As `needOfStep`, of primitives and of the second model family's operations.
static void needOfFamily(const Step& s, Mode mode, int workers, Need* need) {
  switch (s.operation) {
    case operationMap:
      atLeast(need->local, evaluationSize(*s.primitive));
      break;
    case operationReduce:
      atLeast(need->local, evaluationSize(*s.primitive) + (size_t)blockSize);
      atLeast(need->partial, reduceSums(*s.primitive));
      break;
    case operationProduct: {
      const StridedShape shape = stridedShape(s, mode, workers);
      atLeast(need->local, shape.own());
      if (shape.isAlone) break;
      atLeast(need->left, shape.symmetric ? shape.left : shape.shared);
      atLeast(need->right, shape.right);
      break;
    }
    case operationRmsNormBackward:
      atLeast(need->partial, rmsNormSums(s.inputs[1]->size / s.inputs[2]->size, s.inputs[2]->size));
      break;
    case operationRope:
      atLeast(need->local, rotationSize(widthOf(s.inputs[0]) / s.heads));
      break;
    case operationAttention:
    case operationAttentionBackward:
    case operationGroupedAttention:
    case operationGroupedAttentionBackward: {
      const bool backward = s.operation == operationGroupedAttentionBackward || s.operation == operationAttentionBackward;
      const GroupShape g = attendedOf(s).g;
      atLeast(need->local, groupedLocal(g, backward));
      if (backward) atLeast(need->partial, groupedSums(g));
      break;
    }
    case operationGroupedAttentionCached:
      atLeast(need->local, cachedLocal(s.heads, s.inputs[3]->shape[1], widthOf(s.inputs[0]) / s.heads) +
                               (s.rotates ? rotatedLocal(s, widthOf(s.inputs[0]) / s.heads) : 0));
      break;
    default:
      break;
  }
}

// Raises `need` to what this step wants.
static void needOfStep(const Step* step, Precision precision, int workers, Need* need) {
  const Step& s = *step;
  const Mode mode = modeOf(precision);
  const auto forProduct = [&](int64_t m, int64_t k, int64_t n, bool packed) {
    atLeast(need->left, leftNeed(m, k, mode, workers));
    if (!packed) atLeast(need->right, rightSize(k, n, mode));
  };
  switch (s.operation) {
    case operationLinear:
      if (s.transposed != nullptr && s.transposed->form == formInt8) {
        atLeast(need->local, (size_t)s.inputs[0]->size + int8Local(rowsOf(s.inputs[0]), widthOf(s.inputs[0])));
        break;
      }
      // For rows normalised or rounded.
      if (s.inputs[4] != nullptr || (mode != full && takesFew(rowsOf(s.inputs[0]), s.transposed, mode)))
        atLeast(need->local, (size_t)s.inputs[0]->size);
      if (takesFew(rowsOf(s.inputs[0]), s.transposed, mode)) break;
      forProduct(rowsOf(s.inputs[0]), widthOf(s.inputs[0]), s.inputs[1]->shape[0], s.transposed != nullptr);
      break;
    case operationLinearBackwardInput:
      forProduct(rowsOf(s.inputs[0]), widthOf(s.inputs[0]), s.inputs[1]->shape[1], s.straight != nullptr);
      break;
    case operationLinearBackwardWeight:
      forProduct(widthOf(s.inputs[0]), rowsOf(s.inputs[0]), widthOf(s.inputs[1]), false);
      break;
    case operationAttentionCached:
      atLeast(need->local, cachedLocal(s.heads, s.inputs[1]->shape[1], widthOf(s.inputs[0]) / 3 / s.heads));
      break;
    case operationProjectionLoss: {
      const int64_t rows = rowsOf(s.inputs[0]), width = widthOf(s.inputs[0]), v = s.inputs[1]->shape[0];
      if (mode != paired || !lossByRows) {
        const LossShape l = lossShape(s, workers);
        atLeast(need->rows, lossLogits(l) + lossOwn(mode) * (size_t)workers);
        atLeast(need->partial, lossPerRow(l));
        atLeast(need->left, stripsSize(l, mode) * (size_t)l.blocks);
        if (s.outputs[4] != nullptr) atLeast(need->rightSecond, panelsSize(l, mode) * (size_t)l.blocks);
        atLeast(need->right, rightSize(width, l.chunk, mode));
        if (s.outputs[5] != nullptr) atLeast(need->rightThird, rightSize(l.chunk, width, mode));
        break;
      }
      const int64_t some = chunkOf(rows);
      atLeast(need->rows, (size_t)(some * lossRow(v)));
      atLeast(need->partial, (size_t)rows);
      forProduct(some, width, v, s.transposed != nullptr);
      if (s.outputs[4] != nullptr) {
        atLeast(need->left, leftSize(some, v, mode));
        atLeast(need->rightSecond, rightSize(v, width, mode));
      }
      if (s.outputs[5] != nullptr) {
        atLeast(need->left, leftSize(v, some, mode));
        atLeast(need->rightThird, rightSize(some, width, mode));
      }
      break;
    }
    case operationLayerNormBackward:
      atLeast(need->partial, normalisationSums(rowsOf(s.inputs[1]), widthOf(s.inputs[1])));
      break;
    case operationGradientNorm:
      atLeast(need->partial, (size_t)(2 * stretchesOf(s)));
      break;
    default:
      needOfFamily(s, mode, workers, need);
  }
}

static size_t packedFloats(int64_t k, int64_t n, Precision precision) { return rightSize(k, n, modeOf(precision)); }

static size_t int8Bytes(int64_t k, int64_t n) { return (size_t)(groupsOf(n) * groupBytes(k)); }

static double secondsNow() {
  timespec t;
  // The thread's own time, so that other programs on the machine do not count.
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// The register tile on operands that never leave the nearest cache: the most that these products can reach.
static double peakOf(Precision precision, double seconds) {
  const Mode mode = modeOf(precision);
  alignas(64) float a[32 * stripRow], b[depth * panel], c[32 * panel];
  for (float& x : a) x = 0.5f;
  for (float& x : b) x = 0.0f;
  std::memset(c, 0, sizeof c);
  const int64_t rows = rowsOf(mode), wide = mode == paired ? 2 : 1;
  const double flop = 2.0 * (double)(rows * panel * depth * wide);
  Product p = {};
  p.m = rows;
  p.n = panel;
  p.c = c;
  p.row = panel;
  double done = 0.0;
  const double start = secondsNow();
  double now = start;
#if defined(TRAINYARD_TILES)
  if (mode == paired) tilesOpen();
#endif
  while (now - start < seconds) {
    for (int i = 0; i < 64; i++) {
      oneTile(mode, p, depth, a, b, 0, rows, 0, panel, true);
      asm volatile("" ::: "memory");
    }
    done += 64 * flop;
    now = secondsNow();
  }
#if defined(TRAINYARD_TILES)
  if (mode == paired) tilesClose();
#endif
  return done / (now - start);
}

}  // namespace
}  // namespace trainyard

#define TRAINYARD_PATH(variable, name, detail, supported) \
  extern const trainyard::Path trainyard::variable = {    \
      name, detail, supported, trainyard::multipliesBf16, trainyard::lossByRows, trainyard::executeStep, trainyard::fetchStep, \
      trainyard::needOfStep, \
      trainyard::packedFloats, trainyard::int8Bytes, trainyard::peakOf}

// A program as the workers see it: steps over tensors that have their addresses. Plain structures without inline functions,
// because every kernel path includes this file with compiler flags of its own.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trainyard {

enum Operation : int32_t {
  operationEmbedding,
  operationEmbeddingBackward,
  operationLayerNorm,
  operationLayerNormBackward,
  // inputs x, weight, bias, residual; outputs y, gelu(y). The last of each are fused from later steps, often absent. With a gain in
  // the fifth place and perhaps a bias in the sixth, the rows of x, few, are normalised first: with `rms` by their root mean square.
  // With a gate in the seventh place y is multiplied with silu of it.
  operationLinear,
  // inputs dy, weight, and when a geluBackward is fused the x of that gelu.
  operationLinearBackwardInput,
  // inputs dy, x, and when x is recomputed from what it was made of: with `gelu`, x is what gelu was taken of; with a gain in the
  // third place, x is what was normalised, and bias, means and rstds follow.
  operationLinearBackwardWeight,
  operationAttention,
  operationAttentionBackward,
  operationAttentionCached,
  operationGelu,
  operationGeluBackward,
  operationAdd,
  operationDropout,
  // inputs x, table, targets, dLoss, logSumExp; outputs loss, losses, correct, logSumExp, dx, dTable. Forward alone, backward
  // alone (then logSumExp is an input), or both at once.
  operationProjectionLoss,
  operationGradientNorm,
  operationAdamW,
  // The primitives of program/primitives.ts: see `Primitive`.
  operationMap,
  operationReduce,
  operationProduct,
  operationGather,
  operationScatterAdd,
  operationRmsNorm,
  operationRmsNormBackward,
  operationSwiglu,
  operationSwigluBackward,
  operationRope,
  operationGroupedAttention,
  operationGroupedAttentionBackward,
  // inputs query, key, value, keys, values, offset, slots. With `rotates`, of one new token a text, query and key come as the products give
  // them: they are normalised head by head by the gains in places 8 and 9, where they are given, and rotated as rope does.
  operationGroupedAttentionCached,
  operationCount
};

constexpr int maximumAxes = 8;

struct Tensor {
  float* data;
  int64_t shape[maximumAxes];
  int axes;
  int64_t size;
  // Index among the session's tensors, -1 for inputs and activations.
  int held;
};

// How a copy holds its numbers: as the session's precision multiplies them; or, for products that do little but read them, rounded to
// bf16 in two bytes each, or to 8 bits with a scale for each block (int8.h). That of a cache has bf16 in its own order.
enum Form : int32_t { formWhole, formBf16, formInt8, formCache };

// A weight kept in the order in which the product kernels read it, or a cache. `held` says which session tensor it is a copy of.
struct Packed {
  float* data;
  int held;
  int slot;
  Form form;
};

constexpr int mostPrimitiveAxes = 6;

// How a primitive reaches the elements of a tensor: number `offset` + Σ coordinate · stride of it.
struct View {
  // What is there: float32, int32, or nothing: then the sum itself is the value, as for coordinates in formulas.
  enum Kind : int32_t { floats, integers, places } kind;
  // Which of the step's inputs; not used of the output's view and of places.
  int input;
  int64_t offset;
  int64_t strides[mostPrimitiveAxes];
  // With padding, an input is 0 and an output is not written where a coordinate is outside [low, high).
  bool padded;
  int64_t low[mostPrimitiveAxes], high[mostPrimitiveAxes];
};

// What a primitive does, checked when it was described. The axes come in the order in which the kernels walk them, the innermost last.
struct Primitive {
  int axes;
  int64_t shape[mostPrimitiveAxes];
  // reduce: so many axes are reduced. They are the last ones, or when `across` those before the last.
  int over;
  bool isLargest, across;
  // The inputs' views, then the output's. product: a, b, y over [.., M, N, K]; with a third input, as large as y and laid out as y, and two
  // constants, y is the one times the product plus the other times that input.
  int viewCount;
  const View* views;
  int constantCount;
  const float* constants;
  // The formula for a stack machine: pushes a view's element or a constant, or replaces the top values by a function of them.
  struct Instruction {
    int32_t code;  // of a function; -1: a view, -2: a constant
    int32_t operand;
  };
  int instructionCount;
  const Instruction* instructions;
  int depth;  // of the stack
};
constexpr int mostFormulaDepth = 64;

struct Step {
  Operation operation;
  const Tensor** inputs;
  int inputCount;
  const Tensor** outputs;
  int outputCount;
  // Bit i: output i is added to.
  uint32_t accumulate;
  // Whether the next step needs what this one wrote; false between updates of different parameters.
  bool barrier;
  // Whether the step before left the rows of x, as this one needs them, in every worker's own memory.
  bool sameRows;
  bool gelu, rms, rotates;
  int heads, groups;
  bool inverse;
  double theta;
  float epsilon, rate, maximum;
  uint32_t salt;
  double beta1, beta2, adamEpsilon, weightDecay;
  // Packed copies that outlive the step: the weight transposed (for x · weightᵀ), and as it is. Null: packed at each run. Of attention against a
  // cache: the keys and the values in bf16, which it reads and keeps as it writes the cache. Null: it reads the cache itself.
  const Packed* transposed;
  const Packed* straight;
  // Of primitives other than gather and scatterAdd.
  const Primitive* primitive;
};

// In int8 the session's matrices are rounded to 8 bits when they are written, and products of few rows read them in one byte each.
// Other products take bf16 where the processor multiplies it, else float32.
enum Precision : int32_t { precisionF32, precisionBf16, precisionInt8 };

// Working memory, in floats, that a step needs. Shared by all workers except `local`, which each has of its own.
struct Need {
  size_t left, right, rightSecond, rightThird, rows, partial, local;
};

struct Scratch {
  float *left, *right, *rightSecond, *rightThird, *rows, *partial;
};

// Written by whichever worker sees something wrong first.
struct Failure {
  int32_t raised;
  char message[240];
};

struct Worker {
  int index, count;
  Precision precision;
  Scratch shared;
  float* local;
  // How often each session tensor was written, and which of those writes each packed copy holds. Every worker keeps its own
  // count: all walk the same steps, so all counts agree.
  uint32_t* versions;
  uint32_t* packedVersions;
  Failure* failure;
  void* pool;
  void (*barrier)(void* pool);
};

// One way of computing every step on this kind of processor.
struct Path {
  const char* name;
  const char* detail;
  int (*supported)();
  // Whether matrix products really run on bf16 numbers; otherwise they are rounded to bf16 and computed in float32.
  bool multipliesBf16;
  // Whether the loss reads a packed copy of its table in bf16.
  bool packsLoss;
  void (*execute)(const Step* step, Worker* worker);
  // Lets the first of what the step will read come near, whatever the steps before it have yet to write.
  void (*fetch)(const Step* step, const Worker* worker);
  void (*need)(const Step* step, Precision precision, int workers, Need* need);
  // Floats of a packed K × N right-hand side.
  size_t (*packedSize)(int64_t k, int64_t n, Precision precision);
  // Bytes of the same in 8 bits.
  size_t (*int8Size)(int64_t k, int64_t n);
  // Multiply-adds as fast as registers allow, for about this long: floating-point operations per second on one thread.
  double (*peak)(Precision precision, double seconds);
};

extern const Path pathPortable, pathAmxEmulated;
#if defined(__x86_64__)
extern const Path pathAvx2, pathAvx512, pathAvx512Bf16, pathAmx;
#endif

}  // namespace trainyard

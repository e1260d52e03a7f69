#include "description.h"

#include "primitive.h"
#include "shapes.h"
#include "values.h"

namespace trainyard {
namespace {

const char* const operationNames[] = {
    "embedding", "embeddingBackward",    "layerNorm", "layerNormBackward", "linear",
    "linearBackwardInput", "linearBackwardWeight", "attention", "attentionBackward", "attentionCached",
    "gelu", "geluBackward", "add", "dropout", "projectionLoss", "gradientNorm", "adamW",
    "map", "reduce", "product", "gather", "scatterAdd",
    "rmsNorm", "rmsNormBackward", "swiglu", "swigluBackward", "rope",
    "groupedAttention", "groupedAttentionBackward", "groupedAttentionCached"};
static_assert(sizeof operationNames / sizeof operationNames[0] == operationCount, "every operation has a name");

Operation operationNamed(const std::string& name) {
  for (int i = 0; i < operationCount; i++)
    if (name == operationNames[i]) return (Operation)i;
  throw Fault("there is no kernel for " + name);
}

TensorDescription readTensor(napi_env env, napi_value v, const Session& session, size_t arena) {
  TensorDescription t;
  int64_t size = 4;
  each(env, field(env, v, "shape"), "a shape", [&](napi_value side) {
    t.shape.push_back((int64_t)number(env, side, "a side"));
    size *= t.shape.back();
  });
  if (t.shape.empty() || t.shape.size() > maximumAxes) throw Fault("a tensor must have 1 to 8 axes");
  t.held = (int)number(env, field(env, v, "held"), "held");
  t.offset = (int64_t)number(env, field(env, v, "offset"), "offset");
  if (t.held >= 0 && ((size_t)t.held >= session.tensorCount() || session.tensor((size_t)t.held).bytes() != (size_t)size))
    throw Fault("a held tensor does not fit the session's");
  if (t.offset >= 0 && (t.offset % 64 != 0 || (size_t)(t.offset + size) > arena)) throw Fault("a tensor lies outside the arena");
  return t;
}

void readAttributes(napi_env env, napi_value attributes, Step& at) {
  at.gelu = number(env, attributes, "gelu", 0) != 0;
  at.rms = number(env, attributes, "rms", 0) != 0;
  at.rotates = number(env, attributes, "rotates", 0) != 0;
  at.heads = (int)number(env, attributes, "heads", 1);
  at.groups = (int)number(env, attributes, "groups", 1);
  at.inverse = number(env, attributes, "inverse", 0) != 0;
  at.theta = number(env, attributes, "theta", 10000);
  at.epsilon = (float)number(env, attributes, "epsilon", 0);
  at.adamEpsilon = number(env, attributes, "epsilon", 0);
  at.rate = (float)number(env, attributes, "rate", 0);
  at.salt = (uint32_t)(int64_t)number(env, attributes, "salt", 0);
  at.maximum = (float)number(env, attributes, "maximum", 0);
  at.beta1 = number(env, attributes, "beta1", 0);
  at.beta2 = number(env, attributes, "beta2", 0);
  at.weightDecay = number(env, attributes, "weightDecay", 0);
}

StepDescription readStep(napi_env env, napi_value v, const std::vector<TensorDescription>& tensors) {
  StepDescription s = {};
  s.operation = operationNamed(text(env, field(env, v, "operation"), "operation"));
  const auto tensorIndex = [&](napi_value item) {
    const int index = (int)number(env, item, "a tensor index");
    if (index < -1 || index >= (int)tensors.size()) throw Fault("a step names no tensor");
    return index;
  };
  each(env, field(env, v, "inputs"), "inputs", [&](napi_value item) { s.inputs.push_back(tensorIndex(item)); });
  each(env, field(env, v, "outputs"), "outputs", [&](napi_value item) { s.outputs.push_back(tensorIndex(item)); });
  s.attributes.accumulate = (uint32_t)number(env, v, "accumulate", 0);
  readAttributes(env, field(env, v, "attributes"), s.attributes);
  checkShapes(s, tensors);
  if (s.operation != operationMap && s.operation != operationReduce && s.operation != operationProduct) return s;
  const Doubles numbers = doubles(env, field(env, v, "primitive"));
  s.primitive = readPrimitive(s, tensors, numbers.data, numbers.count);
  return s;
}

}  // namespace

ProgramDescription readProgram(napi_env env, napi_value program, const Session& session) {
  ProgramDescription read;
  read.arenaBytes = (size_t)number(env, field(env, program, "bytes"), "bytes");
  each(env, field(env, program, "tensors"), "tensors",
       [&](napi_value v) { read.tensors.push_back(readTensor(env, v, session, read.arenaBytes)); });
  each(env, field(env, program, "steps"), "steps", [&](napi_value v) { read.steps.push_back(readStep(env, v, read.tensors)); });
  return read;
}

}  // namespace trainyard

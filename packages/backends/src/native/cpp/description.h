// A program as JavaScript describes it, read and checked.
#pragma once

#include "nodeApi.h"

#include "session.h"

namespace trainyard {

struct ProgramDescription {
  std::vector<TensorDescription> tensors;
  std::vector<StepDescription> steps;
  size_t arenaBytes;
};

// Of { tensors: [{ shape, held, offset }], steps: [{ operation, inputs, outputs, attributes, primitive?, ... }], bytes }. Throws where a
// tensor is not where it can be, or a primitive would leave its tensors.
ProgramDescription readProgram(napi_env env, napi_value program, const Session& session);

}  // namespace trainyard

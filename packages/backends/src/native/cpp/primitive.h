// Primitives as numbers, read and checked: whatever the numbers say, kernels stay inside the tensors that they are given.
#pragma once

#include "session.h"

namespace trainyard {

// Axes, shape, over, isLargest, across; views; constants; instructions: see native/primitive.ts, which writes them. Throws a
// std::runtime_error where they do not fit each other or the step's tensors.
std::shared_ptr<const Primitive> readPrimitive(const StepDescription& step, const std::vector<TensorDescription>& tensors,
                                               const double* numbers, size_t count);

}  // namespace trainyard

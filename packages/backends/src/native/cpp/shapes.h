// Checks of the shapes that a described step works on, for kernels that would leave their tensors otherwise.
#pragma once

#include "session.h"

namespace trainyard {

// Checks gather, scatterAdd and the operations of the second model family; others pass. Throws a std::runtime_error.
void checkShapes(const StepDescription& step, const std::vector<TensorDescription>& tensors);

int64_t sizeOf(const TensorDescription& tensor);

}  // namespace trainyard

// Which steps of a program need not wait for each other: in generation a barrier costs as much as many a step.
#include "session.h"

namespace trainyard {

// A part of memory: of the arena, or of a tensor that lies by itself, which `base` names.
struct Prepared::Span {
  const void* base;
  int64_t begin, end;
  bool overlaps(const Span& other) const { return base == other.base && begin < other.end && other.begin < end; }
};

void Prepared::spansOf(const Tensor** list, int count, std::vector<Span>& to) const {
  for (int i = 0; i < count; i++) {
    if (list[i] == nullptr) continue;
    const int64_t place = places_[(size_t)(list[i] - tensors_.data())];
    if (place >= 0) to.push_back({nullptr, place, place + list[i]->size});
    else to.push_back({list[i]->data, 0, list[i]->size});
  }
}

// Whether the workers divide the columns of both products alike, so that each reads of the first what it wrote itself.
static bool dividesAlike(const Step& one, const Step& other) {
  return one.operation == operationLinear && other.operation == operationLinear && one.transposed != nullptr &&
         other.transposed != nullptr && (one.transposed->form == formInt8) == (other.transposed->form == formInt8) &&
         one.inputs[1]->shape[0] == other.inputs[1]->shape[0];
}

// What cannot fail, so that what follows may be begun, and is a step of its own in the workers' shares alone.
static bool mayBePassed(Operation operation) {
  return operation == operationLinear || operation == operationAdamW || operation == operationRmsNorm || operation == operationRope;
}

// Steps whose tensors and shared memory do not touch need not wait for each other. As a step's barrier is the one after it, steps are looked
// at together from one barrier to the next.
void Prepared::leaveBarriersOut() {
  std::vector<Span> reads, writes, hasRead, hasWritten;
  bool hasShared = false;
  size_t first = 0;
  for (size_t i = 0; i < steps_.size(); i++) {
    Step& step = steps_[i];
    reads.clear(), writes.clear();
    Need need = {};
    session_->path_.need(&step, session_->precision_, session_->pool_.count(), &need);
    const bool shares = need.left + need.right + need.rightSecond + need.rightThird + need.rows + need.partial > 0;
    const Step* before = i > 0 ? &steps_[i - 1] : nullptr;
    // Neither takes more memory than its workers' own: both products are of few rows.
    const bool follows = before != nullptr && !shares && !hasShared && before->operation == operationLinear && step.operation == operationLinear;
    const bool isDivided = follows && dividesAlike(*before, step) && step.inputs[6] != nullptr && step.inputs[6] == before->outputs[0];
    spansOf(step.inputs, isDivided ? 6 : step.inputCount, reads);
    spansOf(step.outputs, step.outputCount, writes);
    const auto overlap = [](const std::vector<Span>& a, const std::vector<Span>& b) {
      for (const Span& one : a)
        for (const Span& other : b)
          if (one.overlaps(other)) return true;
      return false;
    };
    const bool waits = before != nullptr && (!mayBePassed(before->operation) || (shares && hasShared) || overlap(reads, hasWritten) ||
                                             overlap(writes, hasWritten) || overlap(writes, hasRead));
    if (before != nullptr) steps_[i - 1].barrier = waits;
    if (waits) hasRead.clear(), hasWritten.clear(), hasShared = false, first = i;
    step.barrier = true;
    step.sameRows = follows && i > first && before->inputs[0] == step.inputs[0] && before->inputs[4] == step.inputs[4] &&
                    before->inputs[5] == step.inputs[5] && before->epsilon == step.epsilon && before->rms == step.rms &&
                    before->transposed != nullptr && step.transposed != nullptr &&
                    (before->transposed->form == formInt8) == (step.transposed->form == formInt8);
    if (isDivided) spansOf(step.inputs + 6, 1, reads);
    hasRead.insert(hasRead.end(), reads.begin(), reads.end());
    hasWritten.insert(hasWritten.end(), writes.begin(), writes.end());
    hasShared = hasShared || shares;
  }
}

}  // namespace trainyard

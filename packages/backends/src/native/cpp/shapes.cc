#include "shapes.h"

#include <stdexcept>

namespace trainyard {
namespace {

using Shape = std::vector<int64_t>;

// A step's tensors by place.
class Places {
 public:
  Places(const StepDescription& step, const std::vector<TensorDescription>& tensors) : step_(step), tensors_(tensors) {}

  void need(bool holds, const char* what) const {
    if (!holds) throw std::runtime_error(std::string("a step's description needs ") + what);
  }
  void count(size_t inputs, size_t outputs) const {
    need(step_.inputs.size() == inputs && step_.outputs.size() == outputs, "other numbers of inputs and outputs");
  }
  // The tensor at a place, null where it is absent.
  const TensorDescription* input(size_t i) const { return at(step_.inputs[i]); }
  const TensorDescription* output(size_t i) const { return at(step_.outputs[i]); }
  const Shape& shape(size_t i) const {
    need(input(i) != nullptr, "all its inputs");
    return input(i)->shape;
  }
  int64_t size(size_t i) const {
    need(input(i) != nullptr, "all its inputs");
    return sizeOf(*input(i));
  }
  void sameInput(size_t i, int64_t size) const { need(this->size(i) == size, "inputs that fit each other"); }
  void sameOutput(size_t i, int64_t size, bool optional) const {
    if (output(i) == nullptr) return need(optional, "all its outputs");
    need(sizeOf(*output(i)) == size, "outputs that fit its inputs");
  }

 private:
  const TensorDescription* at(int index) const { return index < 0 ? nullptr : &tensors_[(size_t)index]; }

  const StepDescription& step_;
  const std::vector<TensorDescription>& tensors_;
};

void checkRows(const Places& p, bool isGather) {
  p.count(2, 1);
  p.need(p.output(0) != nullptr, "its output");
  const Shape &table = isGather ? p.shape(0) : p.output(0)->shape, &rows = isGather ? p.output(0)->shape : p.shape(0);
  p.need(table.size() == 2 && rows.back() == table[1], "a table, and rows of its width");
  p.need(sizeOf(isGather ? *p.output(0) : *p.input(0)) == p.size(1) * table[1], "a row for each index");
}

void checkNorm(const Places& p, bool backward) {
  backward ? p.count(3, 2) : p.count(2, 1);
  const size_t x = backward ? 1 : 0;
  p.need(p.shape(x).back() % p.size(x + 1) == 0, "a gain that divides a row");
  if (backward) p.sameInput(0, p.size(1));
  p.sameOutput(0, p.size(x), backward);
  if (backward) p.sameOutput(1, p.size(2), true);
}

void checkElements(const Places& p, size_t inputs, size_t outputs) {
  p.count(inputs, outputs);
  for (size_t i = 0; i < inputs; i++) p.sameInput(i, p.size(0));
  for (size_t i = 0; i < outputs; i++) p.sameOutput(i, p.size(0), outputs > 1);
}

void checkRope(const Places& p, const Step& at) {
  p.count(2, 1);
  const Shape& x = p.shape(0);
  p.need(x.size() == 3 && at.heads > 0 && x[2] % (2 * (int64_t)at.heads) == 0, "[B, T, heads of an even width]");
  p.need(p.size(1) == 1 || p.size(1) == x[0], "one offset, or one for each text");
  p.sameOutput(0, p.size(0), false);
}

// query, key and value from place `first` on.
void checkGroups(const Places& p, const Step& at, size_t first) {
  const Shape &query = p.shape(first), &key = p.shape(first + 1);
  p.need(query.size() == 3 && key.size() == 3 && key[0] == query[0] && key[1] == query[1], "query and key of three axes");
  p.need(at.groups > 0 && at.heads > 0 && at.heads % at.groups == 0 && query[2] % at.heads == 0, "groups that divide the heads");
  p.need(key[2] == query[2] / at.heads * at.groups, "keys as wide as their groups");
  p.sameInput(first + 2, p.size(first + 1));
}

void checkGroupedAttention(const Places& p, const Step& at, bool backward) {
  backward ? p.count(7, 3) : p.count(4, 2);
  const size_t first = backward ? 1 : 0;
  checkGroups(p, at, first);
  const Shape& query = p.shape(first);
  const int64_t sums = query[0] * query[1] * at.heads;
  if (p.input(first + 3) != nullptr) p.sameInput(first + 3, query[0] * query[1]);
  if (backward) {
    p.sameInput(0, p.size(1));
    p.sameInput(5, p.size(1));
    p.sameInput(6, sums);
    for (size_t i = 0; i < 3; i++) p.sameOutput(i, p.size(1 + i), true);
  } else {
    p.sameOutput(0, p.size(0), true);
    p.sameOutput(1, sums, true);
  }
}

void checkGroupedCached(const Places& p, const Step& at) {
  p.count(at.rotates ? 9 : 7, 3);
  checkGroups(p, at, 0);
  const Shape &key = p.shape(1), &keys = p.shape(3);
  if (at.rotates) {
    const int64_t width = p.shape(0)[2] / at.heads;
    p.need(key[1] == 1 && width % 2 == 0, "one new token, and heads of an even width");
    for (size_t i = 7; i < 9; i++)
      if (p.input(i) != nullptr) p.need(p.size(i) == width, "a gain for each element of a head");
  }
  p.need(keys.size() == 3 && keys[0] >= key[0] && keys[2] == key[2] && key[1] <= keys[1], "a cache of [S, P, keys]");
  p.sameInput(4, p.size(3));
  p.need(p.size(5) == 1 || p.size(5) == key[0], "one offset, or one for each text");
  if (p.input(6) != nullptr) p.sameInput(6, key[0]);
  p.sameOutput(0, p.size(0), true);
}

}  // namespace

int64_t sizeOf(const TensorDescription& tensor) {
  int64_t size = 1;
  for (const int64_t side : tensor.shape) size *= side;
  return size;
}

void checkShapes(const StepDescription& step, const std::vector<TensorDescription>& tensors) {
  const Places p(step, tensors);
  const Step& at = step.attributes;
  switch (step.operation) {
    case operationGather: return checkRows(p, true);
    case operationScatterAdd: return checkRows(p, false);
    case operationRmsNorm: return checkNorm(p, false);
    case operationRmsNormBackward: return checkNorm(p, true);
    case operationSwiglu: return checkElements(p, 2, 1);
    case operationSwigluBackward: return checkElements(p, 3, 2);
    case operationRope: return checkRope(p, at);
    case operationGroupedAttention: return checkGroupedAttention(p, at, false);
    case operationGroupedAttentionBackward: return checkGroupedAttention(p, at, true);
    case operationGroupedAttentionCached: return checkGroupedCached(p, at);
    default: return;
  }
}

}  // namespace trainyard

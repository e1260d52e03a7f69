#include "primitive.h"

#include <cmath>
#include <stdexcept>

#include "shapes.h"

namespace trainyard {
namespace {

[[noreturn]] void refuse(const char* why) { throw std::runtime_error(std::string("a primitive's description ") + why); }

// How many arguments each function takes, in the order of `arity` in program/Formula.ts.
constexpr int arity[] = {2, 2, 2, 2, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 2, 3};
constexpr int functions = sizeof arity / sizeof arity[0];

// Numbers one by one.
class Reader {
 public:
  Reader(const double* numbers, size_t count) : at_(numbers), end_(numbers + count) {}
  double any() {
    if (at_ == end_) refuse("ends too early");
    return *at_++;
  }
  int64_t whole(int64_t least, int64_t most) {
    const double x = any();
    if (!(x >= (double)least && x <= (double)most) || x != std::floor(x)) refuse("has a number out of its range");
    return (int64_t)x;
  }
  size_t left() const { return (size_t)(end_ - at_); }

 private:
  const double *at_, *end_;
};

// As much as a double counts exactly.
constexpr int64_t most = (int64_t)1 << 53;

struct Owner {
  Primitive primitive = {};
  std::vector<View> views;
  std::vector<float> constants;
  std::vector<Primitive::Instruction> instructions;
};

// Whether no coordinate that is not padding leads outside `size` elements, and none at all so far that its place could not be counted.
bool staysInside(const Primitive& p, const View& v, int64_t size) {
  __int128 least = v.offset, largest = v.offset, far = 0;
  bool isEmpty = false;
  for (int axis = 0; axis < p.axes; axis++) {
    const int64_t low = v.padded ? v.low[axis] : 0, high = v.padded ? v.high[axis] : p.shape[axis];
    isEmpty = isEmpty || low >= high;
    const __int128 first = (__int128)v.strides[axis] * low, last = (__int128)v.strides[axis] * (high - 1);
    least += first < last ? first : last;
    largest += first < last ? last : first;
    far += (v.strides[axis] < 0 ? -(__int128)v.strides[axis] : v.strides[axis]) * (__int128)p.shape[axis];
  }
  return far < most && (isEmpty || (least >= 0 && largest < size));
}

View readView(Reader& from, const Primitive& p) {
  View v = {};
  v.kind = (View::Kind)from.whole(View::floats, View::places);
  v.input = (int)from.whole(-1, 1 << 20);
  v.offset = from.whole(-most, most);
  for (int axis = 0; axis < p.axes; axis++) v.strides[axis] = from.whole(-most, most);
  for (int axis = 0; axis < p.axes; axis++) v.low[axis] = from.whole(0, p.shape[axis]);
  for (int axis = 0; axis < p.axes; axis++) {
    v.high[axis] = from.whole(0, p.shape[axis]);
    v.padded = v.padded || v.low[axis] > 0 || v.high[axis] < p.shape[axis];
  }
  return v;
}

// Reads the formula and follows its stack.
void readFormula(Reader& from, Owner& owner) {
  Primitive& p = owner.primitive;
  const int64_t count = from.whole(1, 4096);
  int held = 0;
  for (int64_t i = 0; i < count; i++) {
    Primitive::Instruction at;
    at.code = (int32_t)from.whole(-2, functions - 1);
    at.operand = (int32_t)from.whole(0, at.code == -1 ? p.viewCount - 2 : at.code == -2 ? p.constantCount - 1 : 0);
    if (at.code >= 0) {
      if (held < arity[at.code]) refuse("has a function without arguments");
      held -= arity[at.code];
    }
    held++;
    p.depth = held > p.depth ? held : p.depth;
    owner.instructions.push_back(at);
  }
  if (held != 1) refuse("has a formula without one result");
  if (p.depth > mostFormulaDepth) refuse("has a formula with more than 64 values waiting");
}

}  // namespace

std::shared_ptr<const Primitive> readPrimitive(const StepDescription& step, const std::vector<TensorDescription>& tensors,
                                               const double* numbers, size_t count) {
  const auto owner = std::make_shared<Owner>();
  Primitive& p = owner->primitive;
  Reader from(numbers, count);
  const bool isProduct = step.operation == operationProduct;
  p.axes = (int)from.whole(1, mostPrimitiveAxes);
  double elements = 1;
  for (int axis = 0; axis < p.axes; axis++) elements *= (double)(p.shape[axis] = from.whole(1, most));
  if (elements > (double)most) refuse("has too many elements");
  p.over = (int)from.whole(0, p.axes);
  p.isLargest = from.whole(0, 1) == 1;
  p.across = from.whole(0, 1) == 1;
  if (step.operation == operationReduce ? p.over == 0 || (p.across && p.over == p.axes) : p.over > 0)
    refuse("reduces axes that are not there");
  if (isProduct && p.axes < 3) refuse("is of a product without rows, columns and sums");

  if (step.outputs.size() != 1 || step.outputs[0] < 0) refuse("has no output");
  p.viewCount = (int)from.whole(1, 1 << 20);
  if (isProduct && p.viewCount != 3) refuse("is of a product with other than three views");
  const int reduced = step.operation != operationReduce ? p.axes : p.axes - p.over - (p.across ? 1 : 0);
  for (int i = 0; i < p.viewCount; i++) {
    const View v = readView(from, p);
    const bool isOutput = i == p.viewCount - 1;
    if ((isOutput || isProduct) && (v.kind != View::floats || (isProduct && v.padded))) refuse("has a view that it cannot have");
    if (!isOutput && v.kind != View::places &&
        (v.input < 0 || (size_t)v.input >= step.inputs.size() || step.inputs[(size_t)v.input] < 0))
      refuse("reads an input that is not there");
    for (int axis = reduced; isOutput && axis < reduced + p.over; axis++)
      if (v.strides[axis] != 0 || v.low[axis] > 0 || v.high[axis] < p.shape[axis]) refuse("has an output along reduced axes");
    const int tensor = isOutput ? step.outputs[0] : v.kind == View::places ? -1 : step.inputs[(size_t)v.input];
    if (!staysInside(p, v, tensor < 0 ? most : sizeOf(tensors[(size_t)tensor]))) refuse("leaves its tensor");
    owner->views.push_back(v);
  }
  p.constantCount = (int)from.whole(0, 4096);
  for (int i = 0; i < p.constantCount; i++) owner->constants.push_back((float)from.any());
  if (isProduct) {
    if (p.constantCount != 0 && p.constantCount != 2) refuse("is of a product with other than two factors");
    if (p.constantCount == 2) {
      if (step.inputs.size() != 3 || step.inputs[2] < 0 || sizeOf(tensors[(size_t)step.inputs[2]]) != sizeOf(tensors[(size_t)step.outputs[0]]))
        refuse("is of a product without what is added to it");
      const int columns = p.axes - 2;
      if (p.shape[columns] > 1 && owner->views[2].strides[columns] != 1) refuse("adds to a product whose rows have gaps");
      if ((step.attributes.accumulate & 1) != 0) refuse("adds to a product that is added itself");
    }
  } else {
    readFormula(from, *owner);
  }
  if (from.left() > 0) refuse("is too long");
  p.views = owner->views.data();
  p.constants = owner->constants.data();
  p.instructions = owner->instructions.data();
  p.instructionCount = (int)owner->instructions.size();
  return std::shared_ptr<const Primitive>(owner, &owner->primitive);
}

}  // namespace trainyard

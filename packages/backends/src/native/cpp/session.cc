#include "session.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#if !defined(TRAINYARD_DEBUG) && (defined(__linux__) || defined(__APPLE__))
#include <sys/mman.h>
#define TRAINYARD_MAPPED
#endif

namespace trainyard {

// More than any operation but gradientNorm takes or gives.
constexpr size_t maximumArguments = 8;
// Packing a weight costs about as much as multiplying it with this many rows.
constexpr int64_t fewRows = 32;

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
#if defined(TRAINYARD_MAPPED)
  data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw std::bad_alloc();
  }
#if defined(MADV_HUGEPAGE)
  if (bytes >= (4u << 20)) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
#else
  data_ = std::calloc(bytes, 1);
  if (data_ == nullptr) throw std::bad_alloc();
#endif
}
Memory::~Memory() {
  if (data_ == nullptr) return;
#if defined(TRAINYARD_MAPPED)
  munmap(data_, bytes_);
#else
  std::free(data_);
#endif
}
Memory::Memory(Memory&& other) noexcept { *this = std::move(other); }
Memory& Memory::operator=(Memory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

static uint64_t nanoseconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

Session::Session(const Path& path, Precision precision, int threads, std::vector<int64_t> sizes)
    : path_(path), precision_(precision), team_(threads) {
  for (const int64_t size : sizes) tensors_.emplace_back((size_t)size * 4);
  versions_.assign((size_t)threads, std::vector<uint32_t>(sizes.size(), 1));
  packedVersions_.resize((size_t)threads);
  locals_.resize((size_t)threads);
}

void Session::read(size_t index, float* to) { std::memcpy(to, tensors_[index].floats(), tensors_[index].bytes()); }

void Session::write(size_t index, const float* from) {
  std::memcpy(tensors_[index].floats(), from, tensors_[index].bytes());
  for (auto& mine : versions_) mine[index]++;
}

size_t Session::bytes() const {
  size_t total = packedBytes_ + arena_.bytes();
  for (const auto& t : tensors_) total += t.bytes();
  for (const Memory* m : {&left_, &right_, &rightSecond_, &rightThird_, &rows_, &partial_}) total += m->bytes();
  for (const auto& m : locals_) total += m.bytes();
  return total;
}

std::shared_ptr<Packed> Session::packed(int held, bool turned, bool halves, int64_t k, int64_t n) {
  auto& known = packs_[{held, turned, halves}];
  if (auto mine = known.lock()) return mine;
  auto memory = std::make_shared<Memory>(path_.packedSize(k, n, precision_) * (halves ? 2 : 4));
  int slot = slots_;
  if (!freeSlots_.empty()) {
    slot = *freeSlots_.begin();
    freeSlots_.erase(freeSlots_.begin());
  } else {
    slots_++;
    for (auto& mine : packedVersions_) mine.push_back(0);
  }
  for (auto& mine : packedVersions_) mine[(size_t)slot] = 0;
  packedBytes_ += memory->bytes();
  std::shared_ptr<Packed> made(new Packed{memory->floats(), held, slot, halves}, [this, memory](Packed* p) {
    freeSlots_.insert(p->slot);
    packedBytes_ -= memory->bytes();
    delete p;
  });
  known = made;
  return made;
}

// Programs run one at a time, and what one leaves in the arena is taken before the next begins: they share it.
void Session::reserveArena(size_t bytes) {
  team_.settle();
  if (arena_.bytes() >= bytes) return;
  arena_ = Memory();
  arena_ = Memory(bytes);
}

void Session::reserve(const Need& need) {
  const auto atLeast = [](Memory& memory, size_t floats, float*& at) {
    if (memory.bytes() < floats * 4) {
      memory = Memory();
      memory = Memory(floats * 4);
    }
    at = memory.floats();
  };
  atLeast(left_, need.left, scratch_.left);
  atLeast(right_, need.right, scratch_.right);
  atLeast(rightSecond_, need.rightSecond, scratch_.rightSecond);
  atLeast(rightThird_, need.rightThird, scratch_.rightThird);
  atLeast(rows_, need.rows, scratch_.rows);
  atLeast(partial_, need.partial, scratch_.partial);
  for (auto& local : locals_) {
    float* at;
    atLeast(local, need.local, at);
  }
}

Prepared::Prepared(std::shared_ptr<Session> session, std::vector<TensorDescription> tensors,
                   std::vector<StepDescription> steps, size_t arenaBytes)
    : session_(std::move(session)), times_(steps.size(), Time{0, 0, 0}) {
#if !defined(TRAINYARD_DEBUG)
  session_->reserveArena(arenaBytes);
#else
  (void)arenaBytes;
#endif
  tensors_.resize(tensors.size());
  places_.assign(tensors.size(), -1);
  for (size_t i = 0; i < tensors.size(); i++) {
    const TensorDescription& from = tensors[i];
    Tensor& t = tensors_[i];
    t = {};
    t.axes = (int)from.shape.size();
    t.size = 1;
    for (int axis = 0; axis < t.axes; axis++) t.size *= t.shape[axis] = from.shape[(size_t)axis];
    t.held = from.held;
    if (from.held >= 0) {
      t.data = session_->tensors_[(size_t)from.held].floats();
    } else if (from.offset >= 0 && session_->arena_.bytes() > 0) {
      places_[i] = from.offset / 4;
    } else {
      own_.emplace_back((size_t)t.size * 4);
      t.data = own_.back().floats();
    }
  }
  bind();
  for (const auto& step : steps)
    for (const int output : step.outputs)
      if (output >= 0 && tensors_[(size_t)output].held >= 0) session_->written_.insert(tensors_[(size_t)output].held);

  lists_.reserve(2 * steps.size());
  Need need = {};
  for (const auto& from : steps) {
    Step step = from.attributes;
    step.operation = from.operation;
    for (const auto* names : {&from.inputs, &from.outputs}) {
      std::vector<const Tensor*> list;
      for (const int index : *names) list.push_back(index < 0 ? nullptr : &tensors_[(size_t)index]);
      // Kernels look at every place that their operation has.
      list.resize(std::max<size_t>(list.size(), maximumArguments), nullptr);
      lists_.push_back(std::move(list));
    }
    auto &inputs = lists_[lists_.size() - 2], &outputs = lists_.back();
    step.inputs = inputs.data();
    step.inputCount = (int)from.inputs.size();
    step.outputs = outputs.data();
    step.outputCount = (int)from.outputs.size();
    step.transposed = step.straight = nullptr;
    // In a session that trains, products of many rows pack a weight at each run into the memory that they share. For a few rows,
    // and where nothing is written, the copy stays.
    const bool takesWeight = step.operation == operationLinear || step.operation == operationLinearBackwardInput ||
                             (step.operation == operationProjectionLoss && session_->path_.multipliesBf16 &&
                              session_->precision_ == precisionBf16);
    const bool isFew = takesWeight && inputs[0]->size / inputs[0]->shape[inputs[0]->axes - 1] <= fewRows;
    if (takesWeight && inputs[1]->held >= 0 && (session_->written_.empty() || isFew)) {
      const bool turned = step.operation != operationLinearBackwardInput;
      // Where bf16 products are taken in float32 of rounded operands, and rows are few, reading the weight is most of the work.
      const bool halves = step.operation == operationLinear && isFew && session_->precision_ == precisionBf16 &&
                          !session_->path_.multipliesBf16;
      const int64_t rows = inputs[1]->shape[0], columns = inputs[1]->shape[1];
      packed_.push_back(session_->packed(inputs[1]->held, turned, halves, turned ? columns : rows, turned ? rows : columns));
      (turned ? step.transposed : step.straight) = packed_.back().get();
    }
    session_->path_.need(&step, session_->precision_, session_->team_.count(), &need);
    steps_.push_back(step);
  }
  session_->reserve(need);
}

Prepared::~Prepared() { session_->team_.settle(); }

void Prepared::bind() {
  const float* arena = session_->arena_.floats();
  if (bound_ == arena) return;
  bound_ = arena;
  for (size_t i = 0; i < tensors_.size(); i++)
    if (places_[i] >= 0) tensors_[i].data = session_->arena_.floats() + places_[i];
}

void Prepared::start(bool isTimed, std::function<void(const char*)> done) {
  isTimed_ = isTimed;
  cancelled_.store(false);
  stop_ = false;
  failure_ = {};
#if defined(TRAINYARD_DEBUG)
  // What nothing wrote is not a number.
  for (auto& t : tensors_) {
    bool isActivation = t.held < 0;
    for (size_t i = 0; isActivation && i < steps_.size(); i++) {
      bool makes = false;
      for (int o = 0; o < steps_[i].outputCount; o++) makes = makes || steps_[i].outputs[o] == &t;
      if (makes) {
        for (int64_t n = 0; n < t.size; n++) t.data[n] = NAN;
        break;
      }
    }
  }
#endif
  session_->team_.start([this](int index) { walk(index); },
                        [this, done = std::move(done)] {
                          done(failure_.raised       ? failure_.message
                               : cancelled_.load() && stop_ ? "interrupted"
                                                     : nullptr);
                        });
}

void Prepared::walk(int index) {
  Session& session = *session_;
  Worker worker = {};
  worker.index = index;
  worker.count = session.team_.count();
  worker.precision = session.precision_;
  worker.shared = session.scratch_;
  worker.local = session.locals_[(size_t)index].floats();
  worker.versions = session.versions_[(size_t)index].data();
  worker.packedVersions = session.packedVersions_[(size_t)index].data();
  worker.failure = &failure_;
  worker.team = &session.team_;
  worker.meet = [](void* team) { static_cast<Team*>(team)->meet(); };
  const std::function<void()> decide = [this] {
    stop_ = failure_.raised != 0 || cancelled_.load(std::memory_order_relaxed);
  };
  size_t i = 0;
  const std::function<void()> meanwhile = [&] {
    if (i + 1 < steps_.size()) session.path_.fetch(&steps_[i + 1], &worker);
  };
  const bool isTimed = isTimed_ && index == 0;
  uint64_t before = nanoseconds(CLOCK_MONOTONIC), busyBefore = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  for (; i < steps_.size(); i++) {
    const Step& step = steps_[i];
    session.path_.execute(&step, &worker);
    for (int output = 0; output < step.outputCount; output++)
      if (step.outputs[output] != nullptr && step.outputs[output]->held >= 0) worker.versions[step.outputs[output]->held]++;
    if (step.barrier || i + 1 == steps_.size()) {
      session.team_.meet(&decide, &meanwhile);
      if (stop_) return;
    }
    if (isTimed) {
      const uint64_t now = nanoseconds(CLOCK_MONOTONIC), busy = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
      times_[i].runs++;
      times_[i].nanoseconds += now - before;
      times_[i].busyNanoseconds += busy - busyBefore;
      before = now;
      busyBefore = busy;
    }
  }
}

}  // namespace trainyard

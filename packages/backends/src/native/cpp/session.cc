#include "session.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include "rounding.h"

#if !defined(TRAINYARD_DEBUG) && (defined(__linux__) || defined(__APPLE__))
#include <sys/mman.h>
#define TRAINYARD_MAPPED
#endif

namespace trainyard {

// More than any operation but gradientNorm takes or gives.
constexpr size_t maximumArguments = 8;
// Packing a weight costs about as much as multiplying it with this many rows.
constexpr int64_t fewRows = 32;

#if defined(TRAINYARD_DEBUG)
static std::atomic<size_t> heldBytes{0};
size_t Memory::held() { return heldBytes.load(); }
#endif

Memory::Memory(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  if (failsNow()) throw OutOfMemory(bytes);
#if defined(TRAINYARD_MAPPED)
  data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    throw OutOfMemory(bytes);
  }
#if defined(MADV_HUGEPAGE)
  if (bytes >= (64u << 10)) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
#else
  data_ = std::calloc(bytes, 1);
  if (data_ == nullptr) throw OutOfMemory(bytes);
#endif
#if defined(TRAINYARD_DEBUG)
  heldBytes += bytes;
#endif
}
Memory::~Memory() {
  if (data_ == nullptr) return;
#if defined(TRAINYARD_MAPPED)
  munmap(data_, bytes_);
#else
  std::free(data_);
#endif
#if defined(TRAINYARD_DEBUG)
  heldBytes -= bytes_;
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

Session::Session(const Path& path, Precision precision, int threads, const std::vector<int64_t>& sizes, std::vector<int64_t> widths,
                 bool sharesArena)
    : path_(path), precision_(precision), sharesArena_(sharesArena), widths_(std::move(widths)), pool_(threads) {
  for (const int64_t size : sizes) tensors_.emplace_back((size_t)size * 4);
  versions_.assign((size_t)threads, std::vector<uint32_t>(sizes.size(), 1));
  packedVersions_.resize((size_t)threads);
  working_.locals.resize((size_t)threads);
}

void Session::read(size_t index, float* to) { std::memcpy(to, tensors_[index].floats(), tensors_[index].bytes()); }

void Session::write(size_t index, const float* from) {
  std::memcpy(tensors_[index].floats(), from, tensors_[index].bytes());
  if (!widths_.empty() && widths_[index] > 0) roundRows(tensors_[index].floats(), (int64_t)tensors_[index].bytes() / 4, widths_[index]);
  for (auto& mine : versions_) mine[index]++;
}

void Session::copyWithin(size_t index, size_t to, size_t from, size_t count) {
  float* data = tensors_[index].floats();
  std::memmove(data + to, data + from, count * 4);
  if (!widths_.empty() && widths_[index] > 0) roundRows(data, (int64_t)tensors_[index].bytes() / 4, widths_[index]);
  for (const auto& [key, known] : packs_) {
    const auto copy = std::get<int>(key) == (int)index && std::get<Form>(key) == formCache ? known.lock() : nullptr;
    if (copy == nullptr) continue;
    uint16_t* numbers = (uint16_t*)copy->data;
    std::memmove(numbers + to, numbers + from, count * 2);
    // One that is current stays so.
    for (size_t worker = 0; worker < versions_.size(); worker++) {
      uint32_t& held = packedVersions_[worker][(size_t)copy->slot];
      if (held == versions_[worker][index]) held++;
    }
  }
  for (auto& mine : versions_) mine[index]++;
}

size_t Session::bytes() const {
  const Working& w = working_;
  size_t total = packedBytes_;
  for (const auto& t : tensors_) total += t.bytes();
  for (const Memory* m : {&w.arena, &w.left, &w.right, &w.rightSecond, &w.rightThird, &w.rows, &w.partial}) total += m->bytes();
  for (const auto& m : w.locals) total += m.bytes();
  return total;
}

Session::Working Session::larger(size_t arenaBytes, const Need& need) const {
  const auto unless = [](const Memory& has, size_t bytes) { return has.bytes() < bytes ? Memory(bytes) : Memory(); };
  const Working& has = working_;
  Working w;
  w.arena = unless(has.arena, sharesArena_ ? arenaBytes : 0);
  w.left = unless(has.left, need.left * 4);
  w.right = unless(has.right, need.right * 4);
  w.rightSecond = unless(has.rightSecond, need.rightSecond * 4);
  w.rightThird = unless(has.rightThird, need.rightThird * 4);
  w.rows = unless(has.rows, need.rows * 4);
  w.partial = unless(has.partial, need.partial * 4);
  w.locals.reserve(has.locals.size());
  for (const auto& local : has.locals) w.locals.push_back(unless(local, need.local * 4));
  return w;
}

void Session::take(Working&& larger) noexcept {
  const auto instead = [](Memory& has, Memory& other) {
    if (other.bytes() > 0) has = std::move(other);
  };
  instead(working_.arena, larger.arena);
  instead(working_.left, larger.left);
  instead(working_.right, larger.right);
  instead(working_.rightSecond, larger.rightSecond);
  instead(working_.rightThird, larger.rightThird);
  instead(working_.rows, larger.rows);
  instead(working_.partial, larger.partial);
  for (size_t i = 0; i < larger.locals.size(); i++) instead(working_.locals[i], larger.locals[i]);
}

Prepared::Prepared(std::shared_ptr<Session> session, std::vector<TensorDescription> tensors,
                   std::vector<StepDescription> steps, size_t arenaBytes)
    : session_(std::move(session)), times_(steps.size(), Time{0, 0, 0}) {
  // A run of another program uses what is about to change.
  session_->pool_.waitUntilIdle();
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
    } else if (from.offset >= 0 && session_->sharesArena_) {
      places_[i] = from.offset / 4;
    } else {
      own_.emplace_back((size_t)t.size * 4);
      t.data = own_.back().floats();
    }
  }
  auto written = session_->written_;
  for (const auto& step : steps)
    for (const int output : step.outputs)
      if (output >= 0 && tensors_[(size_t)output].held >= 0) written.insert(tensors_[(size_t)output].held);

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
    step.primitive = from.primitive.get();
    if (from.primitive != nullptr) primitives_.push_back(from.primitive);
    // In a session that trains, products of many rows pack a weight at each run into the memory that they share. For a few rows,
    // and where nothing is written, the copy stays.
    const bool takesWeight = step.operation == operationLinear || step.operation == operationLinearBackwardInput ||
                             (step.operation == operationProjectionLoss && session_->path_.packsLoss &&
                              session_->precision_ != precisionF32);
    const bool isFew = takesWeight && inputs[0]->size / inputs[0]->shape[inputs[0]->axes - 1] <= fewRows;
    if (takesWeight && inputs[1]->held >= 0 && (written.empty() || isFew)) {
      const bool transposed = step.operation != operationLinearBackwardInput;
      // Where bf16 products are taken in float32 of rounded operands, and rows are few, reading the weight is most of the work.
      const bool readsMuch = step.operation == operationLinear && isFew;
      const auto& widths = session_->widths_;
      const Form form = readsMuch && !widths.empty() && widths[(size_t)inputs[1]->held] == inputs[1]->shape[1] ? formInt8
                        : readsMuch && session_->precision_ == precisionBf16 && !session_->path_.multipliesBf16 ? formBf16
                                                                                                               : formWhole;
      const int64_t rows = inputs[1]->shape[0], columns = inputs[1]->shape[1];
      packed_.push_back(session_->packed(inputs[1]->held, transposed, form, transposed ? columns : rows, transposed ? rows : columns));
      (transposed ? step.transposed : step.straight) = packed_.back().get();
    }
    if (step.operation == operationAttentionCached || step.operation == operationGroupedAttentionCached)
      keepCaches(step, step.operation == operationAttentionCached ? 1 : 3);
    session_->path_.need(&step, session_->precision_, session_->pool_.count(), &need);
    steps_.push_back(step);
  }
  leaveBarriersOut();
  // Whatever may fail is done: until here the session's other programs have lost nothing.
  session_->take(session_->larger(arenaBytes, need));
  session_->written_.swap(written);
  bind();
}

// Where products take bf16 and not float32, reading a cache of several texts is most of the work of attending to it: half of it with a copy.
void Prepared::keepCaches(Step& step, int keys) {
  const Tensor *first = step.inputs[keys], *second = step.inputs[keys + 1];
  if (session_->precision_ == precisionF32 || first->held < 0 || second->held < 0) return;
  for (const Tensor* cache : {first, second}) packed_.push_back(session_->packed(cache->held, false, formCache, cache->size, 1));
  step.transposed = packed_[packed_.size() - 2].get();
  step.straight = packed_.back().get();
}

Prepared::~Prepared() { waitUntilIdle(); }

void Prepared::waitUntilIdle() { session_->pool_.waitUntilIdle(); }

void Prepared::bind() {
  float* arena = session_->working_.arena.floats();
  if (bound_ == arena) return;
  bound_ = arena;
  for (size_t i = 0; i < tensors_.size(); i++)
    if (places_[i] >= 0) tensors_[i].data = arena + places_[i];
}

void Prepared::begin(bool isTimed) {
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
}

const char* Prepared::failure() const {
  return failure_.raised ? failure_.message : cancelled_.load() && stop_ ? "interrupted" : nullptr;
}

void Prepared::start(bool isTimed, std::function<void(const char*)> done) {
  begin(isTimed);
  session_->pool_.start([this](int index) { walk(index); }, [this, done = std::move(done)] { done(failure()); });
}

const char* Prepared::runOnCaller() {
  session_->pool_.waitUntilIdle();
  begin(false);
  session_->pool_.runOnCaller([this](int index) { walk(index); });
  return failure();
}

void Prepared::walk(int index) {
  Session& session = *session_;
  Worker worker = {};
  worker.index = index;
  worker.count = session.pool_.count();
  worker.precision = session.precision_;
  const Session::Working& w = session.working_;
  worker.shared = {w.left.floats(), w.right.floats(), w.rightSecond.floats(), w.rightThird.floats(), w.rows.floats(), w.partial.floats()};
  worker.local = w.locals[(size_t)index].floats();
  worker.versions = session.versions_[(size_t)index].data();
  worker.packedVersions = session.packedVersions_[(size_t)index].data();
  worker.failure = &failure_;
  worker.pool = &session.pool_;
  worker.barrier = [](void* pool) { static_cast<ThreadPool*>(pool)->barrier(); };
  const std::function<void()> decide = [this] {
    stop_ = failure_.raised != 0 || cancelled_.load(std::memory_order_relaxed);
  };
  size_t i = 0;
  const auto next = [&] {
    if (i + 1 < steps_.size()) session.path_.fetch(&steps_[i + 1], &worker);
  };
  // By reference: a worker allocates nothing, because nobody could hear of its failure.
  const std::function<void()> meanwhile = std::ref(next);
  const bool isTimed = isTimed_ && index == 0;
  uint64_t before = nanoseconds(CLOCK_MONOTONIC), busyBefore = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
  for (; i < steps_.size(); i++) {
    const Step& step = steps_[i];
    session.path_.execute(&step, &worker);
    for (int output = 0; output < step.outputCount; output++)
      if (step.outputs[output] != nullptr && step.outputs[output]->held >= 0) worker.versions[step.outputs[output]->held]++;
    if (step.barrier || i + 1 == steps_.size()) {
      session.pool_.barrier(&decide, &meanwhile);
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

// What lives between runs: the held tensors, the threads, working memory, and prepared programs.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "program.h"
#include "threadPool.h"

namespace trainyard {

// The system gave no more memory: `bytes` were asked for at once.
struct OutOfMemory : std::bad_alloc {
  explicit OutOfMemory(size_t bytes) : bytes(bytes) {}
  size_t bytes;
};

// Zeroed memory, given back to the system when it goes. In the debug build each block is its own allocation of exactly the
// right size, so that the address sanitizer sees every access beyond it.
class Memory {
 public:
  Memory() = default;
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(Memory&& other) noexcept;
  Memory& operator=(Memory&& other) noexcept;
  float* floats() const { return static_cast<float*>(data_); }
  size_t bytes() const { return bytes_; }
#if defined(TRAINYARD_DEBUG)
  // Bytes of all memory of this kind that the process holds.
  static size_t held();
#endif

 private:
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

struct TensorDescription {
  std::vector<int64_t> shape;
  // Index among the session's tensors, or -1.
  int held;
  // Byte offset in the arena, or -1.
  int64_t offset;
};

struct StepDescription {
  Operation operation;
  // Indices into the program's tensors; -1 for an absent one.
  std::vector<int> inputs, outputs;
  Step attributes;
  // Of map, reduce and product.
  std::shared_ptr<const Primitive> primitive;
};

class Session;

class Prepared {
 public:
  Prepared(std::shared_ptr<Session> session, std::vector<TensorDescription> tensors, std::vector<StepDescription> steps,
           size_t arenaBytes);
  ~Prepared();

  const Tensor& tensor(size_t index) const { return tensors_[index]; }
  size_t tensorCount() const { return tensors_.size(); }
  // Looks where the session's arena is now: another program may have wanted a larger one. Before inputs are copied in.
  void bind();
  // Starts a run on the session's threads; `done(message)` is called on one of them, with nullptr when all went well. Timing costs
  // a few microseconds a step.
  void start(bool isTimed, std::function<void(const char*)> done);
  // A run in which this thread takes the first one's place; gives nullptr when all went well.
  const char* runOnCaller();
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  // Waits until no run is under way.
  void waitUntilIdle();

  struct Time {
    // Of the first worker: time on the clock, and time that it had the processor.
    uint64_t runs, nanoseconds, busyNanoseconds;
  };
  const std::vector<Time>& times() const { return times_; }
  const std::shared_ptr<Session>& session() const { return session_; }

 private:
  struct Span;
  void spansOf(const Tensor** list, int count, std::vector<Span>& to) const;
  void leaveBarriersOut();
  void keepCaches(Step& step, int keys);
  void begin(bool isTimed);
  const char* failure() const;
  void walk(int index);

  std::shared_ptr<Session> session_;
  std::vector<Memory> own_;
  std::vector<Tensor> tensors_;
  // Of each tensor in the arena: floats from its beginning; -1 for others. `bound_` is the arena that `tensors_` point into.
  std::vector<int64_t> places_;
  const float* bound_ = nullptr;
  std::vector<std::vector<const Tensor*>> lists_;
  std::vector<Step> steps_;
  std::vector<std::shared_ptr<Packed>> packed_;
  std::vector<std::shared_ptr<const Primitive>> primitives_;
  std::vector<Time> times_;
  std::atomic<bool> cancelled_{false};
  bool stop_ = false, isTimed_ = false;
  Failure failure_ = {};
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  // `sharesArena`: activations lie in one arena; otherwise each is an allocation of its own.
  // `widths`: of each tensor that int8 rounds, numbers in a row; 0 of the others. Empty unless precision is int8.
  Session(const Path& path, Precision precision, int threads, const std::vector<int64_t>& sizes, std::vector<int64_t> widths,
          bool sharesArena);

  size_t tensorCount() const { return tensors_.size(); }
  const Memory& tensor(size_t index) const { return tensors_[index]; }
  void read(size_t index, float* to);
  void write(size_t index, const float* from);
  // Copies `count` numbers of a tensor to another place in it, and what a cache's copy has of them.
  void copyWithin(size_t index, size_t to, size_t from, size_t count);
  // Bytes that this session holds now.
  size_t bytes() const;

 private:
  friend class Prepared;
  struct Copy;
  // What programs use while they run, and share, because they run one at a time. The arena holds activations; each worker has one of
  // the locals.
  struct Working {
    Memory arena, left, right, rightSecond, rightThird, rows, partial;
    std::vector<Memory> locals;
  };
  // Zeroed memory for a packed copy.
  std::shared_ptr<float> placeFor(size_t bytes);
  // A packed copy of a held weight, shared by all programs that want the same one.
  std::shared_ptr<Packed> packed(int held, bool transposed, Form form, int64_t k, int64_t n);
  // Larger memory for whatever is too small, and nothing for the rest. The session stays as it is until it takes them: programs that
  // are there already can run on when there is no more memory.
  Working larger(size_t arenaBytes, const Need& need) const;
  void take(Working&& larger) noexcept;

  const Path& path_;
  const Precision precision_;
  const bool sharesArena_;
  const std::vector<int64_t> widths_;
  std::vector<Memory> tensors_;
  Working working_;
  // Tensors that some program of this session writes.
  std::set<int> written_;
  std::map<std::tuple<int, bool, Form>, std::weak_ptr<Packed>> packs_;
  // Has room for all slots, so that giving one back cannot fail.
  std::vector<int> freeSlots_;
  int slots_ = 0;
  // By worker: writes of each tensor, and the write that each packed copy holds.
  std::vector<std::vector<uint32_t>> versions_, packedVersions_;
  size_t packedBytes_ = 0;
  // Where the next packed copy is laid down, and how much of it has been given away.
  std::weak_ptr<Memory> block_;
  size_t blockUsed_ = 0;
  ThreadPool pool_;
};

}  // namespace trainyard

#include "threadPool.h"

#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace trainyard {
namespace {

void rest() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Cores that this process may use.
int cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return (int)std::thread::hardware_concurrency();
}

}  // namespace

// Runs that begin so soon after the one before are looked out for.
constexpr std::chrono::microseconds patience(300);

TooFewThreads::TooFewThreads(int asked, int started)
    : std::runtime_error(std::to_string(asked) + " threads were asked for, and the system started " + std::to_string(started)) {}

// About 100 microseconds of spinning: a good deal longer than two threads' shares of a step differ on a quiet machine.
ThreadPool::ThreadPool(int count) : count_(count), cores_(cores()), spins_(count <= cores_ ? 2500 : 0) {
  // A condition variable waits in its destructor for threads that wait on it: none may be left when this fails.
  startThreads(threads_, count, [this](int index) { runThread(index); }, [this] { stop(); });
}

void ThreadPool::stop() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  wakeFirst_.notify_all();
}

ThreadPool::~ThreadPool() {
  waitUntilIdle();
  stop();
  for (auto& thread : threads_) thread.join();
}

void ThreadPool::begin(std::function<void(int)> work, std::function<void()> done, bool isHere) {
  waitUntilIdle();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    work_ = std::move(work);
    done_ = std::move(done);
    finished_ = 0;
    running_ = true;
    soon_ = Clock::now() - lastEnd_ < patience;
    run_++;
    if (!isHere) started_++;
  }
  if (count_ > 1) wake_.notify_all();
  if (!isHere) wakeFirst_.notify_all();
}

void ThreadPool::start(std::function<void(int)> work, std::function<void()> done) { begin(std::move(work), std::move(done), false); }

void ThreadPool::runOnCaller(std::function<void(int)> work) {
  begin(std::move(work), nullptr, true);
  work_(0);
  finished_.fetch_add(1, std::memory_order_acq_rel);
  awaitAll();
  end();
}

void ThreadPool::awaitAll() {
  for (int i = 0; i < spins_ && finished_.load(std::memory_order_acquire) < count_; i++) rest();
  if (finished_.load(std::memory_order_acquire) == count_) return;
  std::unique_lock<std::mutex> lock(mutex_);
  ended_.wait(lock, [this] { return finished_.load() == count_; });
}

void ThreadPool::end() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    done_ = nullptr;
    work_ = nullptr;
    running_ = false;
    lastEnd_ = Clock::now();
  }
  idle_.notify_all();
}

void ThreadPool::waitUntilIdle() {
  std::unique_lock<std::mutex> lock(mutex_);
  idle_.wait(lock, [this] { return !running_; });
}

void ThreadPool::awaitRun(int index, uint64_t seen) {
  const auto& runs = runsOf(index);
  const auto isTime = [&] { return stopping_.load() || runs.load(std::memory_order_acquire) != seen; };
  // The caller has the first thread's core, and wakes that thread alone.
  if (soon_.load() && spins_ > 0 && index > count_ - cores_) {
    const Clock::time_point until = Clock::now() + patience;
    do {
      for (int i = 0; i < 16; i++) {
        if (isTime()) return;
        rest();
      }
    } while (Clock::now() < until);
  }
  std::unique_lock<std::mutex> lock(mutex_);
  (index == 0 ? wakeFirst_ : wake_).wait(lock, isTime);
}

void ThreadPool::runThread(int index) {
  for (uint64_t seen = 0;; seen++) {
    awaitRun(index, seen);
    if (stopping_) return;
    work_(index);
    const bool isLast = finished_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_;
    if (index != 0) {
      if (isLast) {
        std::lock_guard<std::mutex> lock(mutex_);
        ended_.notify_all();
      }
      continue;
    }
    awaitAll();
    done_();
    end();
  }
}

void ThreadPool::barrier(const std::function<void()>* decide, const std::function<void()>* meanwhile) {
  const uint32_t generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
    if (decide != nullptr) (*decide)();
    arrived_.store(0, std::memory_order_relaxed);
    generation_.store(generation + 1);
    if (sleepers_.load() > 0) {
      std::lock_guard<std::mutex> lock(barrierMutex_);
      barrierWake_.notify_all();
    }
    return;
  }
  if (meanwhile != nullptr) (*meanwhile)();
  for (int i = 0; i < spins_; i++) {
    if (generation_.load(std::memory_order_acquire) != generation) return;
    rest();
  }
  std::unique_lock<std::mutex> lock(barrierMutex_);
  sleepers_.fetch_add(1);
  barrierWake_.wait(lock, [&] { return generation_.load() != generation; });
  sleepers_.fetch_sub(1);
}

}  // namespace trainyard

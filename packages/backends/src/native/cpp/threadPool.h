// The threads of a session. Within a run they meet at a barrier that spins for a moment and then sleeps, so that it is quick with a
// core for every thread and harmless with more threads than cores. Between runs they sleep; but when runs follow each other
// closely, as tokens do, all that leave the caller a core look out for the next one first: waking a thread takes as long as
// a tenth of a small model's token.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include "faults.h"

namespace trainyard {

// The system would not start as many threads as were asked for. None of them is left.
struct TooFewThreads : std::runtime_error {
  TooFewThreads(int asked, int started);
};

// Starts `count` threads, each with `body(index)`. Where one cannot start, those that did are told by `abandon`, which must not fail, and
// joined: all or none.
template <typename Body, typename Abandon>
void startThreads(std::vector<std::thread>& threads, int count, Body body, Abandon abandon) {
  const auto leave = [&] {
    const int started = (int)threads.size();
    abandon();
    for (auto& thread : threads) thread.join();
    threads.clear();
    return started;
  };
  try {
    threads.reserve((size_t)count);
    for (int i = 0; i < count; i++) {
      if (failsNow()) throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
      threads.emplace_back([body, i] { body(i); });
    }
  } catch (const std::system_error&) {
    throw TooFewThreads(count, leave());
  } catch (...) {
    leave();
    throw;
  }
}

class ThreadPool {
 public:
  explicit ThreadPool(int count);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int count() const { return count_; }
  // Every thread calls `work(index)`; when all have, the first of them calls `done`. Returns at once. One run at a time.
  void start(std::function<void(int)> work, std::function<void()> done);
  // The same with the caller in the first thread's place, which sleeps on; returns when all have.
  void runOnCaller(std::function<void(int)> work);
  // Waits for all threads of the run. `decide`, when given, is called by the last to arrive, before anyone goes on; `meanwhile` by
  // all others before they wait. Neither may fail.
  void barrier(const std::function<void()>* decide = nullptr, const std::function<void()>* meanwhile = nullptr);
  // Waits until no run is under way.
  void waitUntilIdle();

 private:
  using Clock = std::chrono::steady_clock;

  void runThread(int index);
  // Ends all threads once no run is under way.
  void stop();
  // Until there is another run than `seen`, or the pool stops.
  void awaitRun(int index, uint64_t seen);
  // How many runs the threads from this one on were woken for.
  std::atomic<uint64_t>& runsOf(int index) { return index == 0 ? started_ : run_; }
  // Tells all threads but the first of a run.
  void begin(std::function<void(int)> work, std::function<void()> done, bool isHere);
  // Waits until all threads are done, and tells whoever waits for that.
  void awaitAll();
  void end();

  const int count_;
  const int cores_;
  const int spins_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, wakeFirst_, idle_, ended_;
  bool running_ = false;
  std::function<void(int)> work_;
  std::function<void()> done_;
  Clock::time_point lastEnd_;

  // All runs, and those that were not begun in the first thread's place.
  alignas(64) std::atomic<uint64_t> run_{0}, started_{0};
  std::atomic<bool> stopping_{false}, soon_{false};
  alignas(64) std::atomic<int> finished_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::mutex barrierMutex_;
  std::condition_variable barrierWake_;
};

}  // namespace trainyard

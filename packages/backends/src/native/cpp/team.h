// The threads of a session. They sleep between runs; within a run they meet at a barrier that spins for a moment and then
// sleeps, so that it is quick with a core for every thread and harmless with more threads than cores.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace trainyard {

class Team {
 public:
  explicit Team(int count);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int count() const { return count_; }
  // Every thread calls `work(index)`, then the last to finish calls `done`. Returns at once. One run at a time.
  void start(std::function<void(int)> work, std::function<void()> done);
  // Waits for all threads of the run. `decide`, when given, is called by the last to arrive, before anyone goes on.
  void meet(const std::function<void()>* decide = nullptr);
  // Waits until no run is under way.
  void settle();

 private:
  void live(int index);

  const int count_;
  const int spins_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  uint64_t run_ = 0;
  bool stopping_ = false, running_ = false;
  int finished_ = 0;
  std::function<void(int)> work_;
  std::function<void()> done_;

  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::mutex barrierMutex_;
  std::condition_variable barrierWake_;
};

}  // namespace trainyard

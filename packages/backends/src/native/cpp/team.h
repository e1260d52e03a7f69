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
  // Every thread calls `work(index)`; when all have, the first of them calls `done`. Returns at once. One run at a time.
  void start(std::function<void(int)> work, std::function<void()> done);
  // Waits for all threads of the run. `decide`, when given, is called by the last to arrive, before anyone goes on; `meanwhile` by
  // all others before they wait.
  void meet(const std::function<void()>* decide = nullptr, const std::function<void()>* meanwhile = nullptr);
  // Waits until no run is under way.
  void settle();

 private:
  using Clock = std::chrono::steady_clock;

  void live(int index);
  // Until there is another run than `seen`, or the team is dissolved.
  void lookOut(int index, uint64_t seen);

  const int count_;
  const int cores_;
  const int spins_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_, ended_;
  bool running_ = false;
  std::function<void(int)> work_;
  std::function<void()> done_;
  Clock::time_point lastEnd_;

  alignas(64) std::atomic<uint64_t> run_{0};
  std::atomic<bool> stopping_{false}, soon_{false};
  alignas(64) std::atomic<int> finished_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> generation_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::mutex barrierMutex_;
  std::condition_variable barrierWake_;
};

}  // namespace trainyard

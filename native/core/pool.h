#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace circumplex {

// What a task gets from the thread that runs it.
struct Worker {
  int index;
  float* scratch;  // the program's scratch bytes, 64-byte aligned, contents undefined
};

using TaskFunction = void (*)(const void* context, int64_t task, int worker);

// A persistent pool for fork-join regions. The calling thread takes part. Each thread begins with its own share of the
// tasks, always the same, so that what it wrote in one region is still in its cache in the next; then it helps others.
// Idle workers spin briefly (a fork costs well under a microsecond while a program runs) and then sleep. A worker that
// wakes late, or that the system lets wait, delays nobody: a region ends when its tasks are done, and waits only for
// those inside it.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return threads_; }
  // Runs function(context, 0..tasks-1, worker); returns when all are done. One caller at a time.
  void run(int64_t tasks, TaskFunction function, const void* context);

 private:
  void work(int index);
  void drain(int index);
  bool join(uint32_t state, uint32_t left, int index);
  void end();

  const int threads_;
  std::vector<std::thread> workers_;
  TaskFunction function_ = nullptr;
  const void* context_ = nullptr;
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares_;  // a thread's
  // The number of the region, whether workers may still enter it, and how many are inside.
  static constexpr uint32_t kInside = (1u << 12) - 1, kOpen = 1u << 12, kRegion = 1u << 13;
  alignas(64) std::atomic<uint32_t> state_{0};
  std::atomic<bool> stop_{false};
};

// Threads that this process may use: affinity and the cgroup's CPU quota, at least 1.
int default_threads();

// Denormals read and written as zero for the lifetime of the object (gates saturate over thousands of frames, and a
// denormal product costs a hundred cycles).
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();

 private:
  uint64_t saved_;
};

}  // namespace circumplex

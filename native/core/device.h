#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/plan.h"
#include "core/pool.h"

namespace circumplex {

// The CPU: a compute pool and one thread that runs programs, in the order in which they were posted.
class Device {
 public:
  // threads < 1: as many as the process may use. `isa`: "scalar", "avx2", "avx512", or empty for the best there is
  // (or what CIRCUMPLEX_ISA says). Throws ERR_CONFIG for an instruction set that this processor lacks.
  Device(int threads, const std::string& isa);
  ~Device();

  int threads() const { return pool_.threads(); }
  const char* isa() const { return isa_; }
  const Operator* find(const std::string& op) const;

  // Runs on the device's own thread, after all jobs posted before.
  void post(std::function<void()> job);
  // Runs tasks in the pool; only one region at a time (`exclusive`).
  Pool& pool() { return pool_; }
  std::mutex& exclusive() { return exclusive_; }

 private:
  void serve();

  Pool pool_;
  const Operator* operators_;
  const char* isa_;
  std::mutex exclusive_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace circumplex

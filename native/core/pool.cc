#include "core/pool.h"

#include <sched.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>

#include "core/error.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace circumplex {
namespace {

constexpr int kSpins = 4000;  // some 50 us: longer than the gap between two stages of a program

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins, then sleeps, until `value` differs from `old`.
template <typename T>
void await_change(std::atomic<T>& value, T old) {
  for (int i = 0; i < kSpins; i++) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause();
  }
  value.wait(old, std::memory_order_acquire);
}

// CPUs granted by the cgroup (v2 or v1), or 0 when there is no quota.
double cgroup_cpus() {
  std::ifstream v2("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (v2 >> quota >> period && quota != "max" && period > 0) return std::atof(quota.c_str()) / period;
  std::ifstream quota_v1("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), period_v1("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double q = 0;
  if (quota_v1 >> q && period_v1 >> period && q > 0 && period > 0) return q / period;
  return 0;
}

}  // namespace

Pool::Pool(int threads) : threads_(threads < 1 ? 1 : threads), shares_(static_cast<size_t>(threads_)) {
  try {
    for (int i = 1; i < threads_; i++) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& failure) {
    end();
    throw Error("ERR_CONFIG", "cannot start " + std::to_string(threads_) + " threads (" + failure.what() +
                                  "): ask for fewer, or raise the limit on processes");
  }
}

Pool::~Pool() { end(); }

void Pool::end() {
  stop_ = true;
  state_.fetch_add(kRegion, std::memory_order_release);
  state_.notify_all();
  for (auto& worker : workers_) worker.join();
}

void Pool::run(int64_t tasks, TaskFunction function, const void* context) {
  if (threads_ == 1 || tasks <= 1) {
    for (int64_t task = 0; task < tasks; task++) function(context, task, 0);
    return;
  }
  function_ = function;
  context_ = context;
  for (int i = 0; i < threads_; i++) {
    Share& share = shares_[static_cast<size_t>(i)];
    share.next.store(tasks * i / threads_, std::memory_order_relaxed);
    share.end = tasks * (i + 1) / threads_;
  }
  state_.store((state_.load(std::memory_order_relaxed) + kRegion) | kOpen, std::memory_order_release);
  state_.notify_all();
  drain(0);
  uint32_t state = state_.fetch_and(~kOpen, std::memory_order_acq_rel) & ~kOpen;
  for (; (state & kInside) != 0; state = state_.load(std::memory_order_acquire)) await_change(state_, state);
}

void Pool::drain(int index) {
  for (int i = 0; i < threads_; i++) {
    Share& share = shares_[static_cast<size_t>((index + i) % threads_)];
    for (int64_t task; (task = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
      function_(context_, task, index);
    }
  }
}

// Takes part in the region that is open, unless it is the one that was `left` already: whether it did.
bool Pool::join(uint32_t state, uint32_t left, int index) {
  if ((state & kOpen) == 0 || state / kRegion == left) return false;
  if (!state_.compare_exchange_strong(state, state + 1, std::memory_order_acquire)) return false;
  drain(index);
  if (((state_.fetch_sub(1, std::memory_order_acq_rel) - 1) & (kOpen | kInside)) == 0) state_.notify_all();
  return true;
}

void Pool::work(int index) {
  FlushDenormals flush;
  for (uint32_t left = 0;;) {
    const uint32_t state = state_.load(std::memory_order_acquire);
    if (stop_) return;
    if (join(state, left, index)) {
      left = state / kRegion;
    } else {
      await_change(state_, state);
    }
  }
}

int default_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int threads = 0;
  if (sched_getaffinity(0, sizeof set, &set) == 0) threads = CPU_COUNT(&set);
  if (threads < 1) threads = static_cast<int>(std::thread::hardware_concurrency());
  const double granted = cgroup_cpus();
  if (granted > 0 && granted < threads) threads = static_cast<int>(std::floor(granted));
  return threads < 1 ? 1 : threads;
}

#if defined(__x86_64__)
FlushDenormals::FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(static_cast<unsigned>(saved_) | 0x8040u); }
FlushDenormals::~FlushDenormals() { _mm_setcsr(static_cast<unsigned>(saved_)); }
#elif defined(__aarch64__)
FlushDenormals::FlushDenormals() {
  asm volatile("mrs %0, fpcr" : "=r"(saved_));
  asm volatile("msr fpcr, %0" ::"r"(saved_ | (1ull << 24)));
}
FlushDenormals::~FlushDenormals() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#endif

}  // namespace circumplex

#include "core/device.h"

#include <cstring>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "cpu/dispatch.h"

namespace circumplex {

Device::Device(int threads, const std::string& isa) : pool_(threads < 1 ? default_threads() : threads) {
  const cpu::InstructionSet& set = cpu::choose(isa);
  operators_ = set.operators;
  isa_ = set.name;
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error& failure) {
    throw Error("ERR_CONFIG", std::string("cannot start the device's thread: ") + failure.what());
  }
}

Device::~Device() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

const Operator* Device::find(const std::string& op) const {
  for (const Operator* entry = operators_; entry->name; entry++) {
    if (op == entry->name) return entry;
  }
  return nullptr;
}

void Device::post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Device::serve() {
  FlushDenormals flush;
  for (;;) {
    std::function<void()> job;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace circumplex

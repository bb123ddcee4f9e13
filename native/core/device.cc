#include "core/device.h"

#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/old_libraries.h"
#include "core/pool.h"

namespace circumplex {

Device::~Device() { end(); }

void Device::start() {
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error& failure) {
    throw Error("ERR_CONFIG", std::string("cannot start the device's thread: ") + failure.what());
  }
}

void Device::end() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Device::post(std::function<void()> job) {
  {
    std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

std::shared_ptr<Memory> Device::host_column(size_t bytes) const {
  if (scratch_.empty()) return std::make_shared<HostMemory>(bytes);
  return std::make_shared<FileMemory>(scratch_, bytes);
}

void Device::serve() {
  FlushDenormals flush;
  enter_thread();
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

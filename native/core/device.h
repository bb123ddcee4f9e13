#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/memory.h"

namespace circumplex {

class Call;
class Data;
class Execution;

// What holds for a whole run, per replica.
struct RunSettings {
  std::vector<float> learning_rate;
  std::vector<uint8_t> active;
  std::vector<uint32_t> seed;
  uint32_t epoch = 0;
  bool bypass = false;
  bool prepared = false;  // the parameters are those of the run before: what follows from them alone is there
};

// A run of a program, already checked. Chunks in order; `stop` is looked at between chunks only: half a chunk would be
// half a step of the optimiser.
struct Run {
  const std::vector<int32_t>& schedule;
  const RunSettings& settings;
  const Data* data;
  const std::atomic<bool>& stop;
  const std::function<void(int64_t)>& chunk_done;
  int64_t from_call, to_call;  // which calls of the program
};

// One chunk of a schedule: for each lane sequence (-1: idle), first frame, valid frames, frames of the whole sequence.
constexpr int64_t kScheduleColumns = 4;

// Where programs run, and one thread that runs them, in the order in which they were posted.
class Device {
 public:
  virtual ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  virtual std::string name() const = 0;         // 'cpu', 'cuda:0'
  virtual std::string description() const = 0;  // the instruction set, the GPU's name
  virtual int threads() const = 0;              // of the host that compute
  virtual int gpu() const { return -1; }        // its index; -1: not one
  virtual std::shared_ptr<Memory> allocate(size_t bytes) = 0;
  // For a data set's column, of which a chunk needs a small part: the host's where the device has too little, and a
  // file where a directory is set for that.
  virtual std::shared_ptr<Memory> allocate_column(size_t bytes) { return host_column(bytes); }
  void set_scratch(std::string directory) { scratch_ = std::move(directory); }
  virtual std::unique_ptr<Execution> execution(int32_t replicas, int32_t lanes, int32_t chunk) = 0;

  // Runs on the device's own thread, after all jobs posted before.
  void post(std::function<void()> job);
  // Held while a program runs.
  std::mutex& exclusive() { return exclusive_; }

 protected:
  Device() = default;
  // A device starts its thread when it is whole, and ends it before it comes apart.
  void start();
  void end();
  virtual void enter_thread() {}
  std::shared_ptr<Memory> host_column(size_t bytes) const;

 private:
  void serve();

  std::mutex exclusive_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::string scratch_;
  std::thread thread_;
};

// The calls of one program on its device: planned one after the other, then run chunk by chunk.
class Execution {
 public:
  virtual ~Execution() = default;
  // Plans a call and returns the kernel that serves it. Calls of a level do not touch each other's buffers; a level
  // begins when those below are done. Throws ERR_SHAPE.
  virtual std::string add(const Call& call, int64_t level) = 0;
  // After the last call.
  virtual void finish() = 0;
  virtual const std::vector<struct ColumnUse>& columns() const = 0;
  // Returns the chunks done.
  virtual int64_t run(const Run& run) = 0;
};

}  // namespace circumplex

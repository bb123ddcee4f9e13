#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/data.h"
#include "core/device.h"
#include "core/memory.h"
#include "core/plan.h"

namespace circumplex {

// A buffer of a program: its own memory, or a window of a block that several programs share (parameters).
struct BufferDescription {
  Type type;
  bool replicated;                 // one copy a replica, or one for all
  std::vector<int64_t> dims;       // without the replica axis
  std::shared_ptr<Memory> memory;  // null: the program allocates
  int64_t offset = 0;              // elements
  int64_t stride = 0;              // elements between replicas
};

struct CallDescription {
  std::string op;
  std::vector<int64_t> inputs, outputs;  // indices of buffers, -1: left out
  std::map<std::string, std::vector<double>> attributes;
};

struct ProgramDescription {
  int64_t replicas, lanes, chunk;
  std::vector<BufferDescription> buffers;
  std::vector<CallDescription> calls;
};

// A flat list of operator calls over buffers laid out in advance. Calls that do not touch each other's buffers form a
// level and run together.
class Program {
 public:
  Program(std::shared_ptr<Device> device, ProgramDescription description);

  // Runs the schedule's chunks in order. `from_call`..`to_call` select calls (a forward or a backward part).
  // `chunk_done(n)` is called after each chunk; `stop` is looked at between chunks. Returns the chunks completed.
  int64_t run(const std::vector<int32_t>& schedule, const RunSettings& settings, const Data* data,
              const std::atomic<bool>& stop, const std::function<void(int64_t)>& chunk_done, int64_t from_call,
              int64_t to_call);

  const Tensor& buffer(int64_t index) const { return buffers_.at(static_cast<size_t>(index)); }
  // The first `bytes` of one replica's buffer.
  void read(int64_t buffer, int64_t replica, void* to, size_t bytes) const;
  void write(int64_t buffer, int64_t replica, const void* from, size_t bytes);
  int64_t buffers() const { return static_cast<int64_t>(buffers_.size()); }
  int64_t replicas() const { return replicas_; }
  int64_t lanes() const { return lanes_; }
  int64_t chunk() const { return chunk_; }
  int64_t calls() const { return static_cast<int64_t>(kernels_.size()); }
  const std::vector<std::string>& kernels() const { return kernels_; }
  const std::shared_ptr<Device>& device() const { return device_; }

 private:
  void plan(const ProgramDescription& description);
  void check(const std::vector<int32_t>& schedule, const RunSettings& settings, const Data* data) const;
  size_t offset_of(int64_t buffer, int64_t replica) const;

  std::shared_ptr<Device> device_;
  int64_t replicas_, lanes_, chunk_;
  std::vector<std::shared_ptr<Memory>> memory_;  // of each buffer
  std::vector<Tensor> buffers_;
  std::unique_ptr<Execution> execution_;
  std::vector<std::string> kernels_;
};

}  // namespace circumplex

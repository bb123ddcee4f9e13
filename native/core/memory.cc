#include "core/memory.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/error.h"

namespace circumplex {
namespace {

std::atomic<int64_t> total_bytes{0};
std::atomic<int64_t> total_blocks{0};
std::atomic<int64_t> total_device_bytes{0};
constexpr size_t kAlignment = 64;

void* allocate(size_t bytes) {
  const size_t rounded = bytes > SIZE_MAX - kAlignment ? bytes : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  void* data = std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
  if (!data) {
    throw Error("ERR_OUT_OF_MEMORY",
                "cannot allocate " + std::to_string(bytes >> 20) + " MiB: use fewer lanes, replicas or frames a chunk");
  }
  std::memset(data, 0, bytes);
  return data;
}

}  // namespace

Memory::Memory(void* data, size_t bytes, int gpu) : data_(data), bytes_(bytes), gpu_(gpu) {
  total_bytes += static_cast<int64_t>(bytes);
  total_blocks += 1;
  if (gpu >= 0) total_device_bytes += static_cast<int64_t>(bytes);
}

Memory::~Memory() {
  total_bytes -= static_cast<int64_t>(bytes_);
  total_blocks -= 1;
  if (gpu_ >= 0) total_device_bytes -= static_cast<int64_t>(bytes_);
}

Memory::Live Memory::live() { return {total_bytes, total_blocks, total_device_bytes}; }

HostMemory::HostMemory(size_t bytes) : Memory(allocate(bytes), bytes, -1) {}
HostMemory::~HostMemory() { std::free(data()); }

void HostMemory::read(size_t offset, void* to, size_t bytes) const {
  std::memcpy(to, static_cast<const char*>(data()) + offset, bytes);
}
void HostMemory::write(size_t offset, const void* from, size_t bytes) {
  std::memcpy(static_cast<char*>(data()) + offset, from, bytes);
}

}  // namespace circumplex

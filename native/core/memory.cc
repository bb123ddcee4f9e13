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
constexpr size_t kAlignment = 64;

}  // namespace

Memory::Memory(size_t bytes) : data_(nullptr), bytes_(bytes) {
  const size_t rounded = bytes > SIZE_MAX - kAlignment ? bytes : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  data_ = std::aligned_alloc(kAlignment, rounded == 0 ? kAlignment : rounded);
  if (!data_) {
    throw Error("ERR_OUT_OF_MEMORY",
                "cannot allocate " + std::to_string(bytes >> 20) + " MiB: use fewer lanes, replicas or frames a chunk");
  }
  std::memset(data_, 0, bytes);
  total_bytes += static_cast<int64_t>(bytes_);
  total_blocks += 1;
}

Memory::~Memory() {
  std::free(data_);
  total_bytes -= static_cast<int64_t>(bytes_);
  total_blocks -= 1;
}

int64_t Memory::live_bytes() { return total_bytes; }
int64_t Memory::live_blocks() { return total_blocks; }

}  // namespace circumplex

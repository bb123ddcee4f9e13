#include "emulator/memory.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "emulator/races.h"

namespace circumplex::emulator {
namespace {

// Never destroyed: programs may still release memory while the process ends.
struct Registry {
  std::mutex mutex;
  std::map<const unsigned char*, Allocation*> live;
  std::vector<std::unique_ptr<Allocation>> all;
  int64_t bytes = 0;  // of the live ones
};

Registry& registry() {
  static Registry* const registry = new Registry;
  return *registry;
}

constexpr size_t kAlignment = 256;

}  // namespace

const Allocation nowhere;

Allocation::Allocation() = default;
Allocation::~Allocation() = default;

Allocation* allocate(size_t bytes) {
  if (bytes > SIZE_MAX - 2 * kAlignment) return nullptr;
  bytes = std::max<size_t>(bytes, 1);
  // More than it holds: the end of a block is never where another begins.
  const size_t rounded = bytes / kAlignment * kAlignment + kAlignment;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(kAlignment, rounded));
  if (!memory) return nullptr;
  std::memset(memory, 0, rounded);
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  r.all.push_back(std::make_unique<Allocation>());
  Allocation* made = r.all.back().get();
  made->begin = memory;
  made->bytes = bytes;
  made->number = static_cast<int64_t>(r.all.size());
  r.live[memory] = made;
  r.bytes += static_cast<int64_t>(bytes);
  return made;
}

void release(void* begin) {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto found = r.live.find(static_cast<unsigned char*>(begin));
  if (found == r.live.end()) return;
  r.bytes -= static_cast<int64_t>(found->second->bytes);
  found->second->bytes = 0;
  found->second->shadow.reset();
  r.live.erase(found);
  std::free(begin);
}

int64_t bytes_in_use() {
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  return r.bytes;
}

const Allocation* allocation_of(const void* address) {
  if (!address) return &nowhere;
  const auto* at = static_cast<const unsigned char*>(address);
  // Kernels that follow pointers in device memory ask for the same few blocks again and again.
  thread_local const Allocation* recent[4] = {&nowhere, &nowhere, &nowhere, &nowhere};
  thread_local size_t oldest = 0;
  for (const Allocation* candidate : recent) {
    if (candidate->holds(at)) return candidate;
  }
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  auto after = r.live.upper_bound(at);
  if (after == r.live.begin()) return &nowhere;
  const Allocation* found = (--after)->second;
  if (!found->holds(at)) return &nowhere;
  recent[oldest++ % 4] = found;
  return found;
}

}  // namespace circumplex::emulator

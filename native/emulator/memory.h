#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace circumplex::emulator {

struct Shadow;

// A block of device memory. A pointer of a kernel knows the block that it was made for: past its end is an error, even
// where another block begins. The record outlives the memory, so that the use of what was released is an error too.
struct Allocation {
  unsigned char* begin = nullptr;
  std::atomic<uint64_t> bytes = 0;  // 0 once released
  int64_t number = 0;               // the how-manieth of the process, from 1; 0: this is no device memory
  mutable std::unique_ptr<Shadow> shadow;

  Allocation();
  ~Allocation();
  // May point here: to what it holds, or to its end.
  bool holds(const unsigned char* at) const { return bytes != 0 && at >= begin && at <= begin + bytes; }
};

// What a pointer that is null, or does not point into device memory, points into.
extern const Allocation nowhere;

Allocation* allocate(size_t bytes);  // zeroed, at least one byte; null when there is no memory
void release(void* begin);
int64_t bytes_in_use();
// The block that holds an address, or begins or ends there.
const Allocation* allocation_of(const void* address);

}  // namespace circumplex::emulator

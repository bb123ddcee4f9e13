#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace circumplex {

// A zeroed, 64-byte aligned block. Throws ERR_OUT_OF_MEMORY. The process-wide sum of live bytes is kept for memory().
class Memory {
 public:
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  static int64_t live_bytes();
  static int64_t live_blocks();

 private:
  void* data_;
  size_t bytes_;
};

}  // namespace circumplex

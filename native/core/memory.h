#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>

namespace circumplex {

// A zeroed block of one device's memory. The process-wide sums of live bytes and blocks are kept for memory().
class Memory {
 public:
  virtual ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  void* data() const { return data_; }  // the device's address
  size_t bytes() const { return bytes_; }
  int gpu() const { return gpu_; }  // -1: the host's
  // Between this block and the host's memory; in the order of what the device was given to do.
  virtual void read(size_t offset, void* to, size_t bytes) const = 0;
  virtual void write(size_t offset, const void* from, size_t bytes) = 0;

  struct Live {
    int64_t bytes, blocks, device_bytes;  // device_bytes: of `bytes`, those on a GPU
  };
  static Live live();

 protected:
  Memory(void* data, size_t bytes, int gpu);

 private:
  void* data_;
  size_t bytes_;
  int gpu_;
};

// The host's own, 64-byte aligned. Throws ERR_OUT_OF_MEMORY.
class HostMemory final : public Memory {
 public:
  explicit HostMemory(size_t bytes);
  ~HostMemory() override;
  void read(size_t offset, void* to, size_t bytes) const override;
  void write(size_t offset, const void* from, size_t bytes) override;
};

}  // namespace circumplex

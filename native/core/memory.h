#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

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
  // `counted`: whether live() counts it.
  Memory(void* data, size_t bytes, int gpu, bool counted = true);

 private:
  void* data_;
  size_t bytes_;
  int gpu_;
  bool counted_;
};

// What the host reads and writes by itself.
class HostAddressed : public Memory {
 public:
  void read(size_t offset, void* to, size_t bytes) const override;
  void write(size_t offset, const void* from, size_t bytes) override;

 protected:
  explicit HostAddressed(void* data, size_t bytes, bool counted = true) : Memory(data, bytes, -1, counted) {}
};

// 64-byte aligned. Throws ERR_OUT_OF_MEMORY.
class HostMemory final : public HostAddressed {
 public:
  explicit HostMemory(size_t bytes);
  ~HostMemory() override;
};

// A nameless file in a directory in the place of memory: the system keeps of it in memory what it has room for. Throws
// ERR_FILE where there is no space.
class FileMemory final : public HostAddressed {
 public:
  FileMemory(const std::string& directory, size_t bytes);
  ~FileMemory() override;
};

}  // namespace circumplex

#include "core/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

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

// A file that is gone when it is closed and unmapped.
int nameless_file(const std::string& directory) {
  const int file = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR)) return file;
  std::string path = directory + "/circumplex-XXXXXX";  // where the file system knows no such files
  const int named = mkostemp(path.data(), O_CLOEXEC);
  if (named >= 0) unlink(path.c_str());
  return named;
}

// Takes all of a file's space at once: a page that finds none later would end the process. Returns an error number.
int reserve(int file, size_t bytes) {
  struct statvfs space;
  if (fstatvfs(file, &space) == 0 && space.f_bavail < bytes / space.f_frsize) return ENOSPC;
  if (fallocate(file, 0, 0, static_cast<off_t>(bytes)) == 0) return 0;
  if (errno != EOPNOTSUPP) return errno;
  const std::vector<char> zeros(1 << 20);
  for (size_t at = 0; at < bytes;) {
    const ssize_t written = write(file, zeros.data(), std::min(zeros.size(), bytes - at));
    if (written < 0) return errno;
    at += static_cast<size_t>(written);
  }
  return 0;
}

void* map_file(const std::string& directory, size_t bytes) {
  const auto refuse = [&](int error) {
    throw Error("ERR_FILE", "cannot keep " + std::to_string(bytes >> 20) + " MiB in a file of " + directory + ": " +
                                std::strerror(error));
  };
  const int file = nameless_file(directory);
  if (file < 0) refuse(errno);
  const int full = reserve(file, bytes);
  void* data = full ? MAP_FAILED : mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  const int error = full ? full : errno;
  close(file);
  if (data == MAP_FAILED) refuse(error);
  return data;
}

}  // namespace

Memory::Memory(void* data, size_t bytes, int gpu, bool counted)
    : data_(data), bytes_(bytes), gpu_(gpu), counted_(counted) {
  if (!counted) return;
  total_bytes += static_cast<int64_t>(bytes);
  total_blocks += 1;
  if (gpu >= 0) total_device_bytes += static_cast<int64_t>(bytes);
}

Memory::~Memory() {
  if (!counted_) return;
  total_bytes -= static_cast<int64_t>(bytes_);
  total_blocks -= 1;
  if (gpu_ >= 0) total_device_bytes -= static_cast<int64_t>(bytes_);
}

Memory::Live Memory::live() { return {total_bytes, total_blocks, total_device_bytes}; }

void HostAddressed::read(size_t offset, void* to, size_t bytes) const {
  std::memcpy(to, static_cast<const char*>(data()) + offset, bytes);
}
void HostAddressed::write(size_t offset, const void* from, size_t bytes) {
  std::memcpy(static_cast<char*>(data()) + offset, from, bytes);
}

HostMemory::HostMemory(size_t bytes) : HostAddressed(allocate(bytes), bytes) {}
HostMemory::~HostMemory() { std::free(data()); }

FileMemory::FileMemory(const std::string& directory, size_t bytes)
    : HostAddressed(map_file(directory, std::max<size_t>(bytes, 1)), bytes, false) {}
FileMemory::~FileMemory() { munmap(data(), std::max<size_t>(bytes(), 1)); }

}  // namespace circumplex

// cuda/runtime.h on the host: every launch runs to its end before launch() returns.

#include "cuda/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "emulator/machine.h"

namespace circumplex::cuda {
namespace {

// Copies stay inside one block of memory, like everything else.
void check(const void* device, size_t bytes, const char* what) {
  const emulator::Allocation* in = emulator::allocation_of(device);
  const auto offset = static_cast<uint64_t>(static_cast<const unsigned char*>(device) - in->begin);
  if (bytes != 0 && (offset > in->bytes || in->bytes - offset < bytes)) {
    throw Error("ERR_CUDA", std::string(what) + " of " + std::to_string(bytes) +
                                " bytes reaches outside of a block of device memory");
  }
}

}  // namespace

int device_count(std::string*) { return 1; }
int driver_version() { return 0; }
int runtime_version() { return 0; }

std::string built_architectures() {
  const int architecture = emulator::settings().architecture;
  return std::to_string(architecture / 10) + "." + std::to_string(architecture % 10);
}

DeviceProperties properties_of(int) {
  const emulator::Settings settings = emulator::settings();
  return {"emulator",
          settings.architecture / 10,
          settings.architecture % 10,
          settings.multiprocessors,
          emulator::settings().memory,
          emulator::shared_limit(settings.architecture),
          driver_version(),
          runtime_version()};
}

Context::Context(int index) : index_(index) {
  if (index != 0)
    throw Error("ERR_NO_DEVICE", "there is no device " + std::to_string(index) + ": the emulator has one");
  properties_ = properties_of(index);
  stream_ = std::make_unique<Stream>(*this);
}

Context::~Context() = default;

void Context::use() const {}

void* Context::allocate(size_t bytes) {
  const int64_t free = available();
  emulator::Allocation* made =
      bytes > static_cast<uint64_t>(std::max<int64_t>(free, 0)) ? nullptr : emulator::allocate(bytes);
  if (!made) {
    throw Error("ERR_OUT_OF_MEMORY", "cannot allocate " + std::to_string(bytes >> 20) +
                                         " MiB on the emulator, of whose " + std::to_string(properties_.memory >> 20) +
                                         " MiB " + std::to_string(free >> 20) +
                                         " are free: use fewer lanes, replicas or frames a chunk");
  }
  return made->begin;
}

void Context::release(void* memory) noexcept { emulator::release(memory); }

int64_t Context::available() { return emulator::settings().memory - emulator::bytes_in_use(); }

// No memory of the device: a kernel that reads it ends with an error.
void* Context::allocate_pinned(size_t bytes) {
  void* made = std::malloc(std::max<size_t>(bytes, 1));
  if (!made) throw Error("ERR_OUT_OF_MEMORY", "cannot allocate " + std::to_string(bytes >> 20) + " MiB of the host");
  return made;
}

void Context::release_pinned(void* memory) noexcept { std::free(memory); }

void Context::clear(void* memory, size_t bytes) {
  check(memory, bytes, "clearing");
  if (bytes) std::memset(memory, 0, bytes);
}

void Context::copy_in(void* device, const void* host, size_t bytes) {
  check(device, bytes, "a copy");
  if (bytes) std::memcpy(device, host, bytes);
}

void Context::copy_out(void* host, const void* device, size_t bytes) {
  check(device, bytes, "a copy");
  if (bytes) std::memcpy(host, device, bytes);
}

Stream::Stream(Context& context) : context_(context) {}
Stream::~Stream() = default;
void Stream::wait() {}
void Stream::follow(const Event&) {}
void Stream::copy_in(void* device, const void* pinned, size_t bytes) { context_.copy_in(device, pinned, bytes); }
void Stream::copy_out(void* pinned, const void* device, size_t bytes) { context_.copy_out(pinned, device, bytes); }

void launch(Stream&, const Kernel& kernel, const Grid& grid, const void* arguments) {
  emulator::run(kernel, grid, arguments);
}

struct Graph::Recording {
  std::vector<std::vector<std::vector<Step>>> levels;
};

Graph::Graph(Context&, const std::vector<std::vector<std::vector<Step>>>& levels)
    : recording_(std::make_unique<Recording>(Recording{levels})) {}
Graph::~Graph() = default;

void Graph::run(Stream&) {
  for (const auto& branches : recording_->levels) emulator::run_level(branches);
}

Event::Event(Context& context) : context_(context) {}
Event::~Event() = default;
void Event::record(Stream&) {}
void Event::wait() const {}

}  // namespace circumplex::cuda

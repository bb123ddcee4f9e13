#pragma once
// The device as the host sees it: memory, streams, launches, graphs. runtime.cu implements it over cudart,
// emulator/runtime.cc on the host. Every failure is a circumplex::Error:
//   ERR_DRIVER          no driver, or one too old for this build
//   ERR_NO_DEVICE       no GPU of that index, or no kernel image for its compute capability
//   ERR_OUT_OF_MEMORY   says what was asked for and what is free
//   ERR_CUDA            anything else: a launch that was refused, a device that was lost

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace circumplex::cuda {

struct Grid {
  int x = 1, y = 1, z = 1;  // blocks
  int threads = 1;          // a block
  int cluster = 1;          // blocks of a cluster, along x
  int64_t shared = 0;       // dynamic shared memory of a block, bytes
};

struct Kernel {
  const char* name;
  const void* function;
  void (*emulate)(const void* function, const void* arguments);  // one thread of it; null with a real device
  size_t bytes;                                                  // of the arguments
};

template <class Arguments>
Kernel kernel_of(const char* name, void (*function)(Arguments)) {
#ifdef CIRCUMPLEX_EMULATOR
  const auto emulate = [](const void* at, const void* arguments) {
    reinterpret_cast<void (*)(Arguments)>(const_cast<void*>(at))(*static_cast<const Arguments*>(arguments));
  };
  return {name, reinterpret_cast<const void*>(function), emulate, sizeof(Arguments)};
#else
  return {name, reinterpret_cast<const void*>(function), nullptr, sizeof(Arguments)};
#endif
}

// kernel_of<&some_kernel<32>>("some_kernel")
template <auto function>
Kernel kernel_of(const char* name) {
  return kernel_of(name, function);
}

struct DeviceProperties {
  std::string name;
  int major, minor, multiprocessors;
  int64_t memory, shared_per_block;  // bytes; the latter is what a kernel can have when it asks
  int driver, runtime;               // CUDA versions, 13000 for 13.0
};

// 0 where there is no driver, no device, or the driver is too old; `why`, if given, then says which.
int device_count(std::string* why = nullptr);

// Of a device, which this does not open.
DeviceProperties properties_of(int index);

// The CUDA versions of the driver, 0 where there is none, and of this build; the compute capabilities with machine code
// in it: '7.5, 8.0'.
int driver_version();
int runtime_version();
std::string built_architectures();

class Stream;

// A device. Its members may be called from any thread. Memory and the copies are in the order of `stream()`.
class Context {
 public:
  explicit Context(int index);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const DeviceProperties& properties() const { return properties_; }
  int index() const { return index_; }
  Stream& stream() { return *stream_; }

  // From a pool that keeps what is released, for the next program, until the context ends.
  void* allocate(size_t bytes);  // zeroed, 256-byte aligned
  void release(void* memory) noexcept;
  int64_t available();  // bytes that allocate() may still give
  void clear(void* memory, size_t bytes);
  // The host's memory, page-locked: the copies of a stream from and to it overlap with the work of others.
  void* allocate_pinned(size_t bytes);
  void release_pinned(void* memory) noexcept;
  // Return when the copy is made.
  void copy_in(void* device, const void* host, size_t bytes);
  void copy_out(void* host, const void* device, size_t bytes);
  // Makes this the device of the calling thread, which the runtime asks for before each call.
  void use() const;

 private:
  int index_;
  DeviceProperties properties_;
  void* pool_ = nullptr;
  std::unique_ptr<Stream> stream_;
};

class Event;

// What is launched into a stream runs in order; streams have no order among themselves.
class Stream {
 public:
  explicit Stream(Context& context);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void wait();                      // until all is done
  void follow(const Event& event);  // what comes next begins when the event's stream has got there
  // Of pinned memory, which must live until the copy is made.
  void copy_in(void* device, const void* pinned, size_t bytes);
  void copy_out(void* pinned, const void* device, size_t bytes);
  Context& context() const { return context_; }
  void* handle() const { return handle_; }

 private:
  Context& context_;
  void* handle_ = nullptr;
};

// `arguments`: the kernel's struct, copied before the call returns.
void launch(Stream& stream, const Kernel& kernel, const Grid& grid, const void* arguments);

struct Step {
  Kernel kernel;
  Grid grid;
  std::vector<unsigned char> arguments;
};

// A recorded list of launches. Levels run one after the other; the branches of a level may overlap; the launches of a
// branch are in order.
class Graph {
 public:
  Graph(Context& context, const std::vector<std::vector<std::vector<Step>>>& levels);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void run(Stream& stream);

 private:
  struct Recording;
  std::unique_ptr<Recording> recording_;
};

// A point in a stream.
class Event {
 public:
  explicit Event(Context& context);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(Stream& stream);
  void wait() const;  // until the stream has got there
  void* handle() const { return handle_; }

 private:
  Context& context_;
  void* handle_ = nullptr;
};

}  // namespace circumplex::cuda

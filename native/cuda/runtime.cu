// cuda/runtime.h over cudart.

#include <cuda_runtime_api.h>

#include <algorithm>

#include "core/error.h"
#include "cuda/runtime.h"

namespace circumplex::cuda {
namespace {

// Never launched: the driver says whether there is code for a device, before any operator needs it.
__global__ void __launch_bounds__(1) probe() {}

constexpr int64_t kUsualShared = 48 << 10;  // what a block may have unasked

std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

std::string mebibytes(size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

std::string driver_problem() {
  const int found = driver_version();
  return (found == 0 ? std::string("no NVIDIA driver was found")
                     : "the NVIDIA driver supports CUDA " + version(found)) +
         "; this build needs one for CUDA " + version(CUDART_VERSION) +
         ", version 580 or newer: install it, or use the cpu device";
}

// After a kernel went wrong, every further call fails in the same way.
bool is_final(cudaError_t error) {
  switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
      return true;
    default:
      return false;
  }
}

[[noreturn]] void raise(cudaError_t error, const std::string& doing) {
  cudaGetLastError();  // an error that is not final must not come up again in the next call
  switch (error) {
    case cudaErrorInsufficientDriver:
    case cudaErrorSystemDriverMismatch:
    case cudaErrorCallRequiresNewerDriver:
      throw Error("ERR_DRIVER", doing + ": " + driver_problem());
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidKernelImage:
    case cudaErrorUnsupportedPtxVersion:
      throw Error("ERR_NO_DEVICE", doing +
                                       ": this build has no kernels for this GPU; it has them for compute capability " +
                                       built_architectures() + ": build it for this GPU, or use the cpu device");
    case cudaErrorNoDevice:
    case cudaErrorInvalidDevice:
    case cudaErrorDevicesUnavailable:
      throw Error("ERR_NO_DEVICE",
                  doing + ": " + cudaGetErrorString(error) + ": see nvidia-smi and CUDA_VISIBLE_DEVICES");
    case cudaErrorMemoryAllocation:
      throw Error("ERR_OUT_OF_MEMORY",
                  doing + ": the GPU is out of memory: use fewer lanes, replicas or frames a chunk");
    default:
      throw Error("ERR_CUDA", doing + ": " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error) +
                                  (is_final(error) ? ": restart the process to use this GPU again" : ""));
  }
}

void check(cudaError_t error, const std::string& doing) {
  if (error != cudaSuccess) raise(error, doing);
}

cudaStream_t native(const Stream& stream) { return static_cast<cudaStream_t>(stream.handle()); }
cudaEvent_t native(const Event& event) { return static_cast<cudaEvent_t>(event.handle()); }
cudaMemPool_t native_pool(void* pool) { return static_cast<cudaMemPool_t>(pool); }

uint64_t of_pool(void* pool, cudaMemPoolAttr attribute) {
  uint64_t bytes = 0;
  check(cudaMemPoolGetAttribute(native_pool(pool), attribute, &bytes), "asking for the memory in use");
  return bytes;
}

// Null where the device has no pools: then every block is the driver's own.
void* make_pool(int device) {
  int supported = 0;
  check(cudaDeviceGetAttribute(&supported, cudaDevAttrMemoryPoolsSupported, device), "asking for memory pools");
  if (!supported) return nullptr;
  cudaMemPoolProps properties = {};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  cudaMemPool_t pool = nullptr;
  check(cudaMemPoolCreate(&pool, &properties), "making a memory pool");
  uint64_t keep = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "making a memory pool");
  return pool;
}

void check_copy(const Context& context, cudaError_t error, const char* doing) {
  check(error, doing);
  check(cudaStreamSynchronize(native(const_cast<Context&>(context).stream())), doing);
}

void launch_into(cudaStream_t stream, const Kernel& kernel, const Grid& grid, const void* arguments) {
  const std::string doing = std::string("launching ") + kernel.name;
  if (grid.shared > kUsualShared) {
    check(cudaFuncSetAttribute(kernel.function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(grid.shared)),
          doing);
  }
  cudaLaunchAttribute cluster;
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim = {static_cast<unsigned>(grid.cluster), 1, 1};
  cudaLaunchConfig_t config = {};
  config.gridDim = {static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)};
  config.blockDim = {static_cast<unsigned>(grid.threads), 1, 1};
  config.dynamicSmemBytes = static_cast<size_t>(grid.shared);
  config.stream = stream;
  config.attrs = &cluster;
  config.numAttrs = grid.cluster > 1 ? 1 : 0;
  void* parameters[] = {const_cast<void*>(arguments)};
  check(cudaLaunchKernelExC(&config, kernel.function, parameters), doing);
}

}  // namespace

int device_count(std::string* why) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  if (why) {
    *why = error == cudaErrorInsufficientDriver || error == cudaErrorSystemDriverMismatch ? driver_problem()
           : error == cudaSuccess || error == cudaErrorNoDevice
               ? "the NVIDIA driver finds no GPU: see nvidia-smi and CUDA_VISIBLE_DEVICES"
               : std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
  }
  return 0;
}

int driver_version() {
  int version = 0;
  cudaDriverGetVersion(&version);
  return version;
}

int runtime_version() { return CUDART_VERSION; }

std::string built_architectures() {
  std::string list;
  for (int architecture : {__CUDA_ARCH_LIST__}) {
    list +=
        (list.empty() ? "" : ", ") + std::to_string(architecture / 100) + "." + std::to_string(architecture / 10 % 10);
  }
  return list;
}

DeviceProperties properties_of(int index) {
  cudaDeviceProp found;
  check(cudaGetDeviceProperties(&found, index), "asking for cuda:" + std::to_string(index));
  return {found.name,
          found.major,
          found.minor,
          found.multiProcessorCount,
          static_cast<int64_t>(found.totalGlobalMem),
          static_cast<int64_t>(found.sharedMemPerBlockOptin),
          driver_version(),
          runtime_version()};
}

// ---- the device ----

Context::Context(int index) : index_(index) {
  const std::string doing = "opening cuda:" + std::to_string(index);
  int count = 0;
  check(cudaGetDeviceCount(&count), doing);
  if (index < 0 || index >= count) {
    throw Error("ERR_NO_DEVICE", doing + ": there are " + std::to_string(count) + " GPUs, counted from 0");
  }
  use();
  properties_ = properties_of(index);
  cudaFuncAttributes attributes;
  const cudaError_t code = cudaFuncGetAttributes(&attributes, probe);
  if (code != cudaSuccess) {
    raise(code, doing + " (" + properties_.name + ", compute capability " + std::to_string(properties_.major) + "." +
                    std::to_string(properties_.minor) + ")");
  }
  stream_ = std::make_unique<Stream>(*this);
  pool_ = make_pool(index);
}

Context::~Context() {
  if (pool_ && cudaSetDevice(index_) == cudaSuccess) cudaMemPoolDestroy(native_pool(pool_));
  cudaGetLastError();
}

void Context::use() const { check(cudaSetDevice(index_), "selecting cuda:" + std::to_string(index_)); }

void* Context::allocate(size_t bytes) {
  use();
  void* memory = nullptr;
  const auto ask = [&] {
    const size_t size = std::max<size_t>(bytes, 1);
    return pool_ ? cudaMallocFromPoolAsync(&memory, size, native_pool(pool_), native(stream()))
                 : cudaMalloc(&memory, size);
  };
  cudaError_t error = ask();
  if (error == cudaErrorMemoryAllocation && pool_) {  // the pool may hold enough, in pieces
    cudaGetLastError();
    stream().wait();
    check(cudaMemPoolTrimTo(native_pool(pool_), 0), "giving memory back");
    error = ask();
  }
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error("ERR_OUT_OF_MEMORY", "cannot allocate " + mebibytes(bytes) + " on cuda:" + std::to_string(index_) +
                                         ", of whose " + mebibytes(static_cast<size_t>(properties_.memory)) + " " +
                                         mebibytes(static_cast<size_t>(available())) +
                                         " are free: use fewer lanes, replicas or frames a chunk");
  }
  check(error, "allocating " + mebibytes(bytes));
  try {
    clear(memory, bytes);
  } catch (...) {
    release(memory);
    throw;
  }
  return memory;
}

void Context::release(void* memory) noexcept {
  if (cudaSetDevice(index_) == cudaSuccess) {
    if (pool_) {
      cudaFreeAsync(memory, native(stream()));
    } else {
      cudaFree(memory);
    }
  }
  cudaGetLastError();
}

int64_t Context::available() {
  use();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "asking for the free memory");
  const uint64_t kept =
      pool_ ? of_pool(pool_, cudaMemPoolAttrReservedMemCurrent) - of_pool(pool_, cudaMemPoolAttrUsedMemCurrent) : 0;
  return static_cast<int64_t>(free + kept);
}

void* Context::allocate_pinned(size_t bytes) {
  use();
  void* memory = nullptr;
  const cudaError_t error = cudaHostAlloc(&memory, std::max<size_t>(bytes, 1), cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw Error("ERR_OUT_OF_MEMORY", "cannot allocate " + mebibytes(bytes) + " of the host's memory for the GPU");
  }
  check(error, "allocating " + mebibytes(bytes) + " of the host's memory");
  return memory;
}

void Context::release_pinned(void* memory) noexcept {
  if (cudaSetDevice(index_) == cudaSuccess) cudaFreeHost(memory);
  cudaGetLastError();
}

void Context::clear(void* memory, size_t bytes) {
  use();
  check(cudaMemsetAsync(memory, 0, bytes, native(stream())), "clearing " + mebibytes(bytes));
}

void Context::copy_in(void* device, const void* host, size_t bytes) {
  use();
  check_copy(*this, cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, native(stream())),
             "copying to the GPU");
}

void Context::copy_out(void* host, const void* device, size_t bytes) {
  use();
  check_copy(*this, cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, native(stream())),
             "copying from the GPU");
}

// ---- streams ----

Stream::Stream(Context& context) : context_(context) {
  context.use();
  cudaStream_t made = nullptr;
  check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "making a stream");
  handle_ = made;
}

Stream::~Stream() {
  if (cudaSetDevice(context_.index()) == cudaSuccess) cudaStreamDestroy(native(*this));
  cudaGetLastError();
}

void Stream::wait() {
  context_.use();
  check(cudaStreamSynchronize(native(*this)), "waiting for the GPU");
}

void Stream::follow(const Event& event) {
  context_.use();
  check(cudaStreamWaitEvent(native(*this), native(event), 0), "waiting for an event");
}

void Stream::copy_in(void* device, const void* pinned, size_t bytes) {
  context_.use();
  check(cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyHostToDevice, native(*this)), "copying to the GPU");
}

void Stream::copy_out(void* pinned, const void* device, size_t bytes) {
  context_.use();
  check(cudaMemcpyAsync(pinned, device, bytes, cudaMemcpyDeviceToHost, native(*this)), "copying from the GPU");
}

void launch(Stream& stream, const Kernel& kernel, const Grid& grid, const void* arguments) {
  stream.context().use();
  launch_into(native(stream), kernel, grid, arguments);
}

// ---- graphs: captured from streams that fork and join at the edges of each level ----

struct Graph::Recording {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  int device;
  ~Recording() {
    if (cudaSetDevice(device) == cudaSuccess) {
      if (executable) cudaGraphExecDestroy(executable);
      if (graph) cudaGraphDestroy(graph);
    }
    cudaGetLastError();
  }
};

namespace {

using Branch = std::vector<Step>;

void capture_branch(cudaStream_t stream, const Branch& branch) {
  for (const Step& step : branch) launch_into(stream, step.kernel, step.grid, step.arguments.data());
}

void follow(cudaStream_t behind, cudaStream_t ahead, const Event& event) {
  check(cudaEventRecord(native(event), ahead), "capturing a graph");
  check(cudaStreamWaitEvent(behind, native(event), 0), "capturing a graph");
}

// Branch 0 stays on the main stream, branch i takes side stream i - 1.
void capture_level(cudaStream_t main, const std::vector<std::unique_ptr<Stream>>& side, const Event& event,
                   const std::vector<Branch>& branches) {
  for (size_t i = 1; i < branches.size(); i++) {
    follow(native(*side[i - 1]), main, event);
    capture_branch(native(*side[i - 1]), branches[i]);
  }
  if (!branches.empty()) capture_branch(main, branches[0]);
  for (size_t i = 1; i < branches.size(); i++) follow(main, native(*side[i - 1]), event);
}

}  // namespace

Graph::Graph(Context& context, const std::vector<std::vector<std::vector<Step>>>& levels)
    : recording_(std::make_unique<Recording>()) {
  context.use();
  recording_->device = context.index();
  Stream main(context);
  const Event event(context);
  std::vector<std::unique_ptr<Stream>> side;
  for (const auto& branches : levels) {
    while (side.size() + 1 < branches.size()) side.push_back(std::make_unique<Stream>(context));
  }
  check(cudaStreamBeginCapture(native(main), cudaStreamCaptureModeThreadLocal), "capturing a graph");
  try {
    for (const auto& branches : levels) capture_level(native(main), side, event, branches);
  } catch (...) {
    cudaStreamEndCapture(native(main), &recording_->graph);
    cudaGetLastError();
    throw;
  }
  check(cudaStreamEndCapture(native(main), &recording_->graph), "capturing a graph");
  check(cudaGraphInstantiate(&recording_->executable, recording_->graph, 0), "instantiating a graph");
}

Graph::~Graph() = default;

void Graph::run(Stream& stream) {
  stream.context().use();
  check(cudaGraphLaunch(recording_->executable, native(stream)), "launching a graph");
}

// ---- events ----

Event::Event(Context& context) : context_(context) {
  context.use();
  cudaEvent_t made = nullptr;
  check(cudaEventCreateWithFlags(&made, cudaEventDisableTiming | cudaEventBlockingSync), "making an event");
  handle_ = made;
}

Event::~Event() {
  if (cudaSetDevice(context_.index()) == cudaSuccess) cudaEventDestroy(native(*this));
  cudaGetLastError();
}

void Event::record(Stream& stream) {
  context_.use();
  check(cudaEventRecord(native(*this), native(stream)), "recording an event");
}

void Event::wait() const {
  context_.use();
  check(cudaEventSynchronize(native(*this)), "waiting for an event");
}

}  // namespace circumplex::cuda

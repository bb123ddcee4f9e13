#include "core/devices.h"

#include "core/error.h"
#include "cpu/device.h"
#if defined(CIRCUMPLEX_CUDA)
#include "cuda/device.h"
#endif

namespace circumplex {
namespace {

// The index in 'cuda' or 'cuda:N', -1 for any other name.
int gpu_index(const std::string& name) {
  if (name == "cuda") return 0;
  if (name.rfind("cuda:", 0) != 0 || name.size() < 6 || name.size() > 8) return -1;
  int index = 0;
  for (char digit : name.substr(5)) {
    if (digit < '0' || digit > '9') return -1;
    index = 10 * index + (digit - '0');
  }
  return index;
}

}  // namespace

std::shared_ptr<Device> open_device(const std::string& name, int threads, const std::string& isa) {
  if (name == "cpu" || name == "cpu,bf16") return std::make_shared<cpu::Device>(threads, isa, name != "cpu");
  const size_t comma = name.find(',');
  const std::string precision = comma == std::string::npos ? "" : name.substr(comma + 1);
  const int index = gpu_index(name.substr(0, comma));
  if (index < 0 || (comma != std::string::npos && precision != "tf32" && precision != "bf16")) {
    throw Error("ERR_CONFIG",
                "unknown device '" + name + "': one of cpu, cuda, cuda:N, or cpu,bf16, cuda,tf32 and cuda,bf16");
  }
#if defined(CIRCUMPLEX_CUDA)
  return std::make_shared<cuda::Device>(index, precision);
#else
  throw Error("ERR_NO_DEVICE", "device '" + name + "': this build of circumplex has no CUDA kernels");
#endif
}

CudaReport cuda_report() {
#if defined(CIRCUMPLEX_CUDA)
  return cuda::report();
#else
  CudaReport report;
  report.problem = "this build of circumplex has no CUDA kernels";
  return report;
#endif
}

}  // namespace circumplex

#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"

namespace circumplex {

// 'cpu', 'cuda' (the first GPU) or 'cuda:N'; with ',tf32' or ',bf16' a GPU rounds the factors of its large products,
// which are of float32's accuracy otherwise. `threads` and `isa` are the CPU's: below 1 and empty choose. Throws
// ERR_CONFIG for an unknown name, ERR_NO_DEVICE or ERR_DRIVER when a GPU is asked for that is not there.
std::shared_ptr<Device> open_device(const std::string& name, int threads, const std::string& isa);

// What this build and this machine have to offer of CUDA.
struct CudaReport {
  struct Gpu {
    std::string name;
    int major, minor, multiprocessors;  // compute capability
    int64_t memory;                     // bytes
  };
  bool built = false;
  std::string problem;          // why there is no GPU to use; empty when there is
  int driver = 0, runtime = 0;  // 13020 is 13.2; 0: none
  std::string architectures;    // compute capabilities with machine code in this build: '7.5, 8.0'
  std::vector<Gpu> gpus;
};
CudaReport cuda_report();

}  // namespace circumplex

#pragma once
#include <memory>
#include <string>

#include "core/device.h"
#include "core/pool.h"
#include "cpu/dispatch.h"

namespace circumplex::cpu {

// The processor: a compute pool and the kernels of one instruction set.
class Device final : public circumplex::Device {
 public:
  // threads < 1: as many as the process may use. `isa`: "scalar", "avx2", "avx512", or empty for the best there is
  // (or what CIRCUMPLEX_ISA says). `bf16`: of those whose products round their factors. Throws ERR_CONFIG for an
  // instruction set that this processor lacks.
  Device(int threads, const std::string& isa, bool bf16 = false);
  ~Device() override { end(); }

  std::string name() const override { return "cpu"; }
  std::string description() const override { return set_.name; }
  int threads() const override { return pool_.threads(); }
  std::shared_ptr<Memory> allocate(size_t bytes) override { return std::make_shared<HostMemory>(bytes); }
  std::unique_ptr<Execution> execution(int32_t replicas, int32_t lanes, int32_t chunk) override;

  Pool& pool() { return pool_; }
  const InstructionSet& instruction_set() const { return set_; }

 private:
  const InstructionSet& set_;
  Pool pool_;
};

}  // namespace circumplex::cpu

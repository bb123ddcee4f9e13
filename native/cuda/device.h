#pragma once
#include <memory>
#include <string>

#include "core/device.h"
#include "core/devices.h"
#include "cuda/runtime.h"

namespace circumplex::cuda {

// One GPU. A program is captured as a graph once and replayed for every chunk; the schedule of a run lies on the GPU,
// where the graph's first kernel takes the next chunk from it.
class Device final : public circumplex::Device {
 public:
  // `precision` of the large products: '', 'tf32' or 'bf16'. Throws ERR_NO_DEVICE, ERR_DRIVER; ERR_CONFIG for a
  // precision that the GPU does not have.
  Device(int index, const std::string& precision);
  ~Device() override { end(); }

  std::string name() const override {
    return "cuda:" + std::to_string(index_) + (precision_.empty() ? "" : "," + precision_);
  }
  std::string description() const override { return context_.properties().name; }
  int threads() const override { return 1; }
  int gpu() const override { return index_; }
  std::shared_ptr<Memory> allocate(size_t bytes) override;
  // On the GPU while an eighth of it stays free; else, or with CIRCUMPLEX_CUDA_DATA=host, the host's, from where each
  // chunk is staged.
  std::shared_ptr<Memory> allocate_column(size_t bytes) override;
  std::unique_ptr<Execution> execution(int32_t replicas, int32_t lanes, int32_t chunk) override;

  Context& context() { return context_; }
  const std::string& precision() const { return precision_; }

 private:
  int index_;
  std::string precision_;
  Context context_;
};

CudaReport report();

}  // namespace circumplex::cuda

#pragma once
#include <cstring>
#include <utility>
#include <vector>

#include "core/data.h"
#include "core/plan.h"
#include "cuda/device.cuh"
#include "cuda/runtime.h"

namespace circumplex::cuda {

// What changes from chunk to chunk, as a kernel sees it: fixed addresses on the GPU, written before each chunk, so that
// a captured program is replayed as it is. See core/control.h.
struct Chunk {
  int32_t replicas, lanes, most_frames;                  // the program's sizes
  Global<const int32_t> sequence, start, length, total;  // [lane]
  Global<const uint8_t> active;                          // [replica]
  Global<const float> learning_rate;                     // [replica]
  Global<const uint32_t> seed;                           // [replica]
  struct Now {
    int32_t frames;  // the largest length
    uint32_t epoch;
    int32_t bypass;
  };
  Global<const Now> now;
  Global<const DataView> data;
};

// A tensor as a kernel's argument: one replica's part begins `stride` elements after the one before; 0: shared.
template <class T>
struct Array {
  Global<T> data;
  int64_t stride = 0;
  CIRCUMPLEX_DEVICE Global<T> of(int64_t replica) const { return data + replica * stride; }
};

template <class T>
Array<T> array(const Tensor& tensor) {
  return {Global<T>(static_cast<T*>(tensor.data)), tensor.stride};
}

// How a large product is computed. `float32`: errors of the order of a float32 FMA chain. `tf32` and `bf16` round the
// factors.
enum class Precision { float32, tf32, bf16 };

// A plan of launches, in order.
class Plan : public circumplex::Plan {
 public:
  Plan(const Control& control, circumplex::Device& device, const DeviceProperties& properties, Precision of_products)
      : circumplex::Plan(control, device), gpu(properties), precision(of_products) {}

  const DeviceProperties& gpu;
  const Precision precision;
  Chunk chunk{};  // for the arguments of kernels

  template <class Arguments>
  void launch(const Kernel& kernel, const Grid& grid, const Arguments& arguments) {
    std::vector<unsigned char> bytes(sizeof(Arguments));
    std::memcpy(bytes.data(), &arguments, sizeof(Arguments));
    steps_.push_back({kernel, grid, std::move(bytes)});
  }
  std::vector<Step> take_steps() { return std::exchange(steps_, {}); }

 private:
  std::vector<Step> steps_;
};

extern const Operator<Plan> operators[];

}  // namespace circumplex::cuda

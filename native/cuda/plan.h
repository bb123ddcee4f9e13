#pragma once
#include <cstring>
#include <utility>
#include <vector>

#include "core/data.h"
#include "core/plan.h"
#include "cuda/device.cuh"
#include "cuda/runtime.h"

namespace circumplex::cuda {

// The data set as the kernels of a run see it.
struct RunData {
  DataView all;
  // [slot, use]: the present chunk's part, [replica, lane, left + chunk + right, width], of a column that the GPU does
  // not hold; null: it does. Null: it holds all of them. See staging.h.
  float* const* staged;
  int64_t uses;
};

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
    int32_t slot;  // of what is staged
  };
  Global<const Now> now;
  Global<const RunData> data;
};

// A call's use of a column, as its kernel sees it.
struct Window {
  int64_t use;  // which of the program's
  int64_t column, width, left, frames;
};

// First value of frame start[lane] of a lane's sequence.
CIRCUMPLEX_DEVICE Global<float> first_value(const Chunk& chunk, const Window& w, int64_t lane, int64_t replica) {
  const RunData data = chunk.data[0];
  if (data.staged) {
    const Global<float* const> staged(data.staged);
    float* const part = staged[chunk.now[0].slot * data.uses + w.use];
    if (part) {
      const int64_t r = data.all.columns[w.column].replicas == 1 ? 0 : replica;
      return Global<float>(part) + ((r * chunk.lanes + lane) * w.frames + w.left) * w.width;
    }
  }
  return Global<float>(data.all.values(w.column, chunk.sequence[lane], replica)) + chunk.start[lane] * w.width;
}

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
  // Of the column that the call names, once it is read.
  Window window() const {
    const ColumnUse& use = columns().back();
    return {static_cast<int64_t>(columns().size()) - 1, use.column, use.width, use.left,
            use.left + chunk.most_frames + use.right};
  }
  std::vector<Step> take_steps() { return std::exchange(steps_, {}); }

 private:
  std::vector<Step> steps_;
};

extern const Operator<Plan> operators[];

}  // namespace circumplex::cuda

#pragma once
// What every fusion of streams is given: the streams' outputs y_0..y_{n-1}, each [T, B, M].

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {

// Reads `count` tensors from input `first` on. The elements of a stream that is left out stay null.
CIRCUMPLEX_INLINE Tensor* read_streams(Plan& plan, const Call& call, int64_t first, int64_t count, int64_t outputs,
                                       const Tensor& result) {
  Tensor* y = static_cast<Tensor*>(plan.allocate(count * static_cast<int64_t>(sizeof(Tensor))));
  for (int64_t i = 0; i < count; i++) {
    const Control& control = plan.control;
    y[i] = source(call, result, call.input(first + i, "y", Type::f32, 3, control.chunk, control.lanes, outputs));
  }
  return y;
}

// The masks of the streams, each [T, B]; null where a stream is never missing.
CIRCUMPLEX_INLINE Tensor* read_masks(Plan& plan, const Call& call, int64_t first, int64_t count, const Tensor& result) {
  Tensor* valid = static_cast<Tensor*>(plan.allocate(count * static_cast<int64_t>(sizeof(Tensor))));
  for (int64_t i = 0; i < count; i++) {
    if (!call.has_input(first + i)) continue;
    const Control& control = plan.control;
    valid[i] = source(call, result, call.input(first + i, "valid", Type::u8, 2, control.chunk, control.lanes));
  }
  return valid;
}

// The gradients dy_0..dy_{n-1}, null where nobody asks for one.
CIRCUMPLEX_INLINE Tensor* read_gradients(Plan& plan, const Call& call, int64_t first, int64_t count, int64_t outputs,
                                         int64_t copies) {
  Tensor* dy = static_cast<Tensor*>(plan.allocate(count * static_cast<int64_t>(sizeof(Tensor))));
  for (int64_t i = 0; i < count; i++) {
    if (!call.has_output(first + i)) continue;
    dy[i] = call.output(first + i, "dy", Type::f32, 3, plan.control.chunk, plan.control.lanes, outputs);
    if (dy[i].replicas != copies) call.refuse("dy is shared by all replicas where dz is");
  }
  return dy;
}

}  // namespace circumplex::CIRCUMPLEX_ISA

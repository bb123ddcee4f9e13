#include "operators/streams.h"

namespace circumplex {

Tensor* read_streams(Plan& plan, const Call& call, int64_t first, int64_t count, int64_t outputs,
                     const Tensor& result) {
  const Control& control = plan.control;
  Tensor* y = plan.list<Tensor>(count);
  for (int64_t i = 0; i < count; i++) {
    y[i] = source(call, result, call.input(first + i, "y", Type::f32, 3, control.chunk, control.lanes, outputs));
  }
  return y;
}

Tensor* read_masks(Plan& plan, const Call& call, int64_t first, int64_t count, const Tensor& result) {
  const Control& control = plan.control;
  Tensor* valid = plan.list<Tensor>(count);
  for (int64_t i = 0; i < count; i++) {
    if (!call.has_input(first + i)) continue;
    valid[i] = source(call, result, call.input(first + i, "valid", Type::u8, 2, control.chunk, control.lanes));
  }
  return valid;
}

Tensor* read_gradients(Plan& plan, const Call& call, int64_t first, int64_t count, int64_t outputs, int64_t copies) {
  const Control& control = plan.control;
  Tensor* dy = plan.list<Tensor>(count);
  for (int64_t i = 0; i < count; i++) {
    if (!call.has_output(first + i)) continue;
    dy[i] = call.output(first + i, "dy", Type::f32, 3, control.chunk, control.lanes, outputs);
    if (dy[i].replicas != copies) call.refuse("dy is shared by all replicas where dz is");
  }
  return dy;
}

}  // namespace circumplex

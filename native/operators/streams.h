#pragma once
// What every fusion of streams is given: the streams' outputs y_0..y_{n-1}, each [T, B, M].

#include "operators/rows.h"

namespace circumplex {

// Reads `count` tensors from input `first` on.
Tensor* read_streams(Plan& plan, const Call& call, int64_t first, int64_t count, int64_t outputs, const Tensor& result);
// The masks of the streams, each [T, B]; null where a stream is never missing.
Tensor* read_masks(Plan& plan, const Call& call, int64_t first, int64_t count, const Tensor& result);
// The gradients dy_0..dy_{n-1}, null where nobody asks for one.
Tensor* read_gradients(Plan& plan, const Call& call, int64_t first, int64_t count, int64_t outputs, int64_t copies);

}  // namespace circumplex

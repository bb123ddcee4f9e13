#pragma once
#include "operators/streams.h"

namespace circumplex {

// Output-level blending: z_m = sum_i w_i y_i[m] + b_m, one weight a stream, or w_mi, one a stream and output.
// Gradients: dy_i = w_i dz, dw = sum over frames of dz y_i, db = sum of dz; rows t >= length are 0.
struct StreamMixCall {
  Rows rows;
  int64_t streams, outputs;
  int64_t row;                // from one output's weights to the next: 0 where all outputs share them
  Tensor weight, bias, z;     // [n] or [M, n], [M], [T, B, M]; bias.data = null: none
  Tensor* y;                  // [n], each [T, B, M]
  Tensor dz, dweight, dbias;  // data = null: not wanted
  Tensor* dy;
};

StreamMixCall read_stream_mix(Plan& plan, const Call& call);
StreamMixCall read_stream_mix_backward(Plan& plan, const Call& call);

}  // namespace circumplex

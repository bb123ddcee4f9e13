#pragma once
#include "operators/streams.h"

namespace circumplex {

// Fusion by attention over streams, per output dimension m (Lucas, Ghaleb and Asteriadis):
//   score_mi = sum_k context_k weight_mki + bias_mi,  a_m = softmax over the streams valid at the frame,
//   z_m = sum_i a_mi y_i[m].
// All streams missing: uniform. Gradients, with s_m = sum_i a_mi dz_m y_i[m]:
//   dscore_mi = a_mi (dz_m y_i[m] - s_m),  dy_i[m] = a_mi dz_m,  dcontext = dscore W',  dweight = context' dscore.
struct DimensionFusionCall {
  Rows rows;
  int64_t features, streams, outputs;  // C, n, M
  int64_t scores;                      // M n, score (m, i) at m n + i
  Tensor context, weight, bias;        // [T, B, C], [M, C, n], [M, n]; data = null: left out
  Tensor z, attention;                 // [T, B, M], [T, B, M, n]
  Tensor* y;                           // [n], each [T, B, M]
  Tensor* valid;                       // [n], each [T, B], data = null: never missing
  // Backward; data = null: not wanted.
  Tensor dz, dcontext, dweight, dbias;
  Tensor* dy;
};

DimensionFusionCall read_dimension_fusion(Plan& plan, const Call& call);
DimensionFusionCall read_dimension_fusion_backward(Plan& plan, const Call& call);

}  // namespace circumplex

#pragma once
#include "operators/rows.h"

namespace circumplex {

// Over the last axis, of F values, as PyTorch's nn.LayerNorm with eps 1e-5:
//   mean = sum x / F, scale = 1 / sqrt(sum (x - mean)^2 / F + eps), u = (x - mean) scale, y = u weight + bias.
// Gradients, with g = dy weight: dx = scale (g - mean of g - u mean of (g u)), dweight = sum of dy u, dbias = sum of
// dy, over all frames of the chunk. Mean and scale are computed again from x.
struct LayerNormCall {
  Rows rows;                      // of y, or of dx where it is wanted
  Tensor x, weight, bias, y;      // [T, B, F], [F], [F], [T, B, F]
  Tensor dy, dx, dweight, dbias;  // data = null: not wanted
};

constexpr float kNormEpsilon = 1e-5f;

LayerNormCall read_layer_norm(Plan& plan, const Call& call);
LayerNormCall read_layer_norm_backward(Plan& plan, const Call& call);

}  // namespace circumplex

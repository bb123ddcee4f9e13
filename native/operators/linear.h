#pragma once
#include "operators/rows.h"

namespace circumplex {

// y = x W' + b, per frame; weight [output, feature] and bias [output] as in PyTorch's nn.Linear.
// Gradients: dx = dy W, dW = dy' x, db = the column sums of dy, over all frames of the chunk.
struct LinearCall {
  Rows rows;                      // of y, or of dx where it is wanted
  Tensor x, weight, bias, y;      // bias.data = null: none
  Tensor dy, dx, dweight, dbias;  // data = null: not wanted
  int64_t features, outputs;
};

LinearCall read_linear(Plan& plan, const Call& call);
LinearCall read_linear_backward(Plan& plan, const Call& call);

}  // namespace circumplex

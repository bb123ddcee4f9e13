#pragma once
#include "operators/rows.h"

namespace circumplex {

// y_i = exp(x_i - max x) / sum_j exp(x_j - max x) over the last axis;  dx_i = y_i (dy_i - sum_j y_j dy_j).
struct SoftmaxCall {
  Rows rows;
  Tensor x, y, dy, dx;  // of one shape
};

SoftmaxCall read_softmax(Plan& plan, const Call& call);
SoftmaxCall read_softmax_backward(Plan& plan, const Call& call);

}  // namespace circumplex

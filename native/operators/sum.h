#pragma once
#include "operators/rows.h"

namespace circumplex {

// sum or mean of an activation over the valid frames of all lanes and all features; dx = dy, dx = dy / count, 0 in
// padding.
struct SumCall {
  Rows rows;     // of x, one copy for each of y's; of dx backward
  Tensor x, dx;  // [T, B, F]
  Tensor y, dy;  // [1]
};

SumCall read_sum(Plan& plan, const Call& call);
SumCall read_sum_backward(Plan& plan, const Call& call);

}  // namespace circumplex

#pragma once
#include "operators/rows.h"

namespace circumplex {

// Squared error over the valid, labelled values of a chunk (a target that is NaN is not labelled):
//   loss = sum (y - target)^2 / count,   dy = weight 2 (y - target) / count.
struct MseCall {
  Rows rows;             // of y, one copy for each of the sums'; of dy backward
  Tensor y, target, dy;  // [T, B, F]
  Tensor sums, totals;   // [squared error, count] of the chunk, and since the run began
  double weight;
};

MseCall read_mse(Plan& plan, const Call& call);
MseCall read_mse_backward(Plan& plan, const Call& call);

}  // namespace circumplex

#pragma once
// The elementwise set, for heads and losses of one's own: fill, add, mul, accumulate, exp, tanh, sigmoid, relu.
// A gradient is 0 wherever dy is 0, whatever the values are: padded frames never reach a gradient.

#include "operators/rows.h"

namespace circumplex {

// y = f(x), or dx = dy f'(x) by y alone; all of one shape.
struct MapCall {
  Rows rows;
  Tensor x, y, dy, dx;
};

MapCall read_map(Plan& plan, const Call& call);
MapCall read_map_backward(Plan& plan, const Call& call);

// y = a + b or a b, elementwise, b of a's shape or one row.
struct PairCall {
  Rows rows;  // of y; of dy backward, a copy for each of the gradients'
  Tensor a, b, y, dy, da, db;
  bool row;  // b [F] meets every row of a
};

PairCall read_pair(Plan& plan, const Call& call);
// Neither da nor db wanted: nothing to do.
PairCall read_add_backward(Plan& plan, const Call& call);
PairCall read_mul_backward(Plan& plan, const Call& call);

// A whole buffer, whatever its rows.
struct FillCall {
  const Control* control;
  Tensor result;
  float value;
};

FillCall read_fill(Plan& plan, const Call& call);

// result = terms[0] + terms[1] + ..., in this order; all of one shape.
struct AccumulateCall {
  const Control* control;
  Tensor result;
  Tensor* terms;
  int64_t count;
};

AccumulateCall read_accumulate(Plan& plan, const Call& call);

}  // namespace circumplex

#pragma once
#include "operators/rows.h"

namespace circumplex {

// Writes an activation's valid frames to a column of the data set, each replica to its own: the inverse of gather.
struct ScatterCall {
  Rows rows;
  Tensor values;  // [T, B, width]: further axes of a frame are one run
  int64_t column;
};

ScatterCall read_scatter(Plan& plan, const Call& call);

}  // namespace circumplex

#pragma once
#include "operators/rows.h"

namespace circumplex {

// Frames of a data set's column as an activation: row tau of lane b is frame start[b] + tau - left of its sequence.
// A halo of `left` and `right` frames around the chunk lets attention windows read across its edges.
struct GatherCall {
  Rows rows;
  Tensor values;  // [left + chunk + right, B, F]
  Tensor valid;   // [left + chunk + right, B]; data = null: targets, where NaN stays and marks what is not there
  int64_t column, left, right;
};

GatherCall read_gather(Plan& plan, const Call& call);

}  // namespace circumplex

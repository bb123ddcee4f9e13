#include "operators/rows.h"

namespace circumplex {

Rows rows_of(const Plan& plan, const Call& call, const Tensor& result) {
  Rows rows = {};
  rows.control = &plan.control;
  rows.copies = result.replicas;
  rows.width = result.rank ? result.dims[result.rank - 1] : 1;
  if (rows.width < 1) call.refuse("the last axis is empty");
  rows.count = result.size() / rows.width;
  if (result.rank == 3) {
    if (result.dims[0] < plan.control.chunk || result.dims[1] != plan.control.lanes) {
      call.refuse("an activation needs the program's frames a chunk, or more, and its lanes");
    }
    rows.frames = result.dims[0];
  }
  return rows;
}

const Tensor& source(const Call& call, const Tensor& result, const Tensor& input) {
  if (input.replicas > result.replicas) call.refuse("a result that all replicas share has an input that they do not");
  return input;
}

const Tensor& replicated(const Plan& plan, const Call& call, const Tensor& result) {
  if (result.replicas != plan.control.replicas) call.refuse("each replica needs a result of its own");
  return result;
}

bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.rank != b.rank) return false;
  for (int32_t i = 0; i < a.rank; i++) {
    if (a.dims[i] != b.dims[i]) return false;
  }
  return true;
}

}  // namespace circumplex

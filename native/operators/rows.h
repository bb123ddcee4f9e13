#pragma once
// A tensor as rows of its last axis. The rows of an activation [T', B, F] are its frames x lanes; only those of the
// current chunk are in use.

#include "core/plan.h"

namespace circumplex {

struct Rows {
  const Control* control;
  int64_t copies;  // replicas of the result, 1 when all share it
  int64_t count;   // rows of one replica
  int64_t width;
  int64_t frames;  // T' of an activation, 0 for any other tensor: all of its rows are in use
};

Rows rows_of(const Plan& plan, const Call& call, const Tensor& result);

// A result that all replicas share cannot come of what each has of its own: refuses, or returns the input.
const Tensor& source(const Call& call, const Tensor& result, const Tensor& input);
// Refuses a result that replicas share, or returns it.
const Tensor& replicated(const Plan& plan, const Call& call, const Tensor& result);
bool same_shape(const Tensor& a, const Tensor& b);

}  // namespace circumplex

#pragma once
#include "operators/rows.h"

namespace circumplex {

// A tensor of the block of parameters.
struct AdamSegment {
  int64_t offset, size;  // size 0: frozen
  bool bypassed;         // stands still while attention is bypassed
};

// Adam (Kingma and Ba 2015) over a flat block of parameters, in the arithmetic of torch.optim.Adam:
//   m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2,
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon).
// Each segment counts its own steps t; one that stands still neither steps nor decays.
struct AdamCall {
  const Control* control;
  Tensor gradient, parameters, first, second;  // [size]
  Tensor gate;                                 // float64 [2]: a loss's sums; no step where the second is 0
  Tensor steps;                                // int32 [segments]
  double beta1, beta2, epsilon;
  AdamSegment* segments;  // in order of their offsets
  int64_t segment_count;
};

AdamCall read_adam(Plan& plan, const Call& call);

}  // namespace circumplex

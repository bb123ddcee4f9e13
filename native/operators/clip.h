#pragma once
#include "operators/rows.h"

namespace circumplex {

// Clips the gradient to a global norm, as torch.nn.utils.clip_grad_norm_:
//   where ||g|| > limit, g *= limit / (||g|| + 1e-6).
struct ClipCall {
  const Control* control;
  Tensor gradient;  // [size], in place
  Tensor norm;      // float64 [1]: ||g|| before
  double limit;
};

ClipCall read_clip(Plan& plan, const Call& call);

}  // namespace circumplex

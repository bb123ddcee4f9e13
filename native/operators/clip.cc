#include "operators/clip.h"

namespace circumplex {

ClipCall read_clip(Plan& plan, const Call& call) {
  ClipCall c = {};
  c.control = &plan.control;
  c.gradient = replicated(plan, call, call.output(0, "gradient", Type::f32, 1));
  c.norm = replicated(plan, call, call.output(1, "norm", Type::f64, 1, 1));
  if (call.input(0, "gradient", Type::f32, 1, c.gradient.dims[0]).data != c.gradient.data) {
    call.refuse("the gradient is clipped in place: input and output are one buffer");
  }
  c.limit = call.number("norm");
  if (!(c.limit > 0)) call.refuse("norm must be positive");
  return c;
}

}  // namespace circumplex

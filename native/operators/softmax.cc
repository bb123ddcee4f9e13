#include "operators/softmax.h"

namespace circumplex {

SoftmaxCall read_softmax(Plan& plan, const Call& call) {
  SoftmaxCall s = {};
  s.x = call.input(0, "x", Type::f32, -1);
  s.y = call.output(0, "y", Type::f32, -1);
  if (!same_shape(s.x, s.y)) call.refuse("y and x differ in shape");
  source(call, s.y, s.x);
  s.rows = rows_of(plan, call, s.y);
  return s;
}

SoftmaxCall read_softmax_backward(Plan& plan, const Call& call) {
  SoftmaxCall s = {};
  s.y = call.input(0, "y", Type::f32, -1);
  s.dy = call.input(1, "dy", Type::f32, -1);
  s.dx = call.output(0, "dx", Type::f32, -1);
  if (!same_shape(s.y, s.dx) || !same_shape(s.dy, s.dx)) call.refuse("y, dy and dx differ in shape");
  source(call, s.dx, s.y);
  source(call, s.dx, s.dy);
  s.rows = rows_of(plan, call, s.dx);
  return s;
}

}  // namespace circumplex

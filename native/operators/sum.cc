#include "operators/sum.h"

namespace circumplex {

SumCall read_sum(Plan& plan, const Call& call) {
  SumCall s = {};
  s.x = call.input(0, "x", Type::f32, 3, plan.control.chunk, plan.control.lanes);
  s.y = call.output(0, "y", Type::f32, 1, 1);
  source(call, s.y, s.x);
  s.rows = rows_of(plan, call, s.x);
  s.rows.copies = s.y.replicas;
  return s;
}

SumCall read_sum_backward(Plan& plan, const Call& call) {
  SumCall s = {};
  s.dy = call.input(0, "dy", Type::f32, 1, 1);
  s.dx = call.output(0, "dx", Type::f32, 3, plan.control.chunk, plan.control.lanes);
  source(call, s.dx, s.dy);
  s.rows = rows_of(plan, call, s.dx);
  return s;
}

}  // namespace circumplex

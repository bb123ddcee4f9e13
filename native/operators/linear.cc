#include "operators/linear.h"

namespace circumplex {
namespace {

LinearCall read_x_and_weight(const Plan& plan, const Call& call) {
  LinearCall l = {};
  l.x = call.input(0, "x", Type::f32, 3, -1, plan.control.lanes);
  l.weight = call.input(1, "weight", Type::f32, 2, -1, l.x.dims[2]);
  l.features = l.x.dims[2];
  l.outputs = l.weight.dims[0];
  return l;
}

}  // namespace

LinearCall read_linear(Plan& plan, const Call& call) {
  LinearCall l = read_x_and_weight(plan, call);
  if (call.has_input(2)) l.bias = call.input(2, "bias", Type::f32, 1, l.outputs);
  l.y = call.output(0, "y", Type::f32, 3, l.x.dims[0], plan.control.lanes, l.outputs);
  source(call, l.y, l.x);
  source(call, l.y, l.weight);
  source(call, l.y, l.bias);
  l.rows = rows_of(plan, call, l.y);
  return l;
}

LinearCall read_linear_backward(Plan& plan, const Call& call) {
  LinearCall l = read_x_and_weight(plan, call);
  const int64_t frames = l.x.dims[0], lanes = plan.control.lanes;
  l.dy = call.input(2, "dy", Type::f32, 3, frames, lanes, l.outputs);
  l.rows = rows_of(plan, call, l.dy);
  if (call.has_output(0)) {
    l.dx = call.output(0, "dx", Type::f32, 3, frames, lanes, l.features);
    source(call, l.dx, l.dy);
    source(call, l.dx, l.weight);
    l.rows = rows_of(plan, call, l.dx);
  }
  if (call.has_output(1)) {
    l.dweight = replicated(plan, call, call.output(1, "dweight", Type::f32, 2, l.outputs, l.features));
  }
  if (call.has_output(2)) l.dbias = replicated(plan, call, call.output(2, "dbias", Type::f32, 1, l.outputs));
  return l;
}

}  // namespace circumplex

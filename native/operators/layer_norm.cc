#include "operators/layer_norm.h"

namespace circumplex {
namespace {

LayerNormCall read_x_and_weight(const Plan& plan, const Call& call) {
  LayerNormCall n = {};
  n.x = call.input(0, "x", Type::f32, 3, -1, plan.control.lanes);
  n.weight = call.input(1, "weight", Type::f32, 1, n.x.dims[2]);
  return n;
}

}  // namespace

LayerNormCall read_layer_norm(Plan& plan, const Call& call) {
  LayerNormCall n = read_x_and_weight(plan, call);
  n.bias = call.input(2, "bias", Type::f32, 1, n.x.dims[2]);
  n.y = call.output(0, "y", Type::f32, 3, n.x.dims[0], plan.control.lanes, n.x.dims[2]);
  source(call, n.y, n.x);
  source(call, n.y, n.weight);
  source(call, n.y, n.bias);
  n.rows = rows_of(plan, call, n.y);
  return n;
}

LayerNormCall read_layer_norm_backward(Plan& plan, const Call& call) {
  LayerNormCall n = read_x_and_weight(plan, call);
  const int64_t frames = n.x.dims[0], features = n.x.dims[2], lanes = plan.control.lanes;
  n.dy = call.input(2, "dy", Type::f32, 3, frames, lanes, features);
  n.rows = rows_of(plan, call, n.dy);
  if (call.has_output(0)) {
    n.dx = call.output(0, "dx", Type::f32, 3, frames, lanes, features);
    source(call, n.dx, n.x);
    source(call, n.dx, n.weight);
    source(call, n.dx, n.dy);
    n.rows = rows_of(plan, call, n.dx);
  }
  if (call.has_output(1)) n.dweight = replicated(plan, call, call.output(1, "dweight", Type::f32, 1, features));
  if (call.has_output(2)) n.dbias = replicated(plan, call, call.output(2, "dbias", Type::f32, 1, features));
  if (n.dweight.data && n.dx.data && n.dx.replicas != n.dweight.replicas) {
    call.refuse("dx is shared by all replicas, dweight is not");
  }
  if (n.dweight.data) n.rows.copies = n.dweight.replicas;
  return n;
}

}  // namespace circumplex

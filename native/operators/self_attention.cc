#include "operators/self_attention.h"

#include <cmath>

namespace circumplex {
namespace {

SelfAttentionCall read_x(const Plan& plan, const Call& call) {
  SelfAttentionCall a = {};
  const int64_t chunk = plan.control.chunk, lanes = plan.control.lanes;
  a.heads = call.integer("heads");
  a.x = call.input(0, "x", Type::f32, 3, chunk, lanes);
  if (a.heads < 1 || a.x.dims[2] < 1 || a.x.dims[2] % (3 * a.heads) != 0) {
    call.refuse("x needs 3 x heads x size features");
  }
  a.width = a.x.dims[2] / 3;
  a.size = a.width / a.heads;
  if (a.size > kMostHeadSize) call.refuse("a head has more than 128 features");
  if (call.has_input(1)) a.valid = call.input(1, "valid", Type::u8, 2, chunk, lanes);
  a.scale = static_cast<float>(1 / std::sqrt(static_cast<double>(a.size)));
  return a;
}

}  // namespace

SelfAttentionCall read_self_attention(Plan& plan, const Call& call) {
  SelfAttentionCall a = read_x(plan, call);
  const int64_t chunk = plan.control.chunk, lanes = plan.control.lanes;
  a.y = call.output(0, "y", Type::f32, 3, chunk, lanes, a.width);
  a.statistics = call.output(1, "statistics", Type::f32, 4, chunk, lanes, a.heads);
  if (a.statistics.dims[3] != 2) call.refuse("statistics are two numbers a frame and head");
  if (a.statistics.replicas != a.y.replicas) call.refuse("y and statistics are shared by all replicas or neither is");
  source(call, a.y, a.x);
  source(call, a.y, a.valid);
  a.rows = rows_of(plan, call, a.y);
  return a;
}

SelfAttentionCall read_self_attention_backward(Plan& plan, const Call& call) {
  SelfAttentionCall a = read_x(plan, call);
  const int64_t chunk = plan.control.chunk, lanes = plan.control.lanes;
  a.y = call.input(2, "y", Type::f32, 3, chunk, lanes, a.width);
  a.statistics = call.input(3, "statistics", Type::f32, 4, chunk, lanes, a.heads);
  if (a.statistics.dims[3] != 2) call.refuse("statistics are two numbers a frame and head");
  a.dy = call.input(4, "dy", Type::f32, 3, chunk, lanes, a.width);
  a.dx = call.output(0, "dx", Type::f32, 3, chunk, lanes, 3 * a.width);
  for (const Tensor* input : {&a.x, &a.valid, &a.y, &a.statistics, &a.dy}) source(call, a.dx, *input);
  a.rows = rows_of(plan, call, a.dx);
  return a;
}

}  // namespace circumplex

#include "operators/mse.h"

namespace circumplex {
namespace {

MseCall read_inputs(const Plan& plan, const Call& call) {
  const Control& control = plan.control;
  MseCall m = {};
  m.y = call.input(0, "y", Type::f32, 3, control.chunk, control.lanes);
  m.target = call.input(1, "target", Type::f32, 3, control.chunk, control.lanes, m.y.dims[2]);
  return m;
}

}  // namespace

MseCall read_mse(Plan& plan, const Call& call) {
  MseCall m = read_inputs(plan, call);
  m.sums = call.output(0, "sums", Type::f64, 1, 2);
  m.totals = call.output(1, "totals", Type::f64, 1, 2);
  if (m.totals.replicas != m.sums.replicas) call.refuse("sums and totals are shared by all replicas or neither is");
  source(call, m.sums, m.y);
  source(call, m.sums, m.target);
  m.rows = rows_of(plan, call, m.y);
  m.rows.copies = m.sums.replicas;
  return m;
}

MseCall read_mse_backward(Plan& plan, const Call& call) {
  MseCall m = read_inputs(plan, call);
  m.sums = call.input(2, "sums", Type::f64, 1, 2);
  m.weight = call.number("weight", 1);
  m.dy = call.output(0, "dy", Type::f32, 3, plan.control.chunk, plan.control.lanes, m.y.dims[2]);
  source(call, m.dy, m.y);
  source(call, m.dy, m.target);
  source(call, m.dy, m.sums);
  m.rows = rows_of(plan, call, m.dy);
  return m;
}

}  // namespace circumplex

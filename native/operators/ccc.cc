#include "operators/ccc.h"

namespace circumplex {
namespace {

CccCall read_inputs(const Plan& plan, const Call& call) {
  const Control& control = plan.control;
  CccCall c = {};
  c.y = call.input(0, "y", Type::f32, 3, control.chunk, control.lanes);
  c.target = call.input(1, "target", Type::f32, 3, control.chunk, control.lanes, c.y.dims[2]);
  const int64_t scope = call.integer("scope", 0);
  if (scope != 0 && scope != 1) call.refuse("scope is 0 (pooled) or 1 (lane)");
  c.lanes = scope == 1;
  c.terms = (c.lanes ? control.lanes : 1) * c.y.dims[2];
  return c;
}

}  // namespace

CccCall read_ccc(Plan& plan, const Call& call) {
  CccCall c = read_inputs(plan, call);
  c.sums = call.output(0, "sums", Type::f64, 1, 2);
  c.totals = call.output(1, "totals", Type::f64, 1, 3);
  c.statistics = call.output(2, "statistics", Type::f64, 2, c.terms, kStatistics);
  if (c.totals.replicas != c.sums.replicas || c.statistics.replicas != c.sums.replicas) {
    call.refuse("sums, totals and statistics are shared by all replicas or none is");
  }
  source(call, c.sums, c.y);
  source(call, c.sums, c.target);
  c.rows = rows_of(plan, call, c.y);
  c.rows.copies = c.sums.replicas;
  return c;
}

CccCall read_ccc_backward(Plan& plan, const Call& call) {
  CccCall c = read_inputs(plan, call);
  c.sums = call.input(2, "sums", Type::f64, 1, 2);
  c.statistics = call.input(3, "statistics", Type::f64, 2, c.terms, kStatistics);
  c.weight = call.number("weight", 1);
  c.dy = call.output(0, "dy", Type::f32, 3, plan.control.chunk, plan.control.lanes, c.y.dims[2]);
  source(call, c.dy, c.y);
  source(call, c.dy, c.target);
  source(call, c.dy, c.sums);
  source(call, c.dy, c.statistics);
  c.rows = rows_of(plan, call, c.dy);
  return c;
}

}  // namespace circumplex

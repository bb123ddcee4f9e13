#include "operators/gather.h"

namespace circumplex {

GatherCall read_gather(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  GatherCall g = {};
  g.column = call.integer("column");
  g.left = call.integer("left", 0);
  g.right = call.integer("right", 0);
  if (g.column < 0 || g.left < 0 || g.right < 0) call.refuse("column, left and right cannot be negative");
  const int64_t frames = g.left + control.chunk + g.right;
  g.values = call.output(0, "values", Type::f32, 3, frames, control.lanes);
  if (call.has_output(1)) {
    g.valid = call.output(1, "valid", Type::u8, 2, frames, control.lanes);
    if (g.valid.replicas != g.values.replicas) call.refuse("values and valid are shared by all replicas or neither is");
  }
  g.rows = rows_of(plan, call, g.values);
  plan.column({g.column, g.values.dims[2], g.values.replicas, false, g.left, g.right});
  return g;
}

}  // namespace circumplex

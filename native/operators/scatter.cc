#include "operators/scatter.h"

namespace circumplex {

ScatterCall read_scatter(Plan& plan, const Call& call) {
  ScatterCall s = {};
  s.column = call.integer("column");
  if (s.column < 0) call.refuse("column cannot be negative");
  s.values = call.input(0, "values", Type::f32, -1);
  for (; s.values.rank > 3; s.values.rank--) {  // fusion weights are [time, lane, output, stream]
    s.values.dims[s.values.rank - 2] *= s.values.dims[s.values.rank - 1];
  }
  if (s.values.rank != 3 || s.values.dims[0] != plan.control.chunk) call.refuse("values are not [time, lane, ...]");
  s.rows = rows_of(plan, call, s.values);
  s.rows.copies = plan.control.replicas;
  plan.column({s.column, s.rows.width, plan.control.replicas, true, 0, 0});
  return s;
}

}  // namespace circumplex

// Writes an activation's valid frames to a column of the data set, each replica to its own: the inverse of gather.

#include "core/data.h"
#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Scatter {
  Rows rows;
  Tensor values;
  int64_t column;
};

void scatter(void* self, int64_t task, Worker&) {
  const Scatter& s = *static_cast<const Scatter*>(self);
  const Control& control = *s.rows.control;
  const Block block = block_of(s.rows, task);
  const int64_t width = s.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    if (!valid_row(control, row)) continue;
    const int64_t lane = row % control.lanes, frame = control.start[lane] + row / control.lanes;
    float* to = control.data->values(s.column, control.sequence[lane], block.replica) + frame * width;
    copy(to, s.values.f32(block.replica) + row * width, width);
  }
}

}  // namespace

void plan_scatter(Plan& plan, const Call& call) {
  Scatter& s = *plan.make<Scatter>();
  s.column = call.integer("column");
  if (s.column < 0) call.refuse("column cannot be negative");
  s.values = call.input(0, "values", Type::f32, -1);
  for (; s.values.rank > 3; s.values.rank--) {  // fusion weights are [time, lane, output, stream]: a frame is one run
    s.values.dims[s.values.rank - 2] *= s.values.dims[s.values.rank - 1];
  }
  if (s.values.rank != 3 || s.values.dims[0] != plan.control.chunk) call.refuse("values are not [time, lane, ...]");
  s.rows = rows_of(plan, call, s.values);
  s.rows.copies = plan.control.replicas;
  plan.column(s.column, s.rows.width, plan.control.replicas, true);
  plan.stage(s.rows.tasks(), scatter, &s);
  plan.kernel("copy");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

#include "operators/scatter.h"

#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

void scatter(void* self, int64_t task, Worker&) {
  const ScatterCall& s = *static_cast<const ScatterCall*>(self);
  const Control& control = *s.rows.control;
  const Block block = block_of(s.rows, task);
  const int64_t width = s.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    if (!valid_row(control, row)) continue;
    const int64_t lane = row % control.lanes, frame = control.start[lane] + row / control.lanes;
    float* to = control.data.values(s.column, control.sequence[lane], block.replica) + frame * width;
    copy(to, s.values.f32(block.replica) + row * width, width);
  }
}

}  // namespace

void plan_scatter(Plan& plan, const Call& call) {
  ScatterCall& s = *plan.make(read_scatter(plan, call));
  plan.stage(tasks_of(s.rows), scatter, &s);
  plan.kernel("copy");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

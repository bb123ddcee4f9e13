#include "operators/gather.h"

#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

// The row's frame in the data set, or null.
const float* frame_of(const GatherCall& g, int64_t replica, int64_t row) {
  const Control& control = *g.rows.control;
  const int64_t lane = row % control.lanes, t = row / control.lanes - g.left, frame = control.start[lane] + t;
  const int64_t reach = control.length[lane] + (g.valid.data ? g.right : 0);
  if (control.sequence[lane] < 0 || frame < 0 || frame >= control.total[lane] || t >= reach) return nullptr;
  return control.data.values(g.column, control.sequence[lane], replica) + frame * g.rows.width;
}

void gather(void* self, int64_t task, Worker&) {
  const GatherCall& g = *static_cast<const GatherCall*>(self);
  const Block block = block_of(g.rows, task);
  const int64_t width = g.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    const float* from = frame_of(g, block.replica, row);
    float* to = g.values.f32(block.replica) + row * width;
    if (g.valid.data) {
      const bool present = from && from[0] == from[0];
      g.valid.u8(block.replica)[row] = present;
      if (!present) from = nullptr;
    }
    if (from) {
      copy(to, from, width);
    } else {
      const float absent = g.valid.data ? 0.f : __builtin_nanf("");
      for (int64_t i = 0; i < width; i++) to[i] = absent;
    }
  }
}

}  // namespace

void plan_gather(Plan& plan, const Call& call) {
  GatherCall& g = *plan.make(read_gather(plan, call));
  plan.stage(tasks_of(g.rows), gather, &g);
  plan.kernel("copy");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

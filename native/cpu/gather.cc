// Frames of a data set's column as an activation: row tau of lane b is frame start[b] + tau - left of its sequence.
// A halo of `left` and `right` frames around the chunk lets attention windows read across its edges.

#include "core/data.h"
#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Gather {
  Rows rows;
  Tensor values, valid;  // valid.data = null: targets, where NaN stays and marks what is not there
  int64_t column, left, right;
};

// The row's frame in the data set, or null.
const float* frame_of(const Gather& g, int64_t replica, int64_t row) {
  const Control& control = *g.rows.control;
  const int64_t lane = row % control.lanes, t = row / control.lanes - g.left, frame = control.start[lane] + t;
  const int64_t reach = control.length[lane] + (g.valid.data ? g.right : 0);
  if (control.sequence[lane] < 0 || frame < 0 || frame >= control.total[lane] || t >= reach) return nullptr;
  return control.data->values(g.column, control.sequence[lane], replica) + frame * g.rows.width;
}

void gather(void* self, int64_t task, Worker&) {
  const Gather& g = *static_cast<const Gather*>(self);
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
  const Control& control = plan.control;
  Gather& g = *plan.make<Gather>();
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
  plan.column(g.column, g.values.dims[2], g.values.replicas, false);
  plan.stage(g.rows.tasks(), gather, &g);
  plan.kernel("copy");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

#include "cuda/rows.h"
#include "operators/gather.h"

namespace circumplex::cuda {
namespace {

struct Gather {
  RowGrid rows;
  Array<float> values;
  Array<uint8_t> valid;
  Window window;
  int64_t left, right;
};

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) gather(const CIRCUMPLEX_PARAMETER Gather g) {
  const Chunk& chunk = g.rows.chunk;
  const int64_t replica = block_y(), width = g.rows.width, used = rows_in_use(g.rows);
  if (stopped(chunk, g.rows.copies, replica)) return;
  const bool masked = static_cast<bool>(g.valid.data);
  const float absent = masked ? 0.f : __builtin_nanf("");
  for (int64_t row = first_row(g.rows); row < used; row += row_step(g.rows)) {
    const int64_t lane = row % chunk.lanes, t = row / chunk.lanes - g.left, frame = chunk.start[lane] + t;
    const int64_t sequence = chunk.sequence[lane], reach = chunk.length[lane] + (masked ? g.right : 0);
    bool present = sequence >= 0 && frame >= 0 && frame < chunk.total[lane] && t < reach;
    Global<const float> from = nullptr;
    if (present) {
      from = first_value(chunk, g.window, lane, replica) + t * width;
    }
    if (masked) {
      if (present) {
        const float first = from[0];
        present = first == first;
      }
      if (team_rank(g.rows) == 0) g.valid.of(replica)[row] = present;
    }
    const Global<float> to = g.values.of(replica) + row * width;
    for (int64_t i = team_rank(g.rows); i < width; i += team_size(g.rows)) {
      float value = absent;
      if (present) value = from[i];
      to[i] = value;
    }
  }
}

}  // namespace

void plan_gather(Plan& plan, const Call& call) {
  const GatherCall g = read_gather(plan, call);
  const RowGrid rows = row_grid(plan, g.rows, g.rows.width);
  plan.launch(kernel_of("gather", &gather), grid_of(rows),
              Gather{rows, array<float>(g.values), array<uint8_t>(g.valid), plan.window(), g.left, g.right});
  plan.kernel("copy");
}

}  // namespace circumplex::cuda

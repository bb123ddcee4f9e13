#include "cuda/rows.h"
#include "operators/scatter.h"

namespace circumplex::cuda {
namespace {

struct Scatter {
  RowGrid rows;
  Array<const float> values;
  Window window;
};

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) scatter(const CIRCUMPLEX_PARAMETER Scatter s) {
  const Chunk& chunk = s.rows.chunk;
  const int64_t replica = block_y(), width = s.rows.width, used = rows_in_use(s.rows);
  if (stopped(chunk, s.rows.copies, replica)) return;
  for (int64_t row = first_row(s.rows); row < used; row += row_step(s.rows)) {
    const int64_t lane = row % chunk.lanes, t = row / chunk.lanes;
    if (t >= chunk.length[lane]) continue;
    const Global<float> to = first_value(chunk, s.window, lane, replica) + t * width;
    const Global<const float> from = s.values.of(replica) + row * width;
    for (int64_t i = team_rank(s.rows); i < width; i += team_size(s.rows)) to[i] = from[i];
  }
}

}  // namespace

void plan_scatter(Plan& plan, const Call& call) {
  const ScatterCall s = read_scatter(plan, call);
  const RowGrid rows = row_grid(plan, s.rows, s.rows.width);
  plan.launch(kernel_of("scatter", &scatter), grid_of(rows),
              Scatter{rows, array<const float>(s.values), plan.window()});
  plan.kernel("copy");
}

}  // namespace circumplex::cuda

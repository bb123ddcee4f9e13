#include "cuda/dropout.cuh"
#include "cuda/rows.h"

namespace circumplex::cuda {
namespace {

struct Dropout {
  RowGrid rows;
  Array<const float> from;
  Array<float> to;
  Mask mask;
  int64_t left;
};

// A team a row, a thread four units.
CIRCUMPLEX_KERNEL(kRowThreads) drop(const CIRCUMPLEX_PARAMETER Dropout d) {
  const Chunk& chunk = d.rows.chunk;
  const int64_t replica = block_y(), units = d.rows.width, used = rows_in_use(d.rows);
  if (stopped(chunk, d.rows.copies, replica)) return;
  const uint32_t seed = chunk.seed[replica], epoch = chunk.now[0].epoch;
  for (int64_t row = first_row(d.rows); row < used; row += row_step(d.rows)) {
    const int64_t lane = row % chunk.lanes, frame = chunk.start[lane] + row / chunk.lanes - d.left;
    const uint32_t sequence = static_cast<uint32_t>(chunk.sequence[lane]);
    const Global<const float> from = d.from.of(replica) + row * units;
    const Global<float> to = d.to.of(replica) + row * units;
    for (int64_t at = 4 * team_rank(d.rows); at < units; at += 4 * team_size(d.rows)) {
      const Draws draws =
          philox(seed, d.mask.site, epoch, sequence, static_cast<uint32_t>(frame), static_cast<uint32_t>(at / 4));
      for (int64_t i = 0; i < 4 && at + i < units; i++) to[at + i] = from[at + i] * scale_of(d.mask, draws.unit[i]);
    }
  }
}

void launch(Plan& plan, const DropoutCall& d) {
  const RowGrid rows = row_grid(plan, d.rows, divide_up(d.rows.width, 4));
  plan.launch(kernel_of("dropout", &drop), grid_of(rows),
              Dropout{rows, array<const float>(d.from), array<float>(d.to), mask_of(d.dropping), d.left});
  plan.kernel("philox 4x32-10");
}

}  // namespace

void plan_dropout(Plan& plan, const Call& call) { launch(plan, read_dropout(plan, call)); }
void plan_dropout_backward(Plan& plan, const Call& call) { launch(plan, read_dropout_backward(plan, call)); }

}  // namespace circumplex::cuda

#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/sum.h"

namespace circumplex::cuda {
namespace {

constexpr int kSumThreads = 1024;

struct SumOf {
  RowGrid rows;
  Array<const float> x, dy;
  Array<float> y, dx;
  bool mean;
};

// A block a replica, in float64.
CIRCUMPLEX_KERNEL(kSumThreads) sum(const CIRCUMPLEX_PARAMETER SumOf s) {
  const int64_t replica = block_y(), width = s.rows.width;
  if (stopped(s.rows.chunk, s.rows.copies, replica)) return;
  const Global<const float> x = s.x.of(replica);
  double sums[2] = {0, 0};  // values, rows
  each_valid_row(s.rows.chunk, thread(), threads(), [&](int64_t row) {
    for (int64_t i = row * width; i < (row + 1) * width; i++) sums[0] += static_cast<double>(x[i]);
    sums[1] += 1;
  });
  block_sums(sums, shared<double>(0));
  const double count = sums[1] * static_cast<double>(width);
  if (thread() == 0) s.y.of(replica)[0] = static_cast<float>(!s.mean ? sums[0] : count > 0 ? sums[0] / count : 0);
}

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) spread(const CIRCUMPLEX_PARAMETER SumOf s) {
  const Chunk& chunk = s.rows.chunk;
  const int64_t replica = block_y(), width = s.rows.width, used = rows_in_use(s.rows);
  if (stopped(chunk, s.rows.copies, replica)) return;
  double count = 1;
  if (s.mean) {
    double frames[1] = {0};
    for (int at = thread(); at < chunk.lanes; at += threads()) frames[0] += chunk.length[at];
    block_sums(frames, shared<double>(0));
    count = frames[0] * static_cast<double>(width);
  }
  const double up = static_cast<double>(s.dy.of(replica)[0]);
  const float value = count > 0 ? static_cast<float>(up / count) : 0.f;
  for (int64_t row = first_row(s.rows); row < used; row += row_step(s.rows)) {
    const float here = valid_row(chunk, row) ? value : 0.f;
    const Global<float> dx = s.dx.of(replica) + row * width;
    for (int64_t i = team_rank(s.rows); i < width; i += team_size(s.rows)) dx[i] = here;
  }
}

SumOf arguments_of(const Plan& plan, const SumCall& s, bool mean) {
  return {row_grid(plan, s.rows, s.rows.width),
          array<const float>(s.x),
          array<const float>(s.dy),
          array<float>(s.y),
          array<float>(s.dx),
          mean};
}

void plan_forward(Plan& plan, const Call& call, bool mean) {
  const SumOf s = arguments_of(plan, read_sum(plan, call), mean);
  Grid grid;
  grid.y = static_cast<int>(s.rows.copies);
  grid.threads = kSumThreads;
  grid.shared = reduce_bytes(grid.threads, 2);
  plan.launch(kernel_of("sum", &sum), grid, s);
  plan.kernel("float64");
}

void plan_backward(Plan& plan, const Call& call, bool mean) {
  const SumOf s = arguments_of(plan, read_sum_backward(plan, call), mean);
  Grid grid = grid_of(s.rows);
  grid.shared = reduce_bytes(grid.threads, 1);
  plan.launch(kernel_of("sum_backward", &spread), grid, s);
  plan.kernel("rows");
}

}  // namespace

void plan_sum(Plan& plan, const Call& call) { plan_forward(plan, call, false); }
void plan_mean(Plan& plan, const Call& call) { plan_forward(plan, call, true); }
void plan_sum_backward(Plan& plan, const Call& call) { plan_backward(plan, call, false); }
void plan_mean_backward(Plan& plan, const Call& call) { plan_backward(plan, call, true); }

}  // namespace circumplex::cuda

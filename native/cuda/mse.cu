#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/mse.h"

namespace circumplex::cuda {
namespace {

constexpr int kMeasureThreads = 1024;

struct Mse {
  RowGrid rows;
  Array<const float> y, target;
  Array<double> sums, totals;
  Array<float> dy;
  double weight;
};

// A block a replica, in float64.
CIRCUMPLEX_KERNEL(kMeasureThreads) measure(const CIRCUMPLEX_PARAMETER Mse m) {
  const int64_t replica = block_y(), width = m.rows.width;
  if (stopped(m.rows.chunk, m.rows.copies, replica)) return;
  const Global<const float> y = m.y.of(replica), target = m.target.of(replica);
  double sums[2] = {0, 0};  // squared errors, their count
  each_valid_row(m.rows.chunk, thread(), threads(), [&](int64_t row) {
    for (int64_t i = row * width; i < (row + 1) * width; i++) {
      const float gold = target[i];
      if (gold != gold) continue;
      const double error = static_cast<double>(y[i]) - static_cast<double>(gold);
      sums[0] += error * error;
      sums[1] += 1;
    }
  });
  block_sums(sums, shared<double>(0));
  if (thread() >= 2) return;
  const double sum = thread() == 0 ? sums[0] : sums[1];
  m.sums.of(replica)[thread()] = sum;
  m.totals.of(replica)[thread()] += sum;
}

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) differentiate(const CIRCUMPLEX_PARAMETER Mse m) {
  const int64_t replica = block_y(), width = m.rows.width, used = rows_in_use(m.rows);
  if (stopped(m.rows.chunk, m.rows.copies, replica)) return;
  const double count = m.sums.of(replica)[1];
  const double scale = count > 0 ? 2 * m.weight / count : 0;
  const Global<const float> y = m.y.of(replica), target = m.target.of(replica);
  const Global<float> dy = m.dy.of(replica);
  for (int64_t row = first_row(m.rows); row < used; row += row_step(m.rows)) {
    const bool valid = valid_row(m.rows.chunk, row);
    for (int64_t i = row * width + team_rank(m.rows); i < (row + 1) * width; i += team_size(m.rows)) {
      const float gold = target[i];
      const bool labelled = valid && gold == gold;
      const double error = static_cast<double>(y[i]) - static_cast<double>(gold);
      dy[i] = labelled ? static_cast<float>(scale * error) : 0.f;
    }
  }
}

Mse arguments_of(const Plan& plan, const MseCall& m) {
  return {row_grid(plan, m.rows, m.rows.width),
          array<const float>(m.y),
          array<const float>(m.target),
          array<double>(m.sums),
          array<double>(m.totals),
          array<float>(m.dy),
          m.weight};
}

}  // namespace

void plan_mse(Plan& plan, const Call& call) {
  const Mse m = arguments_of(plan, read_mse(plan, call));
  Grid grid;
  grid.y = static_cast<int>(m.rows.copies);
  grid.threads = kMeasureThreads;
  grid.shared = reduce_bytes(grid.threads, 2);
  plan.launch(kernel_of("mse", &measure), grid, m);
  plan.kernel("float64");
}

void plan_mse_backward(Plan& plan, const Call& call) {
  const Mse m = arguments_of(plan, read_mse_backward(plan, call));
  plan.launch(kernel_of("mse_backward", &differentiate), grid_of(m.rows), m);
  plan.kernel("float64");
}

}  // namespace circumplex::cuda

#include "operators/mse.h"

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

// One task a replica, in float64 and in the order of frames: a chunk has some thousand values.
void measure(void* self, int64_t replica, Worker&) {
  const MseCall& m = *static_cast<const MseCall*>(self);
  const Control& control = *m.rows.control;
  if (stopped(control, m.rows.copies, replica)) return;
  const float* y = m.y.f32(replica);
  const float* target = m.target.f32(replica);
  const int64_t used = rows_in_use(m.rows), width = m.y.dims[2];
  double errors = 0, count = 0;
  for (int64_t row = 0; row < used; row++) {
    if (!valid_row(control, row)) continue;
    for (int64_t i = row * width; i < (row + 1) * width; i++) {
      if (target[i] != target[i]) continue;
      const double error = static_cast<double>(y[i]) - static_cast<double>(target[i]);
      errors += error * error;
      count += 1;
    }
  }
  double* sums = m.sums.f64(replica);
  sums[0] = errors;
  sums[1] = count;
  double* totals = m.totals.f64(replica);
  totals[0] += errors;
  totals[1] += count;
}

void differentiate(void* self, int64_t task, Worker&) {
  const MseCall& m = *static_cast<const MseCall*>(self);
  const Block block = block_of(m.rows, task);
  const float* y = m.y.f32(block.replica);
  const float* target = m.target.f32(block.replica);
  float* dy = m.dy.f32(block.replica);
  const double count = m.sums.f64(block.replica)[1];
  const double scale = count > 0 ? 2 * m.weight / count : 0;
  const int64_t width = m.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    const bool valid = valid_row(*m.rows.control, row);
    for (int64_t i = row * width; i < (row + 1) * width; i++) {
      const bool labelled = valid && target[i] == target[i];
      dy[i] = labelled ? static_cast<float>(scale * (static_cast<double>(y[i]) - static_cast<double>(target[i]))) : 0.f;
    }
  }
}

}  // namespace

void plan_mse(Plan& plan, const Call& call) {
  MseCall& m = *plan.make(read_mse(plan, call));
  plan.stage(m.rows.copies, measure, &m);
  plan.kernel("float64, in order");
}

void plan_mse_backward(Plan& plan, const Call& call) {
  MseCall& m = *plan.make(read_mse_backward(plan, call));
  plan.stage(tasks_of(m.rows), differentiate, &m);
  plan.kernel("float64");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

// Squared error over the valid, labelled values of a chunk (a target that is NaN is not labelled):
//   loss = sum (y - target)^2 / count,   dy = weight 2 (y - target) / count.

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Mse {
  Rows rows;
  Tensor y, target, sums, totals, dy;
  double weight;
};

// One task a replica, in float64 and in the order of frames: a chunk has some thousand values.
void measure(void* self, int64_t replica, Worker&) {
  const Mse& m = *static_cast<const Mse*>(self);
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
  const Mse& m = *static_cast<const Mse*>(self);
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

Mse& inputs_of(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  Mse& m = *plan.make<Mse>();
  m.y = call.input(0, "y", Type::f32, 3, control.chunk, control.lanes);
  m.target = call.input(1, "target", Type::f32, 3, control.chunk, control.lanes, m.y.dims[2]);
  return m;
}

}  // namespace

void plan_mse(Plan& plan, const Call& call) {
  Mse& m = inputs_of(plan, call);
  m.sums = call.output(0, "sums", Type::f64, 1, 2);
  m.totals = call.output(1, "totals", Type::f64, 1, 2);
  if (m.totals.replicas != m.sums.replicas) call.refuse("sums and totals are shared by all replicas or neither is");
  source(call, m.sums, m.y);
  source(call, m.sums, m.target);
  m.rows = rows_of(plan, call, m.y);
  m.rows.copies = m.sums.replicas;
  plan.stage(m.rows.copies, measure, &m);
  plan.kernel("float64, in order");
}

void plan_mse_backward(Plan& plan, const Call& call) {
  Mse& m = inputs_of(plan, call);
  m.sums = call.input(2, "sums", Type::f64, 1, 2);
  m.weight = call.number("weight", 1);
  m.dy = call.output(0, "dy", Type::f32, 3, plan.control.chunk, plan.control.lanes, m.y.dims[2]);
  source(call, m.dy, m.y);
  source(call, m.dy, m.target);
  source(call, m.dy, m.sums);
  m.rows = rows_of(plan, call, m.dy);
  plan.stage(m.rows.tasks(), differentiate, &m);
  plan.kernel("float64");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

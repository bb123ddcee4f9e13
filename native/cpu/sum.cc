#include "operators/sum.h"

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Sum : SumCall {
  bool mean = false;
};

double valid_values(const Sum& s) {
  const Control& control = *s.rows.control;
  int64_t frames = 0;
  for (int32_t lane = 0; lane < control.lanes; lane++) frames += control.length[lane];
  return static_cast<double>(frames * s.rows.width);
}

void sum(void* self, int64_t replica, Worker&) {
  const Sum& s = *static_cast<const Sum*>(self);
  const Control& control = *s.rows.control;
  if (stopped(control, s.rows.copies, replica)) return;
  const float* x = s.x.f32(replica);
  const int64_t used = rows_in_use(s.rows), width = s.rows.width;
  double total = 0;
  for (int64_t row = 0; row < used; row++) {
    if (!valid_row(control, row)) continue;
    for (int64_t i = row * width; i < (row + 1) * width; i++) total += static_cast<double>(x[i]);
  }
  const double count = valid_values(s);
  s.y.f32(replica)[0] = static_cast<float>(!s.mean ? total : count > 0 ? total / count : 0);
}

void spread(void* self, int64_t task, Worker&) {
  const Sum& s = *static_cast<const Sum*>(self);
  const Block block = block_of(s.rows, task);
  const int64_t width = s.rows.width;
  const double count = s.mean ? valid_values(s) : 1;
  const float value = count > 0 ? static_cast<float>(static_cast<double>(s.dy.f32(block.replica)[0]) / count) : 0.f;
  float* dx = s.dx.f32(block.replica);
  for (int64_t row = block.first; row < block.last; row++) {
    const float here = valid_row(*s.rows.control, row) ? value : 0.f;
    for (int64_t i = row * width; i < (row + 1) * width; i++) dx[i] = here;
  }
}

void plan_forward(Plan& plan, const Call& call, bool mean) {
  Sum& s = *plan.make<Sum>({read_sum(plan, call), mean});
  plan.stage(s.rows.copies, sum, &s);
  plan.kernel("float64, in order");
}

void plan_backward(Plan& plan, const Call& call, bool mean) {
  Sum& s = *plan.make<Sum>({read_sum_backward(plan, call), mean});
  plan.stage(tasks_of(s.rows), spread, &s);
  plan.kernel("vectors");
}

}  // namespace

void plan_sum(Plan& plan, const Call& call) { plan_forward(plan, call, false); }
void plan_mean(Plan& plan, const Call& call) { plan_forward(plan, call, true); }
void plan_sum_backward(Plan& plan, const Call& call) { plan_backward(plan, call, false); }
void plan_mean_backward(Plan& plan, const Call& call) { plan_backward(plan, call, true); }

}  // namespace circumplex::CIRCUMPLEX_ISA

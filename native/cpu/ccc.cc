#include "operators/ccc.h"

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

// Calls visit(y, t) for every labelled value of a term, frames in order.
template <class Visit>
void each_value(const CccCall& c, int64_t replica, int64_t group, int64_t output, Visit visit) {
  const Control& control = *c.rows.control;
  const float* y = c.y.f32(replica);
  const float* target = c.target.f32(replica);
  const int64_t used = rows_in_use(c.rows), width = c.y.dims[2];
  const int64_t first = c.lanes ? group : 0, step = c.lanes ? control.lanes : 1;
  for (int64_t row = first; row < used; row += step) {
    const int64_t at = row * width + output;
    if (valid_row(control, row) && target[at] == target[at]) {
      visit(static_cast<double>(y[at]), static_cast<double>(target[at]));
    }
  }
}

void measure_term(void* self, int64_t task, Worker&) {
  const CccCall& c = *static_cast<const CccCall*>(self);
  const int64_t replica = task / c.terms, term = task % c.terms;
  if (stopped(*c.rows.control, c.statistics.replicas, replica)) return;
  const int64_t group = term / c.y.dims[2], output = term % c.y.dims[2];
  double n = 0, sum_y = 0, sum_t = 0, least = __builtin_inf(), largest = -__builtin_inf();
  each_value(c, replica, group, output, [&](double y, double t) {
    n += 1;
    sum_y += y;
    sum_t += t;
    least = t < least ? t : least;
    largest = t > largest ? t : largest;
  });
  const double mean_y = n > 0 ? sum_y / n : 0, mean_t = n > 0 ? sum_t / n : 0;
  double var_y = 0, var_t = 0, cov = 0;
  each_value(c, replica, group, output, [&](double y, double t) {
    var_y += (y - mean_y) * (y - mean_y);
    var_t += (t - mean_t) * (t - mean_t);
    cov += (y - mean_y) * (t - mean_t);
  });
  const bool used = n >= 2 && largest > least;
  double* s = c.statistics.f64(replica) + term * kStatistics;
  s[kCount] = n;
  s[kMeanY] = mean_y;
  s[kMeanT] = mean_t;
  s[kVarY] = n > 0 ? var_y / n : 0;
  s[kVarT] = n > 0 ? var_t / n : 0;
  s[kCov] = n > 0 ? cov / n : 0;
  const double gap = mean_y - mean_t;
  s[kCcc] = used ? 2 * s[kCov] / (s[kVarY] + s[kVarT] + gap * gap) : 0;
  s[kUsed] = used;
}

void add_terms(void* self, int64_t replica, Worker&) {
  const CccCall& c = *static_cast<const CccCall*>(self);
  if (stopped(*c.rows.control, c.statistics.replicas, replica)) return;
  double loss = 0, used = 0, left_out = 0;
  for (int64_t term = 0; term < c.terms; term++) {
    const double* s = c.statistics.f64(replica) + term * kStatistics;
    if (s[kUsed] != 0) {
      loss += 1 - s[kCcc];
      used += 1;
    } else if (s[kCount] > 0) {
      left_out += 1;
    }
  }
  double* sums = c.sums.f64(replica);
  sums[0] = loss;
  sums[1] = used;
  double* totals = c.totals.f64(replica);
  totals[0] += loss;
  totals[1] += used;
  totals[2] += left_out;
}

void differentiate(void* self, int64_t task, Worker&) {
  const CccCall& c = *static_cast<const CccCall*>(self);
  const Control& control = *c.rows.control;
  const Block block = block_of(c.rows, task);
  const int64_t width = c.rows.width;
  const double terms = c.sums.f64(block.replica)[1];
  for (int64_t row = block.first; row < block.last; row++) {
    const bool valid = valid_row(control, row);
    const int64_t group = c.lanes ? row % control.lanes : 0;
    for (int64_t o = 0; o < width; o++) {
      const int64_t at = row * width + o;
      const double* s = c.statistics.f64(block.replica) + (group * width + o) * kStatistics;
      const double y = static_cast<double>(c.y.f32(block.replica)[at]);
      const double t = static_cast<double>(c.target.f32(block.replica)[at]);
      double gradient = 0;
      if (valid && t == t && s[kUsed] != 0 && terms > 0) {
        const double gap = s[kMeanY] - s[kMeanT], spread = s[kVarY] + s[kVarT] + gap * gap;
        const double slope = 2 / (s[kCount] * spread) * ((t - s[kMeanT]) - s[kCcc] * (y - s[kMeanT]));
        gradient = -c.weight / terms * slope;
      }
      c.dy.f32(block.replica)[at] = static_cast<float>(gradient);
    }
  }
}

}  // namespace

void plan_ccc(Plan& plan, const Call& call) {
  CccCall& c = *plan.make(read_ccc(plan, call));
  plan.stage(c.sums.replicas * c.terms, measure_term, &c);
  plan.stage(c.sums.replicas, add_terms, &c);
  plan.kernel("float64, two passes, in order");
}

void plan_ccc_backward(Plan& plan, const Call& call) {
  CccCall& c = *plan.make(read_ccc_backward(plan, call));
  plan.stage(tasks_of(c.rows), differentiate, &c);
  plan.kernel("float64");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

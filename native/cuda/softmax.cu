#include <cmath>

#include "cuda/math.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/softmax.h"

namespace circumplex::cuda {
namespace {

struct Softmax {
  RowGrid rows;
  Array<const float> x;
  Array<float> y;
  Array<const float> dy;
  Array<float> dx;
};

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) softmax(const CIRCUMPLEX_PARAMETER Softmax s) {
  const int64_t replica = block_y(), width = s.rows.width, used = rows_in_use(s.rows);
  if (stopped(s.rows.chunk, s.rows.copies, replica)) return;
  const int rank = team_rank(s.rows), size = team_size(s.rows);
  for (int64_t row = first_row(s.rows); turns_left(s.rows, row, used); row += row_step(s.rows)) {
    const int64_t end = row < used ? width : 0;
    const Global<const float> x = s.x.of(replica) + row * width;
    const Global<float> y = s.y.of(replica) + row * width;
    float largest = -HUGE_VALF, sum = 0;
    for (int64_t i = rank; i < end; i += size) largest = Largest()(x[i], largest);
    largest = team_reduce(largest, size, Largest());
    for (int64_t i = rank; i < end; i += size) {
      const float power = exp(x[i] - largest);
      y[i] = power;
      sum += power;
    }
    sum = team_reduce(sum, size, Sum());
    for (int64_t i = rank; i < end; i += size) y[i] = divide(y[i], sum);
  }
}

CIRCUMPLEX_KERNEL(kRowThreads) softmax_backward(const CIRCUMPLEX_PARAMETER Softmax s) {
  const int64_t replica = block_y(), width = s.rows.width, used = rows_in_use(s.rows);
  if (stopped(s.rows.chunk, s.rows.copies, replica)) return;
  const int rank = team_rank(s.rows), size = team_size(s.rows);
  for (int64_t row = first_row(s.rows); turns_left(s.rows, row, used); row += row_step(s.rows)) {
    const int64_t end = row < used ? width : 0;
    const Global<const float> y = s.y.of(replica) + row * width, dy = s.dy.of(replica) + row * width;
    const Global<float> dx = s.dx.of(replica) + row * width;
    float mean = 0;
    for (int64_t i = rank; i < end; i += size) mean = fma(y[i], dy[i], mean);
    mean = team_reduce(mean, size, Sum());
    for (int64_t i = rank; i < end; i += size) dx[i] = y[i] * (dy[i] - mean);
  }
}

Softmax arguments_of(const Plan& plan, const SoftmaxCall& s) {
  return {row_grid(plan, s.rows, s.rows.width), array<const float>(s.x), array<float>(s.y), array<const float>(s.dy),
          array<float>(s.dx)};
}

}  // namespace

void plan_softmax(Plan& plan, const Call& call) {
  const Softmax s = arguments_of(plan, read_softmax(plan, call));
  plan.launch(kernel_of("softmax", &softmax), grid_of(s.rows), s);
  plan.kernel("rows");
}

void plan_softmax_backward(Plan& plan, const Call& call) {
  const Softmax s = arguments_of(plan, read_softmax_backward(plan, call));
  plan.launch(kernel_of("softmax_backward", &softmax_backward), grid_of(s.rows), s);
  plan.kernel("rows");
}

}  // namespace circumplex::cuda

#include "cuda/gemm.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/layer_norm.h"

namespace circumplex::cuda {
namespace {

struct Norm {
  RowGrid rows;
  Array<const float> x, weight, bias;
  Array<float> y;
  Array<const float> dy;
  Array<float> dx, scaled;  // null: not wanted; scaled: dy u of every row, of which dweight is the sum over frames
};

struct Moments {
  float mean, scale;
};

// Two passes: what is far from 0 keeps its spread. `end` is 0 where there is no row.
CIRCUMPLEX_DEVICE Moments moments_of(const RowGrid& rows, const Global<const float>& x, int64_t end) {
  const int rank = team_rank(rows), size = team_size(rows);
  const float n = static_cast<float>(rows.width);
  float sum = 0, squares = 0;
  for (int64_t i = rank; i < end; i += size) sum += x[i];
  const float mean = divide(team_reduce(sum, size, Sum()), n);
  for (int64_t i = rank; i < end; i += size) squares = fma(x[i] - mean, x[i] - mean, squares);
  return {mean, divide(1.f, square_root(divide(team_reduce(squares, size, Sum()), n) + kNormEpsilon))};
}

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) normalise(const CIRCUMPLEX_PARAMETER Norm l) {
  const int64_t replica = block_y(), width = l.rows.width, used = rows_in_use(l.rows);
  if (stopped(l.rows.chunk, l.rows.copies, replica)) return;
  const Global<const float> weight = l.weight.of(replica), bias = l.bias.of(replica);
  for (int64_t row = first_row(l.rows); turns_left(l.rows, row, used); row += row_step(l.rows)) {
    const int64_t end = row < used ? width : 0;
    const Global<const float> x = l.x.of(replica) + row * width;
    const Global<float> y = l.y.of(replica) + row * width;
    const Moments m = moments_of(l.rows, x, end);
    for (int64_t i = team_rank(l.rows); i < end; i += team_size(l.rows)) {
      y[i] = fma((x[i] - m.mean) * m.scale, weight[i], bias[i]);
    }
  }
}

CIRCUMPLEX_KERNEL(kRowThreads) differentiate(const CIRCUMPLEX_PARAMETER Norm l) {
  const int64_t replica = block_y(), width = l.rows.width, used = rows_in_use(l.rows);
  if (stopped(l.rows.chunk, l.rows.copies, replica)) return;
  const int rank = team_rank(l.rows), size = team_size(l.rows);
  const Global<const float> weight = l.weight.of(replica);
  for (int64_t row = first_row(l.rows); turns_left(l.rows, row, used); row += row_step(l.rows)) {
    const int64_t end = row < used ? width : 0, at = row * width;
    const Global<const float> x = l.x.of(replica) + at, dy = l.dy.of(replica) + at;
    const Moments m = moments_of(l.rows, x, end);
    float along = 0, across = 0;
    for (int64_t i = rank; i < end; i += size) {
      const float unit = (x[i] - m.mean) * m.scale, slope = dy[i] * weight[i];
      along += slope;
      across = fma(slope, unit, across);
      if (l.scaled.data) l.scaled.of(replica)[at + i] = dy[i] * unit;
    }
    along = divide(team_reduce(along, size, Sum()), static_cast<float>(width));
    across = divide(team_reduce(across, size, Sum()), static_cast<float>(width));
    if (!l.dx.data) continue;
    for (int64_t i = rank; i < end; i += size) {
      const float unit = (x[i] - m.mean) * m.scale;
      l.dx.of(replica)[at + i] = m.scale * (dy[i] * weight[i] - along - unit * across);
    }
  }
}

Norm arguments_of(const Plan& plan, const LayerNormCall& l) {
  return {row_grid(plan, l.rows, l.rows.width),
          array<const float>(l.x),
          array<const float>(l.weight),
          array<const float>(l.bias),
          array<float>(l.y),
          array<const float>(l.dy),
          array<float>(l.dx),
          {}};
}

}  // namespace

void plan_layer_norm(Plan& plan, const Call& call) {
  const Norm l = arguments_of(plan, read_layer_norm(plan, call));
  plan.launch(kernel_of("layer_norm", &normalise), grid_of(l.rows), l);
  plan.kernel("rows");
}

void plan_layer_norm_backward(Plan& plan, const Call& call) {
  const LayerNormCall read = read_layer_norm_backward(plan, call);
  const int64_t width = read.rows.width, halo = read.rows.frames - plan.control.chunk;
  Norm l = arguments_of(plan, read);
  if (read.dweight.data) {
    const int64_t size = read.dy.size();
    l.scaled = {Global<float>(plan.floats(plan.control.replicas * size)), size};
  }
  if (l.dx.data || l.scaled.data) plan.launch(kernel_of("layer_norm_backward", &differentiate), grid_of(l.rows), l);
  std::vector<Product> sums;
  const auto sum = [&](const Array<const float>& terms, const Tensor& to) {
    sums.push_back(weight_gradient(terms, width, width, {}, 0, 1, to, read.rows.count, halo));
  };
  if (read.dweight.data) sum({l.scaled.data, l.scaled.stride}, read.dweight);
  if (read.dbias.data) sum(array<const float>(read.dy), read.dbias);
  if (!sums.empty()) plan_products(plan, sums);
  plan.kernel("rows; slabs of 2048 rows");
}

}  // namespace circumplex::cuda

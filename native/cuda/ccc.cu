#include <cmath>

#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/ccc.h"

namespace circumplex::cuda {
namespace {

constexpr int kMeasureThreads = 1024;

struct Ccc {
  RowGrid rows;
  Array<const float> y, target;
  Array<double> sums, totals, statistics;
  Array<float> dy;
  int64_t terms;
  bool lanes;
  double weight;
};

// A term is a warp's where there is one for each lane (kWarp), else the block's.
template <bool kWarp, int N, class Combine>
CIRCUMPLEX_DEVICE void reduce(double (&v)[N], double identity, Combine combine) {
  if constexpr (kWarp) {
    for (int i = 0; i < N; i++) v[i] = team_reduce(v[i], 32, combine);
  } else {
    block_reduce(v, shared<double>(0), identity, combine);
  }
}

// Calls visit(y, t) for the thread's share of a term's labelled values.
template <bool kWarp, class Visit>
CIRCUMPLEX_DEVICE void each_value(const Ccc& c, int64_t replica, int64_t group, int64_t output, Visit visit) {
  const Global<const float> y = c.y.of(replica), target = c.target.of(replica);
  const auto look = [&](int64_t row) {
    const int64_t at = row * c.rows.width + output;
    const float gold = target[at];
    if (gold == gold) visit(static_cast<double>(y[at]), static_cast<double>(gold));
  };
  if constexpr (kWarp) {
    const int64_t lanes = c.rows.chunk.lanes, length = c.rows.chunk.length[group];
    for (int64_t t = lane(); t < length; t += 32) look(t * lanes + group);
  } else {
    each_valid_row(c.rows.chunk, thread(), threads(), look);
  }
}

template <bool kWarp>
CIRCUMPLEX_DEVICE void measure_term(const Ccc& c, int64_t replica, int64_t term) {
  const int64_t group = term / c.rows.width, output = term % c.rows.width;
  double first[3] = {0, 0, 0};               // values, the sum of y, the sum of t
  double range[2] = {-HUGE_VAL, -HUGE_VAL};  // the largest t, the largest -t
  each_value<kWarp>(c, replica, group, output, [&](double y, double t) {
    first[0] += 1;
    first[1] += y;
    first[2] += t;
    range[0] = t > range[0] ? t : range[0];
    range[1] = -t > range[1] ? -t : range[1];
  });
  reduce<kWarp>(first, 0., Sum());
  reduce<kWarp>(range, -HUGE_VAL, Largest());
  const double n = first[0], mean_y = n > 0 ? first[1] / n : 0, mean_t = n > 0 ? first[2] / n : 0;
  double second[3] = {0, 0, 0};
  each_value<kWarp>(c, replica, group, output, [&](double y, double t) {
    second[0] += (y - mean_y) * (y - mean_y);
    second[1] += (t - mean_t) * (t - mean_t);
    second[2] += (y - mean_y) * (t - mean_t);
  });
  reduce<kWarp>(second, 0., Sum());
  if (kWarp ? lane() != 0 : thread() != 0) return;
  const bool used = n >= 2 && range[0] > -range[1];
  const double var_y = n > 0 ? second[0] / n : 0, var_t = n > 0 ? second[1] / n : 0, cov = n > 0 ? second[2] / n : 0;
  const double gap = mean_y - mean_t;
  const Global<double> s = c.statistics.of(replica) + term * kStatistics;
  s[kCount] = n;
  s[kMeanY] = mean_y;
  s[kMeanT] = mean_t;
  s[kVarY] = var_y;
  s[kVarT] = var_t;
  s[kCov] = cov;
  s[kCcc] = used ? 2 * cov / (var_y + var_t + gap * gap) : 0;
  s[kUsed] = used;
}

// A block a replica.
CIRCUMPLEX_KERNEL(kMeasureThreads) measure(const CIRCUMPLEX_PARAMETER Ccc c) {
  const int64_t replica = block_y();
  if (stopped(c.rows.chunk, c.rows.copies, replica)) return;
  if (c.lanes) {
    for (int64_t term = warp(); term < c.terms; term += threads() / 32) measure_term<true>(c, replica, term);
  } else {
    for (int64_t term = 0; term < c.terms; term++) measure_term<false>(c, replica, term);
  }
  sync_block();
  double sums[3] = {0, 0, 0};  // loss, terms, terms left out
  for (int64_t term = thread(); term < c.terms; term += threads()) {
    const Global<const double> s = c.statistics.of(replica) + term * kStatistics;
    if (s[kUsed] != 0) {
      sums[0] += 1 - s[kCcc];
      sums[1] += 1;
    } else if (s[kCount] > 0) {
      sums[2] += 1;
    }
  }
  block_sums(sums, shared<double>(0));
  if (thread() != 0) return;
  const Global<double> now = c.sums.of(replica), totals = c.totals.of(replica);
  for (int i = 0; i < 2; i++) now[i] = sums[i];
  for (int i = 0; i < 3; i++) totals[i] += sums[i];
}

// A team a row, a thread a target.
CIRCUMPLEX_KERNEL(kRowThreads) differentiate(const CIRCUMPLEX_PARAMETER Ccc c) {
  const Chunk& chunk = c.rows.chunk;
  const int64_t replica = block_y(), width = c.rows.width, used = rows_in_use(c.rows);
  if (stopped(chunk, c.rows.copies, replica)) return;
  const double terms = c.sums.of(replica)[1];
  for (int64_t row = first_row(c.rows); row < used; row += row_step(c.rows)) {
    const bool valid = valid_row(chunk, row);
    const int64_t group = c.lanes ? row % chunk.lanes : 0;
    for (int64_t o = team_rank(c.rows); o < width; o += team_size(c.rows)) {
      const int64_t at = row * width + o;
      const Global<const double> s = c.statistics.of(replica) + (group * width + o) * kStatistics;
      const double y = static_cast<double>(c.y.of(replica)[at]), t = static_cast<double>(c.target.of(replica)[at]);
      double gradient = 0;
      if (valid && t == t && s[kUsed] != 0 && terms > 0) {
        const double mean_t = s[kMeanT], gap = s[kMeanY] - mean_t, spread = s[kVarY] + s[kVarT] + gap * gap;
        gradient = -c.weight / terms * (2 / (s[kCount] * spread) * ((t - mean_t) - s[kCcc] * (y - mean_t)));
      }
      c.dy.of(replica)[at] = static_cast<float>(gradient);
    }
  }
}

Ccc arguments_of(const Plan& plan, const CccCall& c) {
  return {row_grid(plan, c.rows, c.rows.width),
          array<const float>(c.y),
          array<const float>(c.target),
          array<double>(c.sums),
          array<double>(c.totals),
          array<double>(c.statistics),
          array<float>(c.dy),
          c.terms,
          c.lanes,
          c.weight};
}

}  // namespace

void plan_ccc(Plan& plan, const Call& call) {
  const Ccc c = arguments_of(plan, read_ccc(plan, call));
  Grid grid;
  grid.y = static_cast<int>(c.rows.copies);
  grid.threads = kMeasureThreads;
  grid.shared = reduce_bytes(grid.threads, 3);
  plan.launch(kernel_of("ccc", &measure), grid, c);
  plan.kernel("float64, two passes");
}

void plan_ccc_backward(Plan& plan, const Call& call) {
  const Ccc c = arguments_of(plan, read_ccc_backward(plan, call));
  plan.launch(kernel_of("ccc_backward", &differentiate), grid_of(c.rows), c);
  plan.kernel("float64");
}

}  // namespace circumplex::cuda

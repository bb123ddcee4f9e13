// A warp a row: scores over the lanes of the warp, then a lane an output. With 32 strided chains and a tree to a score,
// its bits depend on the number of features alone.

#include <cmath>

#include "cuda/gemm.h"
#include "cuda/math.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/fusion.h"

namespace circumplex::cuda {
namespace {

constexpr int kScores = 4;  // at a time, for their reductions to overlap

struct Stream {
  Array<const float> y;
  Array<const uint8_t> valid;  // null: never missing
  Array<float> dy;             // null: not wanted
};

struct Fusion {
  RowGrid rows;
  int64_t features, streams, outputs, scores;
  Array<const float> context, weight, bias;
  Array<float> attention, z;
  Array<const float> dz;
  Array<float> dcontext, dscore;
  Global<const Stream> stream;
};

CIRCUMPLEX_DEVICE bool present(const Fusion& f, int64_t replica, int64_t row, int64_t stream) {
  const Stream s = f.stream[stream];
  return !s.valid.data || s.valid.of(replica)[row] != 0;
}

CIRCUMPLEX_DEVICE bool none_present(const Fusion& f, int64_t replica, int64_t row) {
  for (int64_t i = 0; i < f.streams; i++) {
    if (present(f, replica, row, i)) return false;
  }
  return true;
}

// weight[m][k][i], from k = 0 on in steps of `streams`, of score m n + i.
CIRCUMPLEX_DEVICE Global<const float> column_of(const Fusion& f, int64_t replica, int64_t score) {
  return f.weight.of(replica) + (score / f.streams * f.features * f.streams + score % f.streams);
}

// context W of the row, to `scores`.
CIRCUMPLEX_DEVICE void score(const Fusion& f, int64_t replica, int64_t row, Global<float> scores) {
  const Global<const float> context = f.context.of(replica) + row * f.features;
  for (int64_t first = 0; first < f.scores; first += kScores) {
    float sum[kScores] = {};
    Global<const float> column[kScores];
    for (int j = 0; j < kScores; j++) {
      column[j] = column_of(f, replica, first + j < f.scores ? first + j : first);
    }
    for (int64_t k = lane(); k < f.features; k += 32) {
      const float c = context[k];
      for (int j = 0; j < kScores; j++) sum[j] = fma(c, column[j][k * f.streams], sum[j]);
    }
    for (int j = 0; j < kScores; j++) {
      sum[j] = team_reduce(sum[j], 32, Sum());
      if (lane() == 0 && first + j < f.scores) scores[first + j] = sum[j];
    }
  }
  sync_warp();
}

// Scores of an output to weights; returns the mixture.
CIRCUMPLEX_DEVICE float mix(const Fusion& f, int64_t replica, int64_t row, int64_t output, bool none,
                            Global<float> attention) {
  const int64_t n = f.streams;
  float largest = -HUGE_VALF, total = 0, mixture = 0;
  for (int64_t i = 0; i < n; i++) {
    float score = 0;
    if (f.context.data) score = attention[i];
    if (f.bias.data) score += f.bias.of(replica)[output * n + i];
    attention[i] = score;
    if (present(f, replica, row, i)) largest = Largest()(score, largest);
  }
  for (int64_t i = 0; i < n; i++) {
    const float power = none ? 1.f : present(f, replica, row, i) ? exp(attention[i] - largest) : 0.f;
    attention[i] = power;
    total += power;
  }
  for (int64_t i = 0; i < n; i++) {
    const Stream s = f.stream[i];
    const float weight = divide(attention[i], total);
    attention[i] = weight;
    mixture += weight * s.y.of(replica)[row * f.outputs + output];
  }
  return mixture;
}

CIRCUMPLEX_KERNEL(kRowThreads) fuse(const CIRCUMPLEX_PARAMETER Fusion f) {
  const int64_t replica = block_y(), used = rows_in_use(f.rows);
  if (stopped(f.rows.chunk, f.rows.copies, replica)) return;
  for (int64_t row = first_row(f.rows); row < used; row += row_step(f.rows)) {
    const Global<float> attention = f.attention.of(replica) + row * f.scores;
    const Global<float> z = f.z.of(replica) + row * f.outputs;
    if (!valid_row(f.rows.chunk, row)) {
      for (int64_t s = lane(); s < f.scores; s += 32) attention[s] = 0;
      for (int64_t m = lane(); m < f.outputs; m += 32) z[m] = 0;
      continue;
    }
    if (f.context.data) score(f, replica, row, attention);
    const bool none = none_present(f, replica, row);
    for (int64_t m = lane(); m < f.outputs; m += 32) z[m] = mix(f, replica, row, m, none, attention + m * f.streams);
  }
}

CIRCUMPLEX_KERNEL(kRowThreads) differentiate(const CIRCUMPLEX_PARAMETER Fusion f) {
  const int64_t replica = block_y(), used = rows_in_use(f.rows), n = f.streams;
  if (stopped(f.rows.chunk, f.rows.copies, replica)) return;
  for (int64_t row = first_row(f.rows); row < used; row += row_step(f.rows)) {
    const bool valid = valid_row(f.rows.chunk, row), scored = valid && !none_present(f, replica, row);
    for (int64_t m = lane(); m < f.outputs; m += 32) {
      const int64_t at = row * f.outputs + m;
      const Global<const float> a = f.attention.of(replica) + row * f.scores + m * n;
      float dz = 0, mean = 0;
      if (valid) dz = f.dz.of(replica)[at];
      for (int64_t i = 0; i < n; i++) {
        const Stream s = f.stream[i];
        mean += a[i] * (dz * s.y.of(replica)[at]);
      }
      for (int64_t i = 0; i < n; i++) {
        const Stream s = f.stream[i];
        if (s.dy.data) s.dy.of(replica)[at] = a[i] * dz;
        if (!f.dscore.data) continue;
        const float gradient = a[i] * (dz * s.y.of(replica)[at] - mean);
        f.dscore.of(replica)[row * f.scores + m * n + i] = scored ? gradient : 0.f;
      }
    }
    if (!f.dcontext.data) continue;
    sync_warp();
    const Global<const float> dscore = f.dscore.of(replica) + row * f.scores;
    for (int64_t k = lane(); k < f.features; k += 32) {
      float sum = 0;
      for (int64_t s = 0; s < f.scores; s++) sum = fma(dscore[s], column_of(f, replica, s)[k * n], sum);
      f.dcontext.of(replica)[row * f.features + k] = sum;
    }
  }
}

Fusion arguments_of(Plan& plan, const DimensionFusionCall& f) {
  Stream* streams = plan.list<Stream>(f.streams);
  for (int64_t i = 0; i < f.streams; i++) {
    streams[i].y = array<const float>(f.y[i]);
    streams[i].valid = array<const uint8_t>(f.valid[i]);
    if (f.dy) streams[i].dy = array<float>(f.dy[i]);
  }
  return {row_grid(plan, f.rows, 32),
          f.features,
          f.streams,
          f.outputs,
          f.scores,
          array<const float>(f.context),
          array<const float>(f.weight),
          array<const float>(f.bias),
          array<float>(f.attention),
          array<float>(f.z),
          array<const float>(f.dz),
          array<float>(f.dcontext),
          {},
          table(plan, streams, f.streams)};
}

}  // namespace

void plan_dimension_fusion(Plan& plan, const Call& call) {
  const Fusion f = arguments_of(plan, read_dimension_fusion(plan, call));
  plan.launch(kernel_of("dimension_fusion", &fuse), grid_of(f.rows), f);
  plan.kernel("a warp a row");
}

void plan_dimension_fusion_backward(Plan& plan, const Call& call) {
  const DimensionFusionCall read = read_dimension_fusion_backward(plan, call);
  const int64_t rows = read.rows.count, n = read.streams, features = read.features;
  Fusion f = arguments_of(plan, read);
  if (read.dcontext.data || read.dweight.data || read.dbias.data) {
    const int64_t size = rows * read.scores;
    f.dscore = {Global<float>(plan.floats(plan.control.replicas * size)), size};
  }
  plan.launch(kernel_of("dimension_fusion_backward", &differentiate), grid_of(f.rows), f);

  std::vector<Product> products;
  const Array<const float> dscore = {f.dscore.data, f.dscore.stride};
  if (read.dweight.data) {
    // dweight[m] [C, n] = context' [C, rows] dscore[m] [rows, n].
    for (int64_t m = 0; m < read.outputs; m++) {
      const Array<const float> part = {dscore.data + m * n, dscore.stride};
      const Array<float> to = {Global<float>(read.dweight.f32()) + m * features * n, read.dweight.stride};
      Product p = {{f.context, 1, features}, {part, read.scores, 1}, to, n, features, n, rows};
      p.rows = Product::Rows::k;
      products.push_back(p);
    }
  }
  if (read.dbias.data) {
    products.push_back(weight_gradient(dscore, read.scores, read.scores, {}, 0, 1, read.dbias, rows, 0));
  }
  if (!products.empty()) plan_products(plan, products);
  plan.kernel("a warp a row; slabs of 2048 rows");
}

}  // namespace circumplex::cuda

// Sums go by 16 strided chains and a fixed tree: the same bits whatever the vector's width.

#include "operators/layer_norm.h"

#include "cpu/rows.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int kChains = 16 / W;

struct Norm : LayerNormCall {
  Tensor scaled = {};  // dy u of every row, of which dweight is the sum over frames
  WeightGradient sums[2] = {};
};

// f(i, values left) summed over a row of n, in vectors.
template <class F>
CIRCUMPLEX_INLINE float sum_over(int64_t n, F f) {
  V sum[kChains];
  for (int c = 0; c < kChains; c++) sum[c] = zero();
  for (int64_t i = 0; i < n; i += 16) {
    for (int c = 0; c < kChains; c++) {
      const int64_t at = i + c * W;
      sum[c] = f(sum[c], at, static_cast<int>(smaller(W, n - at)));
    }
  }
  return sum16(sum);
}

struct Moments {
  float mean, scale;
};

// Two passes: what is far from 0 keeps its spread.
Moments moments_of(const float* x, int64_t n) {
  const float mean = sum_over(n, [&](V sum, int64_t i, int left) { return sum + load_n(x + i, left); }) / n;
  float centre[W];  // 0 beyond the row, as x is
  store(centre, set1(mean));
  const float squares = sum_over(n, [&](V sum, int64_t i, int left) {
    const V d = load_n(x + i, left) - load_n(centre, left);
    return fma(d, d, sum);
  });
  return {mean, 1.f / __builtin_sqrtf(squares / n + kNormEpsilon)};
}

void normalise(void* self, int64_t task, Worker&) {
  const Norm& l = *static_cast<const Norm*>(self);
  const Block block = block_of(l.rows, task);
  const int64_t n = l.rows.width;
  const float *weight = l.weight.f32(block.replica), *bias = l.bias.f32(block.replica);
  for (int64_t row = block.first; row < block.last; row++) {
    const float* x = l.x.f32(block.replica) + row * n;
    float* y = l.y.f32(block.replica) + row * n;
    const Moments m = moments_of(x, n);
    const V mean = set1(m.mean), scale = set1(m.scale);
    for (int64_t i = 0; i < n; i += W) {
      const int left = static_cast<int>(smaller(W, n - i));
      const V u = (load_n(x + i, left) - mean) * scale;
      store_n(y + i, fma(u, load_n(weight + i, left), load_n(bias + i, left)), left);
    }
  }
}

void differentiate(void* self, int64_t task, Worker&) {
  const Norm& l = *static_cast<const Norm*>(self);
  const Block block = block_of(l.rows, task);
  const int64_t n = l.rows.width;
  const float* weight = l.weight.f32(block.replica);
  for (int64_t row = block.first; row < block.last; row++) {
    const float* x = l.x.f32(block.replica) + row * n;
    const float* dy = l.dy.f32(block.replica) + row * n;
    const Moments m = moments_of(x, n);
    const V mean = set1(m.mean), scale = set1(m.scale);
    const auto unit = [&](int64_t i, int left) { return (load_n(x + i, left) - mean) * scale; };
    const auto slope = [&](int64_t i, int left) { return load_n(dy + i, left) * load_n(weight + i, left); };
    if (l.scaled.data) {
      float* scaled = l.scaled.f32(block.replica) + row * n;
      for (int64_t i = 0; i < n; i += W) {
        const int left = static_cast<int>(smaller(W, n - i));
        store_n(scaled + i, load_n(dy + i, left) * unit(i, left), left);
      }
    }
    if (!l.dx.data) continue;
    float* dx = l.dx.f32(block.replica) + row * n;
    const V along = set1(sum_over(n, [&](V sum, int64_t i, int left) { return sum + slope(i, left); }) / n);
    const V across =
        set1(sum_over(n, [&](V sum, int64_t i, int left) { return fma(slope(i, left), unit(i, left), sum); }) / n);
    for (int64_t i = 0; i < n; i += W) {
      const int left = static_cast<int>(smaller(W, n - i));
      store_n(dx + i, scale * (slope(i, left) - along - unit(i, left) * across), left);
    }
  }
}

// The sum over the rows of `terms`.
WeightGradient sum_of(const Plan& plan, const Tensor& terms, const Tensor& out) {
  WeightGradient g = {};
  g.m = terms.dims[2];
  g.n = 1;
  g.a = terms.f32();
  g.a_stride = terms.stride;
  g.lda = terms.dims[2];
  g.halo = terms.dims[0] - plan.control.chunk;
  g.out = out;
  return g;
}

}  // namespace

void plan_layer_norm(Plan& plan, const Call& call) {
  Norm& l = *plan.make<Norm>({read_layer_norm(plan, call)});
  plan.stage(tasks_of(l.rows), normalise, &l);
  plan.kernel("vectors");
}

void plan_layer_norm_backward(Plan& plan, const Call& call) {
  Norm& l = *plan.make<Norm>({read_layer_norm_backward(plan, call)});
  if (l.dweight.data) {
    l.scaled = l.dy;
    l.scaled.stride = l.dy.size();
    l.scaled.replicas = plan.control.replicas;
    l.scaled.data = plan.floats(l.scaled.replicas * l.scaled.stride);
  }
  if (l.dx.data || l.scaled.data) plan.stage(tasks_of(l.rows), differentiate, &l);
  l.sums[0] = sum_of(plan, l.scaled.data ? l.scaled : l.dy, l.dweight);
  l.sums[1] = sum_of(plan, l.dy, l.dbias);
  plan_weight_gradients(plan, call, l.sums, 2, plan.control.chunk);
  plan.kernel("vectors; slabs of 2048 rows");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

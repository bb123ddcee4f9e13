// Sums go by 16 strided chains and a fixed tree: the same bits whatever the vector's width.

#include "operators/softmax.h"

#include "cpu/exp.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int kChains = 16 / W;

float sum_of(const float* x, int64_t n) {
  V sum[kChains];
  for (int c = 0; c < kChains; c++) sum[c] = zero();
  for (int64_t i = 0; i < n; i += 16) {
    for (int c = 0; c < kChains; c++) {
      const int64_t at = i + c * W;
      sum[c] = sum[c] + load_n(x + at, static_cast<int>(smaller(W, n - at)));
    }
  }
  return sum16(sum);
}

void softmax_row(const float* x, int64_t n, float* y) {
  float largest = x[0];
  for (int64_t i = 1; i < n; i++) largest = x[i] > largest ? x[i] : largest;
  for (int64_t i = 0; i < n; i += W) {
    const int left = static_cast<int>(smaller(W, n - i));
    store_n(y + i, exp(load_n(x + i, left) - set1(largest)), left);
  }
  const V sum = set1(sum_of(y, n));
  for (int64_t i = 0; i < n; i += W) {
    const int left = static_cast<int>(smaller(W, n - i));
    store_n(y + i, load_n(y + i, left) / sum, left);
  }
}

void softmax(void* self, int64_t task, Worker&) {
  const SoftmaxCall& s = *static_cast<const SoftmaxCall*>(self);
  const Block block = block_of(s.rows, task);
  const int64_t n = s.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    softmax_row(s.x.f32(block.replica) + row * n, n, s.y.f32(block.replica) + row * n);
  }
}

void softmax_backward(void* self, int64_t task, Worker&) {
  const SoftmaxCall& s = *static_cast<const SoftmaxCall*>(self);
  const Block block = block_of(s.rows, task);
  const int64_t n = s.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    const float* y = s.y.f32(block.replica) + row * n;
    const float* dy = s.dy.f32(block.replica) + row * n;
    float* dx = s.dx.f32(block.replica) + row * n;
    const float mean = dot(y, dy, n);
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (dy[i] - mean);
  }
}

}  // namespace

void plan_softmax(Plan& plan, const Call& call) {
  SoftmaxCall& s = *plan.make(read_softmax(plan, call));
  plan.stage(tasks_of(s.rows), softmax, &s);
  plan.kernel("vectors");
}

void plan_softmax_backward(Plan& plan, const Call& call) {
  SoftmaxCall& s = *plan.make(read_softmax_backward(plan, call));
  plan.stage(tasks_of(s.rows), softmax_backward, &s);
  plan.kernel("vectors");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

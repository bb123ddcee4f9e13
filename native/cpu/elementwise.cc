#include "operators/elementwise.h"

#include "cpu/cell.h"
#include "cpu/exp.h"
#include "cpu/rows.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

CIRCUMPLEX_INLINE float gradient_of(float dy, float slope) {
  const float product = dy * slope;
  return dy == 0.f ? 0.f : product;
}

// ---- one argument ----

struct Exp {
  CIRCUMPLEX_INLINE V value(V x) { return exp(x); }
  CIRCUMPLEX_INLINE float slope(float y) { return y; }
};
struct Tanh {
  CIRCUMPLEX_INLINE V value(V x) { return tanh(x); }
  CIRCUMPLEX_INLINE float slope(float y) { return 1.f - y * y; }
};
struct Sigmoid {
  CIRCUMPLEX_INLINE V value(V x) { return sigmoid(x); }
  CIRCUMPLEX_INLINE float slope(float y) { return y * (1.f - y); }
};
struct Relu {
  CIRCUMPLEX_INLINE V value(V x) { return max(zero(), x); }  // x when it is NaN
  CIRCUMPLEX_INLINE float slope(float y) { return y > 0.f ? 1.f : 0.f; }
};

template <class F>
void map(void* self, int64_t task, Worker&) {
  const MapCall& m = *static_cast<const MapCall*>(self);
  const Block block = block_of(m.rows, task);
  const float* x = m.x.f32(block.replica);
  float* y = m.y.f32(block.replica);
  const int64_t end = block.last * m.rows.width;
  for (int64_t i = block.first * m.rows.width; i < end; i += W) {
    const int left = static_cast<int>(smaller(W, end - i));
    store_n(y + i, F::value(load_n(x + i, left)), left);
  }
}

template <class F>
void map_backward(void* self, int64_t task, Worker&) {
  const MapCall& m = *static_cast<const MapCall*>(self);
  const Block block = block_of(m.rows, task);
  const float* y = m.y.f32(block.replica);
  const float* dy = m.dy.f32(block.replica);
  float* dx = m.dx.f32(block.replica);
  for (int64_t i = block.first * m.rows.width; i < block.last * m.rows.width; i++) {
    dx[i] = gradient_of(dy[i], F::slope(y[i]));
  }
}

template <class F>
void plan_map(Plan& plan, const Call& call) {
  MapCall& m = *plan.make(read_map(plan, call));
  plan.stage(tasks_of(m.rows), map<F>, &m);
  plan.kernel("vectors");
}

template <class F>
void plan_map_backward(Plan& plan, const Call& call) {
  MapCall& m = *plan.make(read_map_backward(plan, call));
  plan.stage(tasks_of(m.rows), map_backward<F>, &m);
  plan.kernel("vectors");
}

// ---- two arguments ----

struct Pair : PairCall {
  Tensor products = {};  // dy a for each row, of which db of a row is the sum over frames
  WeightGradient sum = {};
};

struct Add {
  CIRCUMPLEX_INLINE float value(float a, float b) { return a + b; }
};
struct Mul {
  CIRCUMPLEX_INLINE float value(float a, float b) { return a * b; }
};

template <class F>
void combine(void* self, int64_t task, Worker&) {
  const PairCall& p = *static_cast<const PairCall*>(self);
  const Block block = block_of(p.rows, task);
  const int64_t width = p.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    const float* a = p.a.f32(block.replica) + row * width;
    const float* b = p.b.f32(block.replica) + (p.row ? 0 : row * width);
    float* y = p.y.f32(block.replica) + row * width;
    for (int64_t i = 0; i < width; i++) y[i] = F::value(a[i], b[i]);
  }
}

void pass_on(void* self, int64_t task, Worker&) {
  const Pair& p = *static_cast<const Pair*>(self);
  const Block block = block_of(p.rows, task);
  const int64_t at = block.first * p.rows.width, count = (block.last - block.first) * p.rows.width;
  const float* dy = p.dy.f32(block.replica) + at;
  if (p.da.data) copy(p.da.f32(block.replica) + at, dy, count);
  if (p.db.data && !p.row) copy(p.db.f32(block.replica) + at, dy, count);
}

void product_backward(void* self, int64_t task, Worker&) {
  const Pair& p = *static_cast<const Pair*>(self);
  const Block block = block_of(p.rows, task);
  const int64_t width = p.rows.width;
  const Tensor& products = p.row ? p.products : p.db;
  for (int64_t row = block.first; row < block.last; row++) {
    const float* dy = p.dy.f32(block.replica) + row * width;
    if (p.da.data) {
      const float* b = p.b.f32(block.replica) + (p.row ? 0 : row * width);
      float* da = p.da.f32(block.replica) + row * width;
      for (int64_t i = 0; i < width; i++) da[i] = gradient_of(dy[i], b[i]);
    }
    if (products.data) {
      const float* a = p.a.f32(block.replica) + row * width;
      float* to = products.f32(block.replica) + row * width;
      for (int64_t i = 0; i < width; i++) to[i] = gradient_of(dy[i], a[i]);
    }
  }
}

template <class F>
void plan_combine(Plan& plan, const Call& call) {
  PairCall& p = *plan.make(read_pair(plan, call));
  plan.stage(tasks_of(p.rows), combine<F>, &p);
  plan.kernel("vectors");
}

// db of a row: the sum of `terms` over all frames.
void plan_row_sum(Plan& plan, const Call& call, Pair& p, const Tensor& terms) {
  p.sum.m = terms.dims[2];
  p.sum.n = 1;
  p.sum.a = terms.f32();
  p.sum.a_stride = terms.stride;
  p.sum.lda = terms.dims[2];
  p.sum.halo = terms.dims[0] - plan.control.chunk;
  p.sum.out = p.db;
  plan_weight_gradients(plan, call, &p.sum, 1, plan.control.chunk);
}

// ---- whole buffers ----

// The part of a whole buffer that a task covers; empty when its replica has stopped.
Block part_of(const Control& control, const Tensor& result, int64_t task) {
  const int64_t blocks = divide_up(result.size(), kBlockValues);
  Block part = {task / blocks, 0, 0};
  if (stopped(control, result.replicas, part.replica)) return part;
  part.first = task % blocks * kBlockValues;
  part.last = smaller(result.size(), part.first + kBlockValues);
  return part;
}

int64_t parts_of(const Tensor& result) { return result.replicas * divide_up(result.size(), kBlockValues); }

void fill(void* self, int64_t task, Worker&) {
  const FillCall& f = *static_cast<const FillCall*>(self);
  const Block part = part_of(*f.control, f.result, task);
  float* to = f.result.f32(part.replica);
  for (int64_t i = part.first; i < part.last; i++) to[i] = f.value;
}

void accumulate(void* self, int64_t task, Worker&) {
  const AccumulateCall& a = *static_cast<const AccumulateCall*>(self);
  const Block part = part_of(*a.control, a.result, task);
  float* to = a.result.f32(part.replica);
  for (int64_t i = part.first; i < part.last; i += W) {
    const int left = static_cast<int>(smaller(W, part.last - i));
    V sum = load_n(a.terms[0].f32(part.replica) + i, left);
    for (int64_t t = 1; t < a.count; t++) sum = sum + load_n(a.terms[t].f32(part.replica) + i, left);
    store_n(to + i, sum, left);
  }
}

}  // namespace

void plan_exp(Plan& plan, const Call& call) { plan_map<Exp>(plan, call); }
void plan_exp_backward(Plan& plan, const Call& call) { plan_map_backward<Exp>(plan, call); }
void plan_tanh(Plan& plan, const Call& call) { plan_map<Tanh>(plan, call); }
void plan_tanh_backward(Plan& plan, const Call& call) { plan_map_backward<Tanh>(plan, call); }
void plan_sigmoid(Plan& plan, const Call& call) { plan_map<Sigmoid>(plan, call); }
void plan_sigmoid_backward(Plan& plan, const Call& call) { plan_map_backward<Sigmoid>(plan, call); }
void plan_relu(Plan& plan, const Call& call) { plan_map<Relu>(plan, call); }
void plan_relu_backward(Plan& plan, const Call& call) { plan_map_backward<Relu>(plan, call); }

void plan_add(Plan& plan, const Call& call) { plan_combine<Add>(plan, call); }
void plan_mul(Plan& plan, const Call& call) { plan_combine<Mul>(plan, call); }

void plan_add_backward(Plan& plan, const Call& call) {
  Pair& p = *plan.make<Pair>({read_add_backward(plan, call)});
  if (!p.da.data && !p.db.data) return;
  plan.stage(tasks_of(p.rows), pass_on, &p);
  if (p.row) plan_row_sum(plan, call, p, p.dy);
  plan.kernel("vectors");
}

void plan_mul_backward(Plan& plan, const Call& call) {
  Pair& p = *plan.make<Pair>({read_mul_backward(plan, call)});
  if (!p.da.data && !p.db.data) return;
  if (p.row && p.db.data) {
    p.products = p.dy;
    p.products.stride = p.dy.size();
    p.products.replicas = plan.control.replicas;
    p.products.data = plan.floats(p.products.replicas * p.products.stride);
  }
  plan.stage(tasks_of(p.rows), product_backward, &p);
  if (p.products.data) plan_row_sum(plan, call, p, p.products);
  plan.kernel("vectors");
}

void plan_fill(Plan& plan, const Call& call) {
  FillCall& f = *plan.make(read_fill(plan, call));
  plan.stage(parts_of(f.result), fill, &f);
  plan.kernel("vectors");
}

void plan_accumulate(Plan& plan, const Call& call) {
  AccumulateCall& a = *plan.make(read_accumulate(plan, call));
  plan.stage(parts_of(a.result), accumulate, &a);
  plan.kernel("vectors");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

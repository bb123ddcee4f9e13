// The elementwise set, for heads and losses of one's own: fill, add, mul, accumulate, exp, tanh, sigmoid.
// A gradient is 0 wherever dy is 0, whatever the values are: padded frames never reach a gradient.

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

struct Map {
  Rows rows;
  Tensor x, y, dy, dx;
};

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

template <class F>
void map(void* self, int64_t task, Worker&) {
  const Map& m = *static_cast<const Map*>(self);
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
  const Map& m = *static_cast<const Map*>(self);
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
  Map& m = *plan.make<Map>();
  m.x = call.input(0, "x", Type::f32, -1);
  m.y = call.output(0, "y", Type::f32, -1);
  if (!same_shape(m.x, m.y)) call.refuse("y and x differ in shape");
  source(call, m.y, m.x);
  m.rows = rows_of(plan, call, m.y);
  plan.stage(m.rows.tasks(), map<F>, &m);
  plan.kernel("vectors");
}

template <class F>
void plan_map_backward(Plan& plan, const Call& call) {
  Map& m = *plan.make<Map>();
  m.y = call.input(0, "y", Type::f32, -1);
  m.dy = call.input(1, "dy", Type::f32, -1);
  m.dx = call.output(0, "dx", Type::f32, -1);
  if (!same_shape(m.y, m.dx) || !same_shape(m.dy, m.dx)) call.refuse("y, dy and dx differ in shape");
  source(call, m.dx, m.y);
  source(call, m.dx, m.dy);
  m.rows = rows_of(plan, call, m.dx);
  plan.stage(m.rows.tasks(), map_backward<F>, &m);
  plan.kernel("vectors");
}

// ---- two arguments ----

struct Pair {
  Rows rows;
  Tensor a, b, y, dy, da, db;
  bool row;         // b [F] meets every row of a
  Tensor products;  // dy a for each row, of which db of a row is the sum over frames
  WeightGradient sum;
};

struct Add {
  CIRCUMPLEX_INLINE float value(float a, float b) { return a + b; }
};
struct Mul {
  CIRCUMPLEX_INLINE float value(float a, float b) { return a * b; }
};

template <class F>
void combine(void* self, int64_t task, Worker&) {
  const Pair& p = *static_cast<const Pair*>(self);
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

bool is_row(const Call& call, const Tensor& a, const Tensor& b) {
  if (same_shape(a, b)) return false;
  if (a.rank != 3 || b.rank != 1 || b.dims[0] != a.dims[2]) call.refuse("b has neither a's shape nor [features]");
  return true;
}

template <class F>
void plan_combine(Plan& plan, const Call& call) {
  Pair& p = *plan.make<Pair>();
  p.a = call.input(0, "a", Type::f32, -1);
  p.b = call.input(1, "b", Type::f32, -1);
  p.y = call.output(0, "y", Type::f32, -1);
  if (!same_shape(p.a, p.y)) call.refuse("y and a differ in shape");
  p.row = is_row(call, p.a, p.b);
  source(call, p.y, p.a);
  source(call, p.y, p.b);
  p.rows = rows_of(plan, call, p.y);
  plan.stage(p.rows.tasks(), combine<F>, &p);
  plan.kernel("vectors");
}

// Reads the gradients' tensors; `p.rows` covers dy.
void read_gradients(Plan& plan, const Call& call, Pair& p) {
  p.rows = rows_of(plan, call, p.dy);
  if (call.has_output(0)) {
    p.da = call.output(0, "da", Type::f32, -1);
    if (!same_shape(p.da, p.dy)) call.refuse("da and dy differ in shape");
    p.rows.copies = p.da.replicas;
  }
  if (call.has_output(1)) {
    p.db = call.output(1, "db", Type::f32, -1);
    p.row = is_row(call, p.dy, p.db);
    if (p.row) replicated(plan, call, p.db);
    if (p.da.data && p.db.replicas != p.da.replicas) call.refuse("da and db are shared by all replicas or neither is");
    p.rows.copies = p.db.replicas;
  }
  const Tensor& result = p.da.data ? p.da : p.db;
  source(call, result, p.dy);
  source(call, result, p.a);
  source(call, result, p.b);
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

struct Whole {
  const Control* control;
  Tensor result;
  Tensor* terms;
  int64_t count, blocks;
  float value;
};

// The part of the buffer that a task covers; empty when its replica has stopped.
Block part_of(const Whole& w, int64_t task) {
  Block part = {task / w.blocks, 0, 0};
  if (stopped(*w.control, w.result.replicas, part.replica)) return part;
  part.first = task % w.blocks * kBlockValues;
  part.last = smaller(w.result.size(), part.first + kBlockValues);
  return part;
}

void fill(void* self, int64_t task, Worker&) {
  const Whole& w = *static_cast<const Whole*>(self);
  const Block part = part_of(w, task);
  float* to = w.result.f32(part.replica);
  for (int64_t i = part.first; i < part.last; i++) to[i] = w.value;
}

void accumulate(void* self, int64_t task, Worker&) {
  const Whole& w = *static_cast<const Whole*>(self);
  const Block part = part_of(w, task);
  float* to = w.result.f32(part.replica);
  for (int64_t i = part.first; i < part.last; i += W) {
    const int left = static_cast<int>(smaller(W, part.last - i));
    V sum = load_n(w.terms[0].f32(part.replica) + i, left);
    for (int64_t t = 1; t < w.count; t++) sum = sum + load_n(w.terms[t].f32(part.replica) + i, left);
    store_n(to + i, sum, left);
  }
}

Whole& whole_of(Plan& plan, const Call& call, const char* name) {
  Whole& w = *plan.make<Whole>();
  w.control = &plan.control;
  w.result = call.output(0, name, Type::f32, -1);
  w.blocks = divide_up(w.result.size(), kBlockValues);
  return w;
}

}  // namespace

void plan_exp(Plan& plan, const Call& call) { plan_map<Exp>(plan, call); }
void plan_exp_backward(Plan& plan, const Call& call) { plan_map_backward<Exp>(plan, call); }
void plan_tanh(Plan& plan, const Call& call) { plan_map<Tanh>(plan, call); }
void plan_tanh_backward(Plan& plan, const Call& call) { plan_map_backward<Tanh>(plan, call); }
void plan_sigmoid(Plan& plan, const Call& call) { plan_map<Sigmoid>(plan, call); }
void plan_sigmoid_backward(Plan& plan, const Call& call) { plan_map_backward<Sigmoid>(plan, call); }

void plan_add(Plan& plan, const Call& call) { plan_combine<Add>(plan, call); }
void plan_mul(Plan& plan, const Call& call) { plan_combine<Mul>(plan, call); }

void plan_add_backward(Plan& plan, const Call& call) {
  Pair& p = *plan.make<Pair>();
  p.dy = call.input(0, "dy", Type::f32, -1);
  if (!call.has_output(0) && !call.has_output(1)) return;
  read_gradients(plan, call, p);
  plan.stage(p.rows.tasks(), pass_on, &p);
  if (p.row) plan_row_sum(plan, call, p, p.dy);
  plan.kernel("vectors");
}

void plan_mul_backward(Plan& plan, const Call& call) {
  Pair& p = *plan.make<Pair>();
  p.a = call.input(0, "a", Type::f32, -1);
  p.b = call.input(1, "b", Type::f32, -1);
  p.dy = call.input(2, "dy", Type::f32, -1);
  if (!same_shape(p.a, p.dy)) call.refuse("dy and a differ in shape");
  if (!call.has_output(0) && !call.has_output(1)) return;
  read_gradients(plan, call, p);
  if (p.db.data && !same_shape(p.b, p.db)) call.refuse("db and b differ in shape");
  p.row = is_row(call, p.a, p.b);
  if (p.row && p.db.data) {
    p.products = p.dy;
    p.products.stride = p.dy.size();
    p.products.replicas = plan.control.replicas;
    p.products.data = plan.floats(p.products.replicas * p.products.stride);
  }
  plan.stage(p.rows.tasks(), product_backward, &p);
  if (p.products.data) plan_row_sum(plan, call, p, p.products);
  plan.kernel("vectors");
}

void plan_fill(Plan& plan, const Call& call) {
  Whole& w = whole_of(plan, call, "x");
  w.value = static_cast<float>(call.number("value"));
  plan.stage(w.result.replicas * w.blocks, fill, &w);
  plan.kernel("vectors");
}

void plan_accumulate(Plan& plan, const Call& call) {
  Whole& w = whole_of(plan, call, "sum");
  w.count = call.inputs();
  if (!w.count) call.refuse("nothing to add up");
  w.terms = static_cast<Tensor*>(plan.allocate(w.count * static_cast<int64_t>(sizeof(Tensor))));
  for (int64_t i = 0; i < w.count; i++) {
    w.terms[i] = source(call, w.result, call.input(i, "term", Type::f32, -1));
    if (!same_shape(w.terms[i], w.result)) call.refuse("a term and the sum differ in shape");
  }
  plan.stage(w.result.replicas * w.blocks, accumulate, &w);
  plan.kernel("vectors");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

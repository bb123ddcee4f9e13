#include "cuda/gemm.h"
#include "cuda/math.cuh"
#include "cuda/rows.h"
#include "operators/elementwise.h"

namespace circumplex::cuda {
namespace {

CIRCUMPLEX_DEVICE float gradient_of(float dy, float slope) { return dy == 0.f ? 0.f : dy * slope; }

// Of a grid with a thread a value.
CIRCUMPLEX_DEVICE int64_t grid_threads() { return int64_t{blocks_x()} * threads(); }

// ---- one argument ----

struct Map {
  RowGrid rows;
  Array<const float> x;
  Array<float> y;
  Array<const float> dy;
  Array<float> dx;
};

struct Exp {
  static CIRCUMPLEX_DEVICE float value(float x) { return exp(x); }
  static CIRCUMPLEX_DEVICE float slope(float y) { return y; }
};
struct Tanh {
  static CIRCUMPLEX_DEVICE float value(float x) { return tanh(x); }
  static CIRCUMPLEX_DEVICE float slope(float y) { return 1.f - y * y; }
};
struct Sigmoid {
  static CIRCUMPLEX_DEVICE float value(float x) { return sigmoid(x); }
  static CIRCUMPLEX_DEVICE float slope(float y) { return y * (1.f - y); }
};
struct Relu {
  static CIRCUMPLEX_DEVICE float value(float x) { return x < 0.f ? 0.f : x; }
  static CIRCUMPLEX_DEVICE float slope(float y) { return y > 0.f ? 1.f : 0.f; }
};

template <class F>
CIRCUMPLEX_KERNEL(kRowThreads)
map(const CIRCUMPLEX_PARAMETER Map m) {
  const int64_t replica = block_y(), end = rows_in_use(m.rows) * m.rows.width;
  if (stopped(m.rows.chunk, m.rows.copies, replica)) return;
  const Global<const float> x = m.x.of(replica);
  const Global<float> y = m.y.of(replica);
  for (int64_t i = grid_thread(); i < end; i += grid_threads()) y[i] = F::value(x[i]);
}

template <class F>
CIRCUMPLEX_KERNEL(kRowThreads)
map_backward(const CIRCUMPLEX_PARAMETER Map m) {
  const int64_t replica = block_y(), end = rows_in_use(m.rows) * m.rows.width;
  if (stopped(m.rows.chunk, m.rows.copies, replica)) return;
  const Global<const float> y = m.y.of(replica), dy = m.dy.of(replica);
  const Global<float> dx = m.dx.of(replica);
  for (int64_t i = grid_thread(); i < end; i += grid_threads()) dx[i] = gradient_of(dy[i], F::slope(y[i]));
}

void launch_map(Plan& plan, const Kernel& kernel, const MapCall& m) {
  plan.launch(kernel, values_grid(m.rows.count * m.rows.width, m.rows.copies),
              Map{row_grid(plan, m.rows, 1), array<const float>(m.x), array<float>(m.y), array<const float>(m.dy),
                  array<float>(m.dx)});
  plan.kernel("values");
}

// ---- two arguments ----

struct Pair {
  RowGrid rows;
  Array<const float> a, b;
  Array<float> y;
  Array<const float> dy;
  Array<float> da, db;
  bool row;               // b meets every row of a
  Array<float> products;  // dy a for each row, of which db of a row is the sum over frames
};

struct Add {
  static CIRCUMPLEX_DEVICE float value(float a, float b) { return a + b; }
};
struct Mul {
  static CIRCUMPLEX_DEVICE float value(float a, float b) { return a * b; }
};

// A team a row.
template <class F>
CIRCUMPLEX_KERNEL(kRowThreads)
combine(const CIRCUMPLEX_PARAMETER Pair p) {
  const int64_t replica = block_y(), width = p.rows.width, used = rows_in_use(p.rows);
  if (stopped(p.rows.chunk, p.rows.copies, replica)) return;
  for (int64_t row = first_row(p.rows); row < used; row += row_step(p.rows)) {
    const Global<const float> a = p.a.of(replica) + row * width, b = p.b.of(replica) + (p.row ? 0 : row * width);
    const Global<float> y = p.y.of(replica) + row * width;
    for (int64_t i = team_rank(p.rows); i < width; i += team_size(p.rows)) y[i] = F::value(a[i], b[i]);
  }
}

CIRCUMPLEX_KERNEL(kRowThreads) pass_on(const CIRCUMPLEX_PARAMETER Pair p) {
  const int64_t replica = block_y(), end = rows_in_use(p.rows) * p.rows.width;
  if (stopped(p.rows.chunk, p.rows.copies, replica)) return;
  for (int64_t i = grid_thread(); i < end; i += grid_threads()) {
    const float dy = p.dy.of(replica)[i];
    if (p.da.data) p.da.of(replica)[i] = dy;
    if (p.db.data && !p.row) p.db.of(replica)[i] = dy;
  }
}

// A team a row.
CIRCUMPLEX_KERNEL(kRowThreads) product_backward(const CIRCUMPLEX_PARAMETER Pair p) {
  const int64_t replica = block_y(), width = p.rows.width, used = rows_in_use(p.rows);
  if (stopped(p.rows.chunk, p.rows.copies, replica)) return;
  const Array<float> products = p.row ? p.products : p.db;
  for (int64_t row = first_row(p.rows); row < used; row += row_step(p.rows)) {
    const int64_t at = row * width;
    for (int64_t i = team_rank(p.rows); i < width; i += team_size(p.rows)) {
      const float dy = p.dy.of(replica)[at + i];
      if (p.da.data) p.da.of(replica)[at + i] = gradient_of(dy, p.b.of(replica)[p.row ? i : at + i]);
      if (products.data) products.of(replica)[at + i] = gradient_of(dy, p.a.of(replica)[at + i]);
    }
  }
}

Pair arguments_of(const Plan& plan, const PairCall& p) {
  return {row_grid(plan, p.rows, p.rows.width),
          array<const float>(p.a),
          array<const float>(p.b),
          array<float>(p.y),
          array<const float>(p.dy),
          array<float>(p.da),
          array<float>(p.db),
          p.row,
          {}};
}

template <class F>
void plan_combine(Plan& plan, const char* name, const Call& call) {
  const Pair p = arguments_of(plan, read_pair(plan, call));
  plan.launch(kernel_of<&combine<F>>(name), grid_of(p.rows), p);
  plan.kernel("rows");
}

// db of a row: the sum of `terms` over all frames.
void plan_row_sum(Plan& plan, const PairCall& p, const Array<const float>& terms) {
  const int64_t width = p.rows.width, halo = p.rows.frames - plan.control.chunk;
  plan_products(plan, {weight_gradient(terms, width, width, {}, 0, 1, p.db, p.rows.count, halo)});
}

// ---- whole buffers ----

struct Fill {
  Chunk chunk;
  Array<float> result;
  int64_t size, copies;
  float value;
};

CIRCUMPLEX_KERNEL(kRowThreads) fill(const CIRCUMPLEX_PARAMETER Fill f) {
  const int64_t replica = block_y();
  if (stopped(f.chunk, f.copies, replica)) return;
  const Global<float> to = f.result.of(replica);
  for (int64_t i = grid_thread(); i < f.size; i += grid_threads()) to[i] = f.value;
}

struct Accumulate {
  Chunk chunk;
  Array<float> result;
  int64_t size, copies;
  Global<const Array<const float>> terms;
  int64_t count;
};

CIRCUMPLEX_KERNEL(kRowThreads) accumulate(const CIRCUMPLEX_PARAMETER Accumulate a) {
  const int64_t replica = block_y();
  if (stopped(a.chunk, a.copies, replica)) return;
  const Global<float> to = a.result.of(replica);
  for (int64_t i = grid_thread(); i < a.size; i += grid_threads()) {
    float sum = 0;
    for (int64_t t = 0; t < a.count; t++) {
      const Array<const float> term = a.terms[t];
      const float here = term.of(replica)[i];
      sum = t ? sum + here : here;
    }
    to[i] = sum;
  }
}

}  // namespace

void plan_exp(Plan& plan, const Call& call) { launch_map(plan, kernel_of<&map<Exp>>("exp"), read_map(plan, call)); }
void plan_tanh(Plan& plan, const Call& call) { launch_map(plan, kernel_of<&map<Tanh>>("tanh"), read_map(plan, call)); }
void plan_sigmoid(Plan& plan, const Call& call) {
  launch_map(plan, kernel_of<&map<Sigmoid>>("sigmoid"), read_map(plan, call));
}
void plan_relu(Plan& plan, const Call& call) { launch_map(plan, kernel_of<&map<Relu>>("relu"), read_map(plan, call)); }
void plan_exp_backward(Plan& plan, const Call& call) {
  launch_map(plan, kernel_of<&map_backward<Exp>>("exp_backward"), read_map_backward(plan, call));
}
void plan_tanh_backward(Plan& plan, const Call& call) {
  launch_map(plan, kernel_of<&map_backward<Tanh>>("tanh_backward"), read_map_backward(plan, call));
}
void plan_sigmoid_backward(Plan& plan, const Call& call) {
  launch_map(plan, kernel_of<&map_backward<Sigmoid>>("sigmoid_backward"), read_map_backward(plan, call));
}
void plan_relu_backward(Plan& plan, const Call& call) {
  launch_map(plan, kernel_of<&map_backward<Relu>>("relu_backward"), read_map_backward(plan, call));
}

void plan_add(Plan& plan, const Call& call) { plan_combine<Add>(plan, "add", call); }
void plan_mul(Plan& plan, const Call& call) { plan_combine<Mul>(plan, "mul", call); }

void plan_add_backward(Plan& plan, const Call& call) {
  const PairCall read = read_add_backward(plan, call);
  if (!read.da.data && !read.db.data) return;
  const Pair p = arguments_of(plan, read);
  if (read.da.data || !read.row) {
    plan.launch(kernel_of("add_backward", &pass_on), values_grid(read.rows.count * read.rows.width, read.rows.copies),
                p);
  }
  if (read.row) plan_row_sum(plan, read, p.dy);
  plan.kernel("values");
}

void plan_mul_backward(Plan& plan, const Call& call) {
  const PairCall read = read_mul_backward(plan, call);
  if (!read.da.data && !read.db.data) return;
  Pair p = arguments_of(plan, read);
  if (read.row && read.db.data) {
    const int64_t size = read.dy.size();
    p.products = {Global<float>(plan.floats(plan.control.replicas * size)), size};
  }
  plan.launch(kernel_of("mul_backward", &product_backward), grid_of(p.rows), p);
  if (p.products.data) plan_row_sum(plan, read, {p.products.data, p.products.stride});
  plan.kernel("rows");
}

void plan_fill(Plan& plan, const Call& call) {
  const FillCall f = read_fill(plan, call);
  const int64_t size = f.result.size(), copies = f.result.replicas;
  plan.launch(kernel_of("fill", &fill), values_grid(size, copies),
              Fill{plan.chunk, array<float>(f.result), size, copies, f.value});
  plan.kernel("values");
}

void plan_accumulate(Plan& plan, const Call& call) {
  const AccumulateCall a = read_accumulate(plan, call);
  const int64_t size = a.result.size(), copies = a.result.replicas;
  Array<const float>* terms = plan.list<Array<const float>>(a.count);
  for (int64_t i = 0; i < a.count; i++) terms[i] = array<const float>(a.terms[i]);
  plan.launch(kernel_of("accumulate", &accumulate), values_grid(size, copies),
              Accumulate{plan.chunk, array<float>(a.result), size, copies, table(plan, terms, a.count), a.count});
  plan.kernel("values");
}

}  // namespace circumplex::cuda

#include "cpu/weight_gradient.h"

#include "cpu/cell.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kBlockColumns = 256;  // packing a is shared by so many columns of b
constexpr int64_t kTasks = 4;           // tasks that a thread should have: what one of them takes is then no long wait
constexpr int64_t kPartRows = 64;       // least rows of the gradient a task

int64_t rows_now(const WeightGradient& g) {
  return g.control->frames ? (g.control->frames + g.halo) * g.control->lanes : 0;
}

// The sums of a's columns over rows, added in order.
void sum_rows(const WeightGradient& g, const float* a, int64_t first, int64_t rows, float* out) {
  for (int64_t i = 0; i < g.m; i++) {
    // Runs of neighbouring columns together: one pass over the rows serves W of them.
    const int64_t column = g.columns ? g.columns[i] : i;
    int64_t run = 1;
    while (run < 4 * W && i + run < g.m && (g.columns ? g.columns[i + run] : i + run) == column + run) run++;
    V sum[4] = {zero(), zero(), zero(), zero()};
    const int full = static_cast<int>(divide_up(run, W));
    for (int64_t row = 0; row < rows; row++) {
      const float* from = a + (g.a_rows ? g.a_rows[first + row] : first + row) * g.lda + column;
      for (int v = 0; v < full; v++) {
        sum[v] = sum[v] + load_n(from + v * W, static_cast<int>(smaller(W, run - v * W)));
      }
    }
    for (int v = 0; v < full; v++) store_n(out + i + v * W, sum[v], static_cast<int>(smaller(W, run - v * W)));
    i += run - 1;
  }
}

void multiply(void* self, int64_t task, Worker& worker) {
  const WeightGradient& g = *static_cast<const WeightGradient*>(self);
  const int64_t part = task % g.parts, block = task / g.parts % g.blocks;
  const int64_t slab = task / (g.parts * g.blocks) % g.slabs, replica = task / (g.parts * g.blocks * g.slabs);
  if (!g.control->active[replica]) return;
  const int64_t all = rows_now(g), first = slab * kSlab;
  if (first >= all && slab) return;
  const int64_t rows = smaller(kSlab, all - first);
  float* out = g.slabs == 1 ? g.out.f32(replica) : g.partial + (replica * g.slabs + slab) * g.m * g.n;
  const float* a = g.a + replica * g.a_stride;
  if (!g.b) {
    sum_rows(g, a, first, rows, out);
    if (g.slabs == 1 && g.twin.data) copy(g.twin.f32(replica), out, g.m);
    return;
  }
  const int64_t i = part * g.m / g.parts, rows_of_part = (part + 1) * g.m / g.parts - i, j = block * kBlockColumns;
  const float* b = g.b + replica * g.b_stride + j;
  const RowList of_a = g.a_rows ? RowList{a, g.lda, g.a_rows + first} : RowList{a + first * g.lda, g.lda, nullptr};
  const RowList of_b = g.b_rows ? RowList{b, g.ldb, g.b_rows + first} : RowList{b + first * g.ldb, g.ldb, nullptr};
  multiply_outer(rows_of_part, smaller(kBlockColumns, g.n - j), rows, of_a, g.columns ? g.columns + i : nullptr, of_b,
                 Start::zero, out + i * g.n + j, g.n, worker.scratch);
}

// Adds the slabs' partial sums pairwise: gap 1, 2, 4, ...
void add_slabs(void* self, int64_t task, Worker&) {
  const WeightGradient& g = *static_cast<const WeightGradient*>(self);
  const int64_t replica = task / g.m, row = task % g.m;
  if (!g.control->active[replica]) return;
  const int64_t slabs = larger(1, divide_up(rows_now(g), kSlab)), size = g.m * g.n;
  float* partial = g.partial + replica * g.slabs * size + row * g.n;
  for (int64_t gap = 1; gap < slabs; gap *= 2) {
    for (int64_t s = 0; s + gap < slabs; s += 2 * gap) {
      float* to = partial + s * size;
      const float* from = partial + (s + gap) * size;
      for (int64_t i = 0; i < g.n; i += W) {
        const int left = static_cast<int>(smaller(W, g.n - i));
        store_n(to + i, load_n(to + i, left) + load_n(from + i, left), left);
      }
    }
  }
  copy(g.out.f32(replica) + row * g.n, partial, g.n);
  if (g.twin.data) copy(g.twin.f32(replica) + row * g.n, partial, g.n);
}

}  // namespace

void plan_weight_gradients(Plan& plan, const Call& call, WeightGradient* gradients, int64_t count, int64_t frames) {
  bool opened = false;
  int64_t products = 0;
  for (int64_t i = 0; i < count; i++) {
    WeightGradient& g = gradients[i];
    g.slabs = divide_up((frames + g.halo) * plan.control.lanes, kSlab);
    g.blocks = g.b ? divide_up(g.n, kBlockColumns) : 1;
    if (g.out.data && g.b) products += plan.control.replicas * g.slabs * g.blocks;
  }
  const int64_t parts = products && plan.threads > 1 ? divide_up(kTasks * plan.threads, products) : 1;
  for (int64_t i = 0; i < count; i++) {
    WeightGradient& g = gradients[i];
    if (!g.out.data) continue;
    if (g.out.replicas != plan.control.replicas || (g.twin.data && g.twin.replicas != plan.control.replicas)) {
      call.refuse("a gradient must have one copy a replica");
    }
    g.control = &plan.control;
    g.parts = g.b && g.columns ? smaller(parts, divide_up(g.m, kPartRows)) : 1;
    if (g.slabs > 1) g.partial = plan.floats(plan.control.replicas * g.slabs * g.m * g.n);
    plan.scratch(outer_scratch(smaller(g.n, kBlockColumns)) * static_cast<int64_t>(sizeof(float)));
    const int64_t tasks = plan.control.replicas * g.slabs * g.blocks * g.parts;
    if (opened) {
      plan.beside(tasks, multiply, &g);
    } else {
      plan.stage(tasks, multiply, &g);
    }
    opened = true;
  }
  opened = false;
  for (int64_t i = 0; i < count; i++) {
    WeightGradient& g = gradients[i];
    if (!g.out.data || g.slabs == 1) continue;
    if (opened) {
      plan.beside(plan.control.replicas * g.m, add_slabs, &g);
    } else {
      plan.stage(plan.control.replicas * g.m, add_slabs, &g);
    }
    opened = true;
  }
}

}  // namespace circumplex::CIRCUMPLEX_ISA

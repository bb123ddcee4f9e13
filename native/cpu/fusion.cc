#include "operators/fusion.h"

#include "cpu/cell.h"
#include "cpu/exp.h"
#include "cpu/gemm.h"
#include "cpu/rows.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Fusion : DimensionFusionCall {
  float* panels = nullptr;  // [C, M n] forward, [M n, C] backward, a copy for each of the weight's
  int64_t panels_size = 0;
  float* matrix = nullptr;  // [M n, C], likewise
  Tensor dscore = {};       // [T B, M n]
  Tensor transposed = {};   // [M n, C], of the shape that the product over frames gives
  WeightGradient gradients[2] = {};
};

bool present(const Fusion& f, int64_t replica, int64_t row, int64_t stream) {
  return !f.valid[stream].data || f.valid[stream].u8(replica)[row];
}

bool none_present(const Fusion& f, int64_t replica, int64_t row) {
  for (int64_t i = 0; i < f.streams; i++) {
    if (present(f, replica, row, i)) return false;
  }
  return true;
}

float* panels_of(const Fusion& f, int64_t replica) {
  return f.panels + (f.weight.replicas > 1 ? replica * f.panels_size : 0);
}

// The weight as [m n + i][k], and its panels: of B[k][m n + i] = weight[m][k][i], or of B[m n + i][k].
template <bool backward>
void pack(void* self, int64_t replica, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  if (stopped(*f.rows.control, f.weight.replicas, replica)) return;
  const float* weight = f.weight.f32(replica);
  float* matrix = f.matrix + replica * f.scores * f.features;
  for (int64_t s = 0; s < f.scores; s++) {
    const float* from = weight + s / f.streams * f.features * f.streams + s % f.streams;
    for (int64_t k = 0; k < f.features; k++) matrix[s * f.features + k] = from[k * f.streams];
  }
  if constexpr (backward) {
    pack_plain(panels_of(f, replica), matrix, f.features, f.features, f.scores, nullptr, 0,
               divide_up(f.features, kPanel));
  } else {
    pack_transposed(panels_of(f, replica), matrix, f.features, f.scores, f.features, nullptr, 0,
                    divide_up(f.scores, kPanel));
  }
}

// Scores less the largest of the streams that are there; -infinity for those that are not.
void shift_scores(const Fusion& f, int64_t replica, int64_t row, float* scores) {
  const bool none = none_present(f, replica, row);
  for (int64_t m = 0; m < f.outputs; m++, scores += f.streams) {
    float largest = -__builtin_inff();
    for (int64_t i = 0; i < f.streams; i++) {
      if (present(f, replica, row, i) && scores[i] > largest) largest = scores[i];
    }
    for (int64_t i = 0; i < f.streams; i++) {
      scores[i] = none ? 0.f : present(f, replica, row, i) ? scores[i] - largest : -__builtin_inff();
    }
  }
}

// Exponentials to weights, and the mixture.
void mix_row(const Fusion& f, int64_t replica, int64_t row, float* attention, float* z) {
  for (int64_t m = 0; m < f.outputs; m++, attention += f.streams) {
    float total = 0, mixture = 0;
    for (int64_t i = 0; i < f.streams; i++) total += attention[i];
    for (int64_t i = 0; i < f.streams; i++) {
      attention[i] = attention[i] / total;
      mixture += attention[i] * f.y[i].f32(replica)[row * f.outputs + m];
    }
    z[m] = mixture;
  }
}

void fuse(void* self, int64_t task, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  const Block block = block_of(f.rows, task);
  const int64_t r = block.replica, count = block.last - block.first;
  if (count == 0) return;
  float* attention = f.attention.f32(r) + block.first * f.scores;
  const float* bias = f.bias.data ? f.bias.f32(r) : nullptr;
  if (f.context.data) {
    multiply_rows(count, f.scores, f.features, f.context.f32(r) + block.first * f.features, f.features, panels_of(f, r),
                  bias ? Start::bias : Start::zero, bias, attention, f.scores);
  } else {
    for (int64_t row = 0; row < count; row++) {
      if (bias)
        copy(attention + row * f.scores, bias, f.scores);
      else
        clear(attention + row * f.scores, f.scores);
    }
  }
  for (int64_t row = 0; row < count; row++) shift_scores(f, r, block.first + row, attention + row * f.scores);
  for (int64_t i = 0; i < count * f.scores; i += W) {
    const int left = static_cast<int>(smaller(W, count * f.scores - i));
    store_n(attention + i, exp(load_n(attention + i, left)), left);
  }
  for (int64_t row = 0; row < count; row++) {
    float* z = f.z.f32(r) + (block.first + row) * f.outputs;
    if (valid_row(*f.rows.control, block.first + row)) {
      mix_row(f, r, block.first + row, attention + row * f.scores, z);
    } else {
      clear(attention + row * f.scores, f.scores);
      clear(z, f.outputs);
    }
  }
}

void differentiate_row(const Fusion& f, int64_t replica, int64_t row) {
  const bool valid = valid_row(*f.rows.control, row), none = none_present(f, replica, row);
  for (int64_t m = 0; m < f.outputs; m++) {
    const int64_t at = row * f.outputs + m, s = row * f.scores + m * f.streams;
    const float* a = f.attention.f32(replica) + s;
    const float dz = valid ? f.dz.f32(replica)[at] : 0.f;
    float mean = 0;
    for (int64_t i = 0; i < f.streams; i++) mean += a[i] * (dz * f.y[i].f32(replica)[at]);
    for (int64_t i = 0; i < f.streams; i++) {
      if (f.dy[i].data) f.dy[i].f32(replica)[at] = a[i] * dz;
      if (!f.dscore.data) continue;
      const float gradient = a[i] * (dz * f.y[i].f32(replica)[at] - mean);
      f.dscore.f32(replica)[s + i] = valid && !none ? gradient : 0.f;
    }
  }
}

void differentiate(void* self, int64_t task, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  const Block block = block_of(f.rows, task);
  for (int64_t row = block.first; row < block.last; row++) differentiate_row(f, block.replica, row);
}

void multiply_context(void* self, int64_t task, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  const Block block = block_of(f.rows, task);
  if (block.first == block.last) return;
  const int64_t r = block.replica;
  multiply_rows(block.last - block.first, f.features, f.scores, f.dscore.f32(r) + block.first * f.scores, f.scores,
                panels_of(f, r), Start::zero, nullptr, f.dcontext.f32(r) + block.first * f.features, f.features);
}

// dweight[m][k][i] from the product's [m n + i][k].
void transpose(void* self, int64_t task, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  const int64_t replica = task / f.outputs, m = task % f.outputs;
  if (!f.rows.control->active[replica]) return;
  const float* from = f.transposed.f32(replica) + m * f.streams * f.features;
  float* to = f.dweight.f32(replica) + m * f.streams * f.features;
  for (int64_t k = 0; k < f.features; k++) {
    for (int64_t i = 0; i < f.streams; i++) to[k * f.streams + i] = from[i * f.features + k];
  }
}

// Memory of the plan as a matrix, one a replica.
Tensor matrix(Plan& plan, int64_t rows, int64_t columns) {
  Tensor tensor = {};
  tensor.type = Type::f32;
  tensor.rank = 2;
  tensor.dims[0] = rows;
  tensor.dims[1] = columns;
  tensor.stride = rows * columns;
  tensor.replicas = plan.control.replicas;
  tensor.data = plan.floats(tensor.replicas * tensor.stride);
  return tensor;
}

}  // namespace

void plan_dimension_fusion(Plan& plan, const Call& call) {
  Fusion& f = *plan.make<Fusion>({read_dimension_fusion(plan, call)});
  if (f.context.data) {
    f.panels_size = packed_size(f.features, f.scores);
    f.panels = plan.floats(f.weight.replicas * f.panels_size);
    f.matrix = plan.floats(f.weight.replicas * f.scores * f.features);
    plan.weight(f.weight);
    plan.prepare(f.weight.replicas, pack<false>, &f);
  }
  plan.stage(tasks_of(f.rows), fuse, &f);
  plan.kernel(f.context.data ? "packed gemm, softmax" : "softmax");
}

void plan_dimension_fusion_backward(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  Fusion& f = *plan.make<Fusion>({read_dimension_fusion_backward(plan, call)});
  if (f.dcontext.data || f.dweight.data || f.dbias.data) {
    f.dscore = matrix(plan, control.chunk * control.lanes, f.scores);
  }
  plan.stage(tasks_of(f.rows), differentiate, &f);
  if (f.dcontext.data) {
    f.panels_size = packed_size(f.scores, f.features);
    f.panels = plan.floats(f.weight.replicas * f.panels_size);
    f.matrix = plan.floats(f.weight.replicas * f.scores * f.features);
    plan.weight(f.weight);
    plan.prepare(f.weight.replicas, pack<true>, &f);
    plan.stage(tasks_of(f.rows), multiply_context, &f);
  }
  for (WeightGradient& g : f.gradients) {
    g.m = f.scores;
    g.n = 1;
    g.a = f.dscore.f32();
    g.a_stride = f.dscore.stride;
    g.lda = f.scores;
  }
  if (f.dweight.data) {
    f.transposed = matrix(plan, f.scores, f.features);
    WeightGradient& g = f.gradients[0];
    g.n = f.features;
    g.b = f.context.f32();
    g.b_stride = f.context.stride;
    g.ldb = f.features;
    g.out = f.transposed;
  }
  f.gradients[1].out = f.dbias;
  plan_weight_gradients(plan, call, f.gradients, 2, control.chunk);
  if (f.dweight.data) plan.stage(control.replicas * f.outputs, transpose, &f);
  plan.kernel("packed gemm; slabs of 2048 rows");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

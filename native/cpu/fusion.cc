// Fusion by attention over streams, per output dimension m (Lucas, Ghaleb and Asteriadis):
//   score_mi = sum_k context_k weight_mki + bias_mi,  a_m = softmax over the streams valid at the frame,
//   z_m = sum_i a_mi y_i[m].
// All streams missing: uniform. Gradients, with s_m = sum_i a_mi dz_m y_i[m]:
//   dscore_mi = a_mi (dz_m y_i[m] - s_m),  dy_i[m] = a_mi dz_m,  dcontext = dscore W',  dweight = context' dscore.

#include "cpu/cell.h"
#include "cpu/exp.h"
#include "cpu/gemm.h"
#include "cpu/streams.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Fusion {
  Rows rows;
  int64_t features, streams, outputs;  // C, n, M
  int64_t scores;                      // M n, score (m, i) at m n + i
  Tensor context, weight, bias;        // data = null: left out
  Tensor z, attention;
  Tensor* y;
  Tensor* valid;
  float* panels;  // [C, M n] forward, [M n, C] backward, a copy for each of the weight's
  int64_t panels_size;
  // Backward.
  Tensor dz, dcontext, dweight, dbias;
  Tensor* dy;
  Tensor dscore;      // [T B, M n]
  Tensor transposed;  // [M n, C], of the shape that the product over frames gives
  WeightGradient gradients[2];
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

// Panels of B[k][m n + i] = weight[m][k][i].
void pack_scores(void* self, int64_t replica, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  if (stopped(*f.rows.control, f.weight.replicas, replica)) return;
  float* panels = panels_of(f, replica);
  const float* weight = f.weight.f32(replica);
  for (int64_t s = 0; s < f.scores; s++) {
    const float* from = weight + s / f.streams * f.features * f.streams + s % f.streams;
    float* to = panels + s / kPanel * kPanel * f.features + s % kPanel;
    for (int64_t k = 0; k < f.features; k++) to[k * kPanel] = from[k * f.streams];
  }
}

// Panels of B[m n + i][k] = weight[m][k][i].
void pack_context(void* self, int64_t replica, Worker&) {
  const Fusion& f = *static_cast<const Fusion*>(self);
  if (stopped(*f.rows.control, f.weight.replicas, replica)) return;
  float* panels = panels_of(f, replica);
  const float* weight = f.weight.f32(replica);
  for (int64_t s = 0; s < f.scores; s++) {
    const float* from = weight + s / f.streams * f.features * f.streams + s % f.streams;
    for (int64_t k = 0; k < f.features; k++) {
      panels[k / kPanel * kPanel * f.scores + s * kPanel + k % kPanel] = from[k * f.streams];
    }
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

int64_t streams_of(const Call& call) {
  const int64_t streams = call.integer("streams");
  if (streams < 1 || streams > call.inputs()) call.refuse("streams is not the number of inputs y");
  return streams;
}

Fusion& sizes_of(Plan& plan, const Call& call, const Tensor& z) {
  Fusion& f = *plan.make<Fusion>();
  f.streams = streams_of(call);
  f.outputs = z.dims[2];
  f.scores = f.outputs * f.streams;
  f.rows = rows_of(plan, call, z);
  return f;
}

void read_context(Plan& plan, const Call& call, Fusion& f, const Tensor& result) {
  const Control& control = plan.control;
  if (call.has_input(0) != call.has_input(1)) call.refuse("context and weight come together");
  if (!call.has_input(0)) return;
  f.context = source(call, result, call.input(0, "context", Type::f32, 3, control.chunk, control.lanes));
  f.features = f.context.dims[2];
  f.weight = source(call, result, call.input(1, "weight", Type::f32, 3, f.outputs, f.features, f.streams));
}

void check_attention(const Call& call, const Fusion& f, const Tensor& attention, const Tensor& z) {
  if (attention.dims[2] != f.outputs || attention.dims[3] != f.streams) {
    call.refuse("attention is not [frames, lanes, outputs, streams]");
  }
  if (attention.replicas != z.replicas) call.refuse("attention is shared by all replicas where z is");
}

}  // namespace

void plan_dimension_fusion(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  const Tensor& z = call.output(0, "z", Type::f32, 3, control.chunk, control.lanes);
  Fusion& f = sizes_of(plan, call, z);
  f.z = z;
  f.attention = call.output(1, "attention", Type::f32, 4, control.chunk, control.lanes, f.outputs);
  check_attention(call, f, f.attention, z);
  read_context(plan, call, f, z);
  if (call.has_input(2)) f.bias = source(call, z, call.input(2, "bias", Type::f32, 2, f.outputs, f.streams));
  f.y = read_streams(plan, call, 3, f.streams, f.outputs, z);
  f.valid = read_masks(plan, call, 3 + f.streams, f.streams, z);
  if (f.context.data) {
    f.panels_size = packed_size(f.features, f.scores);
    f.panels = plan.floats(f.weight.replicas * f.panels_size);
    plan.stage(f.weight.replicas, pack_scores, &f);
  }
  plan.stage(f.rows.tasks(), fuse, &f);
  plan.kernel(f.context.data ? "packed gemm, softmax" : "softmax");
}

void plan_dimension_fusion_backward(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  const int64_t n = streams_of(call);
  const Tensor& dz = call.input(3 + n, "dz", Type::f32, 3, control.chunk, control.lanes);
  Fusion& f = sizes_of(plan, call, dz);
  f.dz = dz;
  f.attention = call.input(2 + n, "attention", Type::f32, 4, control.chunk, control.lanes, f.outputs);
  check_attention(call, f, f.attention, dz);
  read_context(plan, call, f, dz);
  f.y = read_streams(plan, call, 2, n, f.outputs, dz);
  f.valid = read_masks(plan, call, 4 + n, n, dz);
  f.dy = read_gradients(plan, call, 3, n, f.outputs, dz.replicas);

  const bool wanted = call.has_output(0) || call.has_output(1) || call.has_output(2);
  if (wanted) {
    replicated(plan, call, dz);
    f.dscore = matrix(plan, control.chunk * control.lanes, f.scores);
  }
  if ((call.has_output(0) || call.has_output(1)) && !f.context.data) call.refuse("context and weight are missing");
  for (WeightGradient& g : f.gradients) {
    g.m = f.scores;
    g.n = 1;
    g.a = f.dscore.f32();
    g.a_stride = f.dscore.stride;
    g.lda = f.scores;
  }
  plan.stage(f.rows.tasks(), differentiate, &f);
  if (call.has_output(0)) {
    f.dcontext = call.output(0, "dcontext", Type::f32, 3, control.chunk, control.lanes, f.features);
    replicated(plan, call, f.dcontext);
    f.panels_size = packed_size(f.scores, f.features);
    f.panels = plan.floats(f.weight.replicas * f.panels_size);
    plan.beside(f.weight.replicas, pack_context, &f);
    plan.stage(f.rows.tasks(), multiply_context, &f);
  }
  if (call.has_output(1)) {
    f.dweight = replicated(plan, call, call.output(1, "dweight", Type::f32, 3, f.outputs, f.features, f.streams));
    f.transposed = matrix(plan, f.scores, f.features);
    WeightGradient& g = f.gradients[0];
    g.n = f.features;
    g.b = f.context.f32();
    g.b_stride = f.context.stride;
    g.ldb = f.features;
    g.out = f.transposed;
  }
  if (call.has_output(2)) {
    f.dbias = replicated(plan, call, call.output(2, "dbias", Type::f32, 2, f.outputs, f.streams));
    f.gradients[1].out = f.dbias;
  }
  plan_weight_gradients(plan, call, f.gradients, 2, control.chunk);
  if (f.dweight.data) plan.stage(control.replicas * f.outputs, transpose, &f);
  plan.kernel("packed gemm; slabs of 2048 rows");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

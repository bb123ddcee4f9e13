// Output-level blending: z_m = sum_i w_i y_i[m] + b_m, one weight a stream, or w_mi, one a stream and output.
// Gradients: dy_i = w_i dz, dw = sum over frames of dz y_i, db = sum of dz; rows t >= length are 0.

#include "cpu/streams.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Mix {
  Rows rows;
  int64_t streams, outputs;
  int64_t row;  // from one output's weights to the next: 0 where all outputs share them
  Tensor weight, bias, z, dz, dweight, dbias;
  Tensor* y;
  Tensor* dy;
};

void mix(void* self, int64_t task, Worker&) {
  const Mix& m = *static_cast<const Mix*>(self);
  const Block block = block_of(m.rows, task);
  const float* weight = m.weight.f32(block.replica);
  const float* bias = m.bias.data ? m.bias.f32(block.replica) : nullptr;
  for (int64_t row = block.first; row < block.last; row++) {
    const bool valid = valid_row(*m.rows.control, row);
    for (int64_t o = 0; o < m.outputs; o++) {
      const int64_t at = row * m.outputs + o;
      float sum = 0;
      for (int64_t i = 0; i < m.streams; i++) sum += weight[o * m.row + i] * m.y[i].f32(block.replica)[at];
      if (bias) sum += bias[o];
      m.z.f32(block.replica)[at] = valid ? sum : 0.f;
    }
  }
}

void unmix(void* self, int64_t task, Worker&) {
  const Mix& m = *static_cast<const Mix*>(self);
  const Block block = block_of(m.rows, task);
  const float* weight = m.weight.f32(block.replica);
  for (int64_t row = block.first; row < block.last; row++) {
    const bool valid = valid_row(*m.rows.control, row);
    for (int64_t o = 0; o < m.outputs; o++) {
      const int64_t at = row * m.outputs + o;
      const float dz = valid ? m.dz.f32(block.replica)[at] : 0.f;
      for (int64_t i = 0; i < m.streams; i++) {
        if (m.dy[i].data) m.dy[i].f32(block.replica)[at] = weight[o * m.row + i] * dz;
      }
    }
  }
}

// The sum over valid frames of dz y, or of dz alone, of one output.
double sum_rows(const Mix& m, int64_t replica, int64_t output, const Tensor* y) {
  const float* dz = m.dz.f32(replica);
  const int64_t used = rows_in_use(m.rows);
  double sum = 0;
  for (int64_t row = 0; row < used; row++) {
    if (!valid_row(*m.rows.control, row)) continue;
    const int64_t at = row * m.outputs + output;
    sum += static_cast<double>(dz[at]) * (y ? static_cast<double>(y->f32(replica)[at]) : 1);
  }
  return sum;
}

// One task a replica: the weights are few.
void weigh(void* self, int64_t replica, Worker&) {
  const Mix& m = *static_cast<const Mix*>(self);
  if (!m.rows.control->active[replica]) return;
  if (m.dbias.data) {
    for (int64_t o = 0; o < m.outputs; o++) {
      m.dbias.f32(replica)[o] = static_cast<float>(sum_rows(m, replica, o, nullptr));
    }
  }
  if (!m.dweight.data) return;
  float* dweight = m.dweight.f32(replica);
  for (int64_t i = 0; i < m.streams; i++) {
    double shared = 0;
    for (int64_t o = 0; o < m.outputs; o++) {
      const double sum = sum_rows(m, replica, o, &m.y[i]);
      shared += sum;
      if (m.row) dweight[o * m.row + i] = static_cast<float>(sum);
    }
    if (!m.row) dweight[i] = static_cast<float>(shared);
  }
}

// weight [n] or [M, n] tells the streams.
void read_weight(const Call& call, Mix& m) {
  m.weight = call.input(0, "weight", Type::f32, -1);
  if (m.weight.rank != 1 && (m.weight.rank != 2 || m.weight.dims[0] != m.outputs)) {
    call.refuse("weight is neither [streams] nor [outputs, streams]");
  }
  m.streams = m.weight.dims[m.weight.rank - 1];
  m.row = m.weight.rank == 2 ? m.streams : 0;
}

}  // namespace

void plan_stream_mix(Plan& plan, const Call& call) {
  Mix& m = *plan.make<Mix>();
  m.z = call.output(0, "z", Type::f32, 3, plan.control.chunk, plan.control.lanes);
  m.outputs = m.z.dims[2];
  read_weight(call, m);
  if (call.has_input(1)) m.bias = call.input(1, "bias", Type::f32, 1, m.outputs);
  source(call, m.z, m.weight);
  source(call, m.z, m.bias);
  m.y = read_streams(plan, call, 2, m.streams, m.outputs, m.z);
  m.rows = rows_of(plan, call, m.z);
  plan.stage(m.rows.tasks(), mix, &m);
  plan.kernel("rows");
}

void plan_stream_mix_backward(Plan& plan, const Call& call) {
  Mix& m = *plan.make<Mix>();
  const Tensor& weight = call.input(0, "weight", Type::f32, -1);
  const int64_t streams = weight.rank ? weight.dims[weight.rank - 1] : 0;
  m.dz = replicated(plan, call, call.input(1 + streams, "dz", Type::f32, 3, plan.control.chunk, plan.control.lanes));
  m.outputs = m.dz.dims[2];
  read_weight(call, m);
  m.y = read_streams(plan, call, 1, m.streams, m.outputs, m.dz);
  m.dy = read_gradients(plan, call, 2, m.streams, m.outputs, m.dz.replicas);
  if (call.has_output(0)) {
    m.dweight = replicated(plan, call, call.output(0, "dweight", Type::f32, -1));
    if (!same_shape(m.dweight, m.weight)) call.refuse("dweight and weight differ in shape");
  }
  if (call.has_output(1)) m.dbias = replicated(plan, call, call.output(1, "dbias", Type::f32, 1, m.outputs));
  m.rows = rows_of(plan, call, m.dz);
  plan.stage(m.rows.tasks(), unmix, &m);
  plan.beside(plan.control.replicas, weigh, &m);
  plan.kernel("rows; float64 sums, in order");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

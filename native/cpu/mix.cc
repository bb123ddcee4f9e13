#include "operators/mix.h"

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

void mix(void* self, int64_t task, Worker&) {
  const StreamMixCall& m = *static_cast<const StreamMixCall*>(self);
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
  const StreamMixCall& m = *static_cast<const StreamMixCall*>(self);
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
double sum_rows(const StreamMixCall& m, int64_t replica, int64_t output, const Tensor* y) {
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
  const StreamMixCall& m = *static_cast<const StreamMixCall*>(self);
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

}  // namespace

void plan_stream_mix(Plan& plan, const Call& call) {
  StreamMixCall& m = *plan.make(read_stream_mix(plan, call));
  plan.stage(tasks_of(m.rows), mix, &m);
  plan.kernel("rows");
}

void plan_stream_mix_backward(Plan& plan, const Call& call) {
  StreamMixCall& m = *plan.make(read_stream_mix_backward(plan, call));
  plan.stage(tasks_of(m.rows), unmix, &m);
  plan.beside(plan.control.replicas, weigh, &m);
  plan.kernel("rows; float64 sums, in order");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

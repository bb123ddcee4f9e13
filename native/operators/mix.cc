#include "operators/mix.h"

namespace circumplex {
namespace {

// weight [n] or [M, n] tells the streams.
void read_weight(const Call& call, StreamMixCall& m) {
  m.weight = call.input(0, "weight", Type::f32, -1);
  if (m.weight.rank != 1 && (m.weight.rank != 2 || m.weight.dims[0] != m.outputs)) {
    call.refuse("weight is neither [streams] nor [outputs, streams]");
  }
  m.streams = m.weight.dims[m.weight.rank - 1];
  m.row = m.weight.rank == 2 ? m.streams : 0;
}

}  // namespace

StreamMixCall read_stream_mix(Plan& plan, const Call& call) {
  StreamMixCall m = {};
  m.z = call.output(0, "z", Type::f32, 3, plan.control.chunk, plan.control.lanes);
  m.outputs = m.z.dims[2];
  read_weight(call, m);
  if (call.has_input(1)) m.bias = call.input(1, "bias", Type::f32, 1, m.outputs);
  source(call, m.z, m.weight);
  source(call, m.z, m.bias);
  m.y = read_streams(plan, call, 2, m.streams, m.outputs, m.z);
  m.rows = rows_of(plan, call, m.z);
  return m;
}

StreamMixCall read_stream_mix_backward(Plan& plan, const Call& call) {
  StreamMixCall m = {};
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
  return m;
}

}  // namespace circumplex

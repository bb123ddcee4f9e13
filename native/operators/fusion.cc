#include "operators/fusion.h"

namespace circumplex {
namespace {

int64_t streams_of(const Call& call) {
  const int64_t streams = call.integer("streams");
  if (streams < 1 || streams > call.inputs()) call.refuse("streams is not the number of inputs y");
  return streams;
}

DimensionFusionCall sizes_of(const Plan& plan, const Call& call, const Tensor& z) {
  DimensionFusionCall f = {};
  f.streams = streams_of(call);
  f.outputs = z.dims[2];
  f.scores = f.outputs * f.streams;
  f.rows = rows_of(plan, call, z);
  return f;
}

void read_context(const Plan& plan, const Call& call, DimensionFusionCall& f, const Tensor& result) {
  const Control& control = plan.control;
  if (call.has_input(0) != call.has_input(1)) call.refuse("context and weight come together");
  if (!call.has_input(0)) return;
  f.context = source(call, result, call.input(0, "context", Type::f32, 3, control.chunk, control.lanes));
  f.features = f.context.dims[2];
  f.weight = source(call, result, call.input(1, "weight", Type::f32, 3, f.outputs, f.features, f.streams));
}

void check_attention(const Call& call, const DimensionFusionCall& f, const Tensor& z) {
  if (f.attention.dims[2] != f.outputs || f.attention.dims[3] != f.streams) {
    call.refuse("attention is not [frames, lanes, outputs, streams]");
  }
  if (f.attention.replicas != z.replicas) call.refuse("attention is shared by all replicas where z is");
}

}  // namespace

DimensionFusionCall read_dimension_fusion(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  const Tensor& z = call.output(0, "z", Type::f32, 3, control.chunk, control.lanes);
  DimensionFusionCall f = sizes_of(plan, call, z);
  f.z = z;
  f.attention = call.output(1, "attention", Type::f32, 4, control.chunk, control.lanes, f.outputs);
  check_attention(call, f, z);
  read_context(plan, call, f, z);
  if (call.has_input(2)) f.bias = source(call, z, call.input(2, "bias", Type::f32, 2, f.outputs, f.streams));
  f.y = read_streams(plan, call, 3, f.streams, f.outputs, z);
  f.valid = read_masks(plan, call, 3 + f.streams, f.streams, z);
  return f;
}

DimensionFusionCall read_dimension_fusion_backward(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  const int64_t n = streams_of(call);
  const Tensor& dz = call.input(3 + n, "dz", Type::f32, 3, control.chunk, control.lanes);
  DimensionFusionCall f = sizes_of(plan, call, dz);
  f.dz = dz;
  f.attention = call.input(2 + n, "attention", Type::f32, 4, control.chunk, control.lanes, f.outputs);
  check_attention(call, f, dz);
  read_context(plan, call, f, dz);
  f.y = read_streams(plan, call, 2, n, f.outputs, dz);
  f.valid = read_masks(plan, call, 4 + n, n, dz);
  f.dy = read_gradients(plan, call, 3, n, f.outputs, dz.replicas);
  if (call.has_output(0) || call.has_output(1) || call.has_output(2)) replicated(plan, call, dz);
  if ((call.has_output(0) || call.has_output(1)) && !f.context.data) call.refuse("context and weight are missing");
  if (call.has_output(0)) {
    f.dcontext = call.output(0, "dcontext", Type::f32, 3, control.chunk, control.lanes, f.features);
    replicated(plan, call, f.dcontext);
  }
  if (call.has_output(1)) {
    f.dweight = replicated(plan, call, call.output(1, "dweight", Type::f32, 3, f.outputs, f.features, f.streams));
  }
  if (call.has_output(2)) {
    f.dbias = replicated(plan, call, call.output(2, "dbias", Type::f32, 2, f.outputs, f.streams));
  }
  return f;
}

}  // namespace circumplex

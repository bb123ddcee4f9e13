#include "operators/lstm.h"

namespace circumplex {

LstmCall read_lstm(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  LstmCall s = {};
  s.hidden = call.integer("hidden");
  s.layers = call.integer("layers");
  s.directions = call.integer("bidirectional", 0) ? 2 : 1;
  s.dropout = call.number("dropout", 0);
  s.site = static_cast<uint32_t>(call.integer("site", 0));
  if (s.hidden < 1 || s.layers < 1) call.refuse("hidden and layers must be at least 1");
  if (!(s.dropout >= 0 && s.dropout < 1)) call.refuse("dropout must lie in [0, 1)");
  s.width = s.directions * s.hidden;
  s.frames = control.chunk;
  s.lanes = control.lanes;
  s.x = call.input(0, "x", Type::f32, 3, s.frames, s.lanes);
  s.y = call.output(0, "y", Type::f32, 3, s.frames, s.lanes, s.width);
  s.state = call.output(1, "state", Type::f32, 4, s.layers * s.directions, 2, s.lanes);
  if (s.state.dims[3] != s.hidden) call.refuse("the state's last axis must be the hidden size");
  if (s.y.replicas != control.replicas || s.state.replicas != control.replicas) {
    call.refuse("y and state must have one copy a replica");
  }
  s.weights = plan.list<LstmWeights>(s.layers * s.directions);
  for (int64_t i = 0; i < s.layers * s.directions; i++) {
    const int64_t first = 1 + 4 * i, gates = 4 * s.hidden;
    s.weights[i] = {call.input(first, "weight_ih", Type::f32, 2, gates, s.input(i / s.directions)),
                    call.input(first + 1, "weight_hh", Type::f32, 2, gates, s.hidden),
                    call.input(first + 2, "bias_ih", Type::f32, 1, gates),
                    call.input(first + 3, "bias_hh", Type::f32, 1, gates)};
  }
  return s;
}

int64_t read_truncation(const Call& call, int64_t frames) {
  const int64_t truncate = call.integer("truncate", 0);
  if (truncate < 0) call.refuse("truncate cannot be negative");
  return truncate == 0 || truncate > frames ? frames : truncate;
}

LstmBackwardCall read_lstm_backward(Plan& plan, const Call& call, const LstmCall& s) {
  LstmBackwardCall b = {};
  b.truncate = read_truncation(call, s.frames);
  b.segments = (s.frames + b.truncate - 1) / b.truncate;
  b.dy = call.input(1, "dy", Type::f32, 3, s.frames, s.lanes, s.width);
  if (call.has_output(0)) b.dx = call.output(0, "dx", Type::f32, 3, s.frames, s.lanes, s.x.dims[2]);
  if (b.dx.data && b.dx.replicas != plan.control.replicas) call.refuse("dx must have one copy a replica");
  b.gradients = plan.list<LstmWeights>(s.layers * s.directions);
  for (int64_t i = 0; i < s.layers * s.directions; i++) {
    const auto gradient = [&](int64_t offset, int32_t rank, int64_t width) {
      const int64_t at = 1 + 4 * i + offset;
      if (!call.has_output(at)) return Tensor{};
      return replicated(plan, call, call.output(at, "gradient", Type::f32, rank, 4 * s.hidden, width));
    };
    b.gradients[i] = {gradient(0, 2, s.input(i / s.directions)), gradient(1, 2, s.hidden), gradient(2, 1, -1),
                      gradient(3, 1, -1)};
  }
  return b;
}

}  // namespace circumplex

#include "operators/attention.h"

namespace circumplex {

AttentiveCall read_attentive_lstm(Plan& plan, const Call& call) {
  const Control& control = plan.control;
  AttentiveCall s = {};
  s.hidden = call.integer("hidden");
  s.layers = call.integer("layers");
  s.left = call.integer("left");
  s.right = call.integer("right");
  const int64_t kind = call.integer("attention");
  s.dropout = call.number("dropout", 0);
  s.site = static_cast<uint32_t>(call.integer("site", 0));
  if (s.hidden < 1 || s.layers < 1) call.refuse("hidden and layers must be at least 1");
  if (s.left < 0 || s.right < 0) call.refuse("a window reaches 0 or more frames to each side");
  if (kind < 0 || kind > 2) call.refuse("attention is 0 (gdp), 1 (uniform) or 2 (static)");
  if (!(s.dropout >= 0 && s.dropout < 1)) call.refuse("dropout must lie in [0, 1)");
  s.kind = static_cast<Score>(kind);
  s.frames = control.chunk;
  s.lanes = control.lanes;
  s.stream = call.integer("stream", 0) != 0;
  s.causal = call.integer("causal", 0) != 0;
  if (s.causal && !s.stream) call.refuse("only a stream can be causal");
  if (s.stream && call.count("slot")) call.refuse("a stream has no backward call");
  const int64_t reach = s.stream ? s.frames : s.frames + s.halo();
  s.v = call.input(0, "v", Type::f32, 3, reach, s.lanes);
  s.width = s.v.dims[2];
  if (call.has_input(1)) s.valid = call.input(1, "valid", Type::u8, 2, reach, s.lanes);
  if (s.kind == Score::dot_product) {
    s.score = call.input(2, "attention weight", Type::f32, 2, s.hidden, s.width);
  } else if (s.kind == Score::fixed) {
    s.score = call.input(2, "window logits", Type::f32, 1, s.window());
  }
  s.y = call.output(0, "y", Type::f32, 3, s.frames, s.lanes, s.hidden);
  s.state = call.output(1, "state", Type::f32, 4, s.layers, 2, s.lanes);
  s.attention = call.output(2, "attention", Type::f32, 3, s.frames, s.lanes, s.window());
  if (s.state.dims[3] != s.hidden) call.refuse("the state's last axis must be the hidden size");
  if (s.y.replicas != control.replicas || s.state.replicas != control.replicas ||
      s.attention.replicas != control.replicas) {
    call.refuse("y, state and attention must have one copy a replica");
  }
  s.weights = plan.list<LstmWeights>(s.layers);
  for (int64_t l = 0; l < s.layers; l++) {
    const int64_t first = 3 + 4 * l, gates = 4 * s.hidden;
    s.weights[l] = {call.input(first, "weight_ih", Type::f32, 2, gates, s.input(l)),
                    call.input(first + 1, "weight_hh", Type::f32, 2, gates, s.hidden),
                    call.input(first + 2, "bias_ih", Type::f32, 1, gates),
                    call.input(first + 3, "bias_hh", Type::f32, 1, gates)};
  }
  return s;
}

AttentiveBackwardCall read_attentive_lstm_backward(Plan& plan, const Call& call, const AttentiveCall& s) {
  AttentiveBackwardCall b = {};
  b.truncate = read_truncation(call, s.frames);
  b.segments = (s.frames + b.truncate - 1) / b.truncate;
  b.dy = call.input(1, "dy", Type::f32, 3, s.frames, s.lanes, s.hidden);
  if (call.has_output(0)) b.dv = call.output(0, "dv", Type::f32, 3, s.frames + s.halo(), s.lanes, s.width);
  if (b.dv.data && b.dv.replicas != plan.control.replicas) call.refuse("dv must have one copy a replica");
  if (call.has_output(1) && s.kind == Score::dot_product) {
    b.dscore = call.output(1, "attention weight's gradient", Type::f32, 2, s.hidden, s.width);
  } else if (call.has_output(1) && s.kind == Score::fixed) {
    b.dscore = call.output(1, "window logits' gradient", Type::f32, 1, s.window());
  }
  if (b.dscore.data) replicated(plan, call, b.dscore);
  b.gradients = plan.list<LstmWeights>(s.layers);
  for (int64_t l = 0; l < s.layers; l++) {
    const auto gradient = [&](int64_t offset, int32_t rank, int64_t width) {
      const int64_t at = 2 + 4 * l + offset;
      if (!call.has_output(at)) return Tensor{};
      return replicated(plan, call, call.output(at, "gradient", Type::f32, rank, 4 * s.hidden, width));
    };
    b.gradients[l] = {gradient(0, 2, s.input(l)), gradient(1, 2, s.hidden), gradient(2, 1, -1), gradient(3, 1, -1)};
  }
  return b;
}

}  // namespace circumplex

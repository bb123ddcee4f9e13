#include "operators/adam.h"

namespace circumplex {
namespace {

void read_segments(Plan& plan, const Call& call, AdamCall& a) {
  const int64_t size = a.parameters.dims[0];
  a.segment_count = call.count("segments") / 3;
  if (call.count("segments") % 3) call.refuse("segments is a list of offset, size, bypassed");
  a.segments = plan.list<AdamSegment>(a.segment_count);
  int64_t end = 0;
  for (int64_t i = 0; i < a.segment_count; i++) {
    AdamSegment& s = a.segments[i];
    s.offset = static_cast<int64_t>(call.element("segments", 3 * i));
    s.size = static_cast<int64_t>(call.element("segments", 3 * i + 1));
    s.bypassed = call.element("segments", 3 * i + 2) != 0;
    if (s.offset < end || s.size < 0 || s.size > size - s.offset) {
      call.refuse("segments must lie inside the parameters, in order and apart");
    }
    end = s.offset + s.size;
  }
}

}  // namespace

AdamCall read_adam(Plan& plan, const Call& call) {
  AdamCall a = {};
  a.control = &plan.control;
  a.gradient = call.input(0, "gradient", Type::f32, 1);
  a.gate = call.input(1, "gate", Type::f64, 1, 2);
  const int64_t size = a.gradient.dims[0];
  a.parameters = replicated(plan, call, call.output(0, "parameters", Type::f32, 1, size));
  a.first = replicated(plan, call, call.output(1, "first", Type::f32, 1, size));
  a.second = replicated(plan, call, call.output(2, "second", Type::f32, 1, size));
  a.beta1 = call.number("beta1");
  a.beta2 = call.number("beta2");
  a.epsilon = call.number("epsilon");
  if (!(a.beta1 >= 0 && a.beta1 < 1 && a.beta2 >= 0 && a.beta2 < 1 && a.epsilon >= 0)) {
    call.refuse("beta1 and beta2 lie in [0, 1), epsilon is not negative");
  }
  read_segments(plan, call, a);
  a.steps = replicated(plan, call, call.output(3, "steps", Type::i32, 1, a.segment_count));
  return a;
}

}  // namespace circumplex

#include "operators/dropout.h"

namespace circumplex {
namespace {

DropoutCall read(Plan& plan, const Call& call, const char* input, const char* output) {
  DropoutCall d = {};
  d.from = call.input(0, input, Type::f32, 3, -1, plan.control.lanes);
  d.to = call.output(0, output, Type::f32, 3, d.from.dims[0], plan.control.lanes, d.from.dims[2]);
  replicated(plan, call, d.to);
  d.dropping = {call.number("p"), static_cast<uint32_t>(call.integer("site"))};
  if (!(d.dropping.p >= 0 && d.dropping.p <= 1)) call.refuse("p must lie in [0, 1]");
  d.left = call.integer("left", 0);
  d.rows = rows_of(plan, call, d.to);
  return d;
}

}  // namespace

DropoutCall read_dropout(Plan& plan, const Call& call) { return read(plan, call, "x", "y"); }
DropoutCall read_dropout_backward(Plan& plan, const Call& call) { return read(plan, call, "dy", "dx"); }

}  // namespace circumplex

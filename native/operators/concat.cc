#include "operators/concat.h"

namespace circumplex {
namespace {

// The widths of the parts that are left out: from the list `sizes`, or, of a single one, what remains.
void lay_out(const Call& call, ConcatCall& c) {
  const int64_t total = c.whole.dims[2];
  int64_t known = 0, unknown = 0;
  for (int64_t i = 0; i < c.count; i++) {
    ConcatPart& part = c.parts[i];
    if (part.tensor.data) {
      part.width = part.tensor.dims[2];
    } else if (call.count("sizes")) {
      const double width = call.element("sizes", i);
      if (!(width >= 0 && width <= static_cast<double>(total))) call.refuse("sizes do not fit");
      part.width = static_cast<int64_t>(width);
    } else {
      part.width = -1;
      unknown++;
      continue;
    }
    known += part.width;
  }
  if (unknown > 1) call.refuse("where two parts are left out, the attribute sizes must give all widths");
  if (unknown ? known > total : known != total) call.refuse("the parts' widths do not add up to the whole's");
  int64_t offset = 0;
  for (int64_t i = 0; i < c.count; i++) {
    ConcatPart& part = c.parts[i];
    if (part.width < 0) part.width = total - known;
    part.offset = offset;
    offset += part.width;
  }
}

}  // namespace

ConcatCall read_concat(Plan& plan, const Call& call) {
  ConcatCall c = {};
  c.whole = call.output(0, "y", Type::f32, 3, -1, plan.control.lanes);
  c.count = call.inputs();
  c.parts = plan.list<ConcatPart>(c.count);
  for (int64_t i = 0; i < c.count; i++) {
    const Tensor& x = call.input(i, "x", Type::f32, 3, c.whole.dims[0], plan.control.lanes);
    c.parts[i].tensor = source(call, c.whole, x);
  }
  lay_out(call, c);
  c.rows = rows_of(plan, call, c.whole);
  return c;
}

ConcatCall read_concat_backward(Plan& plan, const Call& call) {
  ConcatCall c = {};
  c.whole = call.input(0, "dy", Type::f32, 3, -1, plan.control.lanes);
  c.rows = rows_of(plan, call, c.whole);
  c.count = call.outputs();
  c.parts = plan.list<ConcatPart>(c.count);
  for (int64_t i = 0; i < c.count; i++) {
    if (!call.has_output(i)) continue;
    c.parts[i].tensor = call.output(i, "dx", Type::f32, 3, c.whole.dims[0], plan.control.lanes);
    if (c.parts[i].tensor.replicas != c.whole.replicas) call.refuse("dx is shared by all replicas where dy is");
  }
  lay_out(call, c);
  return c;
}

AnyValidCall read_any_valid(Plan& plan, const Call& call) {
  AnyValidCall a = {};
  a.result = call.output(0, "valid", Type::u8, 2, -1, plan.control.lanes);
  const int64_t frames = a.result.dims[0];
  if (frames < plan.control.chunk) call.refuse("valid has fewer frames than the chunk");
  a.count = call.inputs();
  a.masks = plan.list<Tensor>(a.count);
  for (int64_t i = 0; i < a.count; i++) {
    a.masks[i] = source(call, a.result, call.input(i, "valid", Type::u8, 2, frames, plan.control.lanes));
  }
  a.rows = {&plan.control, a.result.replicas, a.result.size(), 1, frames};
  return a;
}

}  // namespace circumplex

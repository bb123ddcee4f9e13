// concat: features side by side, y[frame] = (x_0[frame], x_1[frame], ...); its gradient cuts dy apart again.
// any_valid: a frame of a concatenation is there when any of its parts is.

#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Part {
  Tensor tensor;  // data = null: not wanted
  int64_t offset, width;
};

struct Concat {
  Rows rows;
  Tensor whole;  // [T', B, sum of widths]
  Part* parts;
  int64_t count;
};

void join(void* self, int64_t task, Worker&) {
  const Concat& c = *static_cast<const Concat*>(self);
  const Block block = block_of(c.rows, task);
  const int64_t width = c.whole.dims[2];
  for (int64_t row = block.first; row < block.last; row++) {
    float* to = c.whole.f32(block.replica) + row * width;
    for (int64_t i = 0; i < c.count; i++) {
      const Part& part = c.parts[i];
      copy(to + part.offset, part.tensor.f32(block.replica) + row * part.width, part.width);
    }
  }
}

void cut(void* self, int64_t task, Worker&) {
  const Concat& c = *static_cast<const Concat*>(self);
  const Block block = block_of(c.rows, task);
  const int64_t width = c.whole.dims[2];
  for (int64_t row = block.first; row < block.last; row++) {
    const float* from = c.whole.f32(block.replica) + row * width;
    for (int64_t i = 0; i < c.count; i++) {
      const Part& part = c.parts[i];
      if (part.tensor.data) copy(part.tensor.f32(block.replica) + row * part.width, from + part.offset, part.width);
    }
  }
}

struct AnyValid {
  Rows rows;
  Tensor result;
  Tensor* masks;
  int64_t count;
};

void any_valid(void* self, int64_t task, Worker&) {
  const AnyValid& a = *static_cast<const AnyValid*>(self);
  const Block block = block_of(a.rows, task);
  uint8_t* to = a.result.u8(block.replica);
  for (int64_t row = block.first; row < block.last; row++) {
    uint8_t any = 0;
    for (int64_t i = 0; i < a.count; i++) any |= a.masks[i].u8(block.replica)[row];
    to[row] = any != 0;
  }
}

// The widths of the parts that are left out: from the list `sizes`, or, of a single one, what remains.
void lay_out(const Call& call, Concat& c) {
  const int64_t total = c.whole.dims[2];
  int64_t known = 0, unknown = 0;
  for (int64_t i = 0; i < c.count; i++) {
    Part& part = c.parts[i];
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
    Part& part = c.parts[i];
    if (part.width < 0) part.width = total - known;
    part.offset = offset;
    offset += part.width;
  }
}

}  // namespace

void plan_concat(Plan& plan, const Call& call) {
  Concat& c = *plan.make<Concat>();
  c.whole = call.output(0, "y", Type::f32, 3, -1, plan.control.lanes);
  c.count = call.inputs();
  c.parts = static_cast<Part*>(plan.allocate(c.count * static_cast<int64_t>(sizeof(Part))));
  for (int64_t i = 0; i < c.count; i++) {
    const Tensor& x = call.input(i, "x", Type::f32, 3, c.whole.dims[0], plan.control.lanes);
    c.parts[i].tensor = source(call, c.whole, x);
  }
  lay_out(call, c);
  c.rows = rows_of(plan, call, c.whole);
  plan.stage(c.rows.tasks(), join, &c);
  plan.kernel("copy");
}

void plan_concat_backward(Plan& plan, const Call& call) {
  Concat& c = *plan.make<Concat>();
  c.whole = call.input(0, "dy", Type::f32, 3, -1, plan.control.lanes);
  c.rows = rows_of(plan, call, c.whole);
  c.count = call.outputs();
  c.parts = static_cast<Part*>(plan.allocate(c.count * static_cast<int64_t>(sizeof(Part))));
  for (int64_t i = 0; i < c.count; i++) {
    if (!call.has_output(i)) continue;
    c.parts[i].tensor = call.output(i, "dx", Type::f32, 3, c.whole.dims[0], plan.control.lanes);
    if (c.parts[i].tensor.replicas != c.whole.replicas) call.refuse("dx is shared by all replicas where dy is");
  }
  lay_out(call, c);
  plan.stage(c.rows.tasks(), cut, &c);
  plan.kernel("copy");
}

void plan_any_valid(Plan& plan, const Call& call) {
  AnyValid& a = *plan.make<AnyValid>();
  a.result = call.output(0, "valid", Type::u8, 2, -1, plan.control.lanes);
  const int64_t frames = a.result.dims[0];
  if (frames < plan.control.chunk) call.refuse("valid has fewer frames than the chunk");
  a.count = call.inputs();
  a.masks = static_cast<Tensor*>(plan.allocate(a.count * static_cast<int64_t>(sizeof(Tensor))));
  for (int64_t i = 0; i < a.count; i++) {
    a.masks[i] = source(call, a.result, call.input(i, "valid", Type::u8, 2, frames, plan.control.lanes));
  }
  a.rows = rows_of(plan, call, a.result);
  a.rows.count = a.result.size();
  a.rows.frames = frames;
  a.rows.blocks = divide_up(a.rows.count, kBlockRows);
  plan.stage(a.rows.tasks(), any_valid, &a);
  plan.kernel("bytes");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

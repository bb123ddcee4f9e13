#include "operators/concat.h"

#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

void join(void* self, int64_t task, Worker&) {
  const ConcatCall& c = *static_cast<const ConcatCall*>(self);
  const Block block = block_of(c.rows, task);
  const int64_t width = c.whole.dims[2];
  for (int64_t row = block.first; row < block.last; row++) {
    float* to = c.whole.f32(block.replica) + row * width;
    for (int64_t i = 0; i < c.count; i++) {
      const ConcatPart& part = c.parts[i];
      copy(to + part.offset, part.tensor.f32(block.replica) + row * part.width, part.width);
    }
  }
}

void cut(void* self, int64_t task, Worker&) {
  const ConcatCall& c = *static_cast<const ConcatCall*>(self);
  const Block block = block_of(c.rows, task);
  const int64_t width = c.whole.dims[2];
  for (int64_t row = block.first; row < block.last; row++) {
    const float* from = c.whole.f32(block.replica) + row * width;
    for (int64_t i = 0; i < c.count; i++) {
      const ConcatPart& part = c.parts[i];
      if (part.tensor.data) copy(part.tensor.f32(block.replica) + row * part.width, from + part.offset, part.width);
    }
  }
}

void any_valid(void* self, int64_t task, Worker&) {
  const AnyValidCall& a = *static_cast<const AnyValidCall*>(self);
  const Block block = block_of(a.rows, task);
  uint8_t* to = a.result.u8(block.replica);
  for (int64_t row = block.first; row < block.last; row++) {
    uint8_t any = 0;
    for (int64_t i = 0; i < a.count; i++) any |= a.masks[i].u8(block.replica)[row];
    to[row] = any != 0;
  }
}

}  // namespace

void plan_concat(Plan& plan, const Call& call) {
  ConcatCall& c = *plan.make(read_concat(plan, call));
  plan.stage(tasks_of(c.rows), join, &c);
  plan.kernel("copy");
}

void plan_concat_backward(Plan& plan, const Call& call) {
  ConcatCall& c = *plan.make(read_concat_backward(plan, call));
  plan.stage(tasks_of(c.rows), cut, &c);
  plan.kernel("copy");
}

void plan_any_valid(Plan& plan, const Call& call) {
  AnyValidCall& a = *plan.make(read_any_valid(plan, call));
  plan.stage(tasks_of(a.rows), any_valid, &a);
  plan.kernel("bytes");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

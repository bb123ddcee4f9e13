#pragma once
// A tensor as rows of its last axis, shared out to threads in blocks. The rows of an activation [T', B, F] are its
// frames x lanes; only those of the current chunk are in use.

#include "core/plan.h"
#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

constexpr int64_t kBlockRows = 96;      // rows a task
constexpr int64_t kBlockValues = 4096;  // values a task, where a tensor is one flat run

struct Rows {
  const Control* control;
  int64_t copies;  // replicas of the result, 1 when all share it
  int64_t count;   // rows of one replica
  int64_t width;
  int64_t frames;  // T' of an activation, 0 for any other tensor: all of its rows are in use
  int64_t blocks;

  int64_t tasks() const { return copies * blocks; }
};

struct Block {
  int64_t replica, first, last;  // rows first..last, none when there is nothing to do
};

CIRCUMPLEX_INLINE bool stopped(const Control& control, int64_t copies, int64_t replica) {
  return copies == control.replicas && !control.active[replica];
}

CIRCUMPLEX_INLINE int64_t rows_in_use(const Rows& rows) {
  const Control& control = *rows.control;
  if (!rows.frames) return rows.count;
  return control.frames > 0 ? (rows.frames - control.chunk + control.frames) * control.lanes : 0;
}

CIRCUMPLEX_INLINE Block block_of(const Rows& rows, int64_t task) {
  Block block = {task / rows.blocks, 0, 0};
  if (stopped(*rows.control, rows.copies, block.replica)) return block;
  const int64_t used = rows_in_use(rows);
  block.first = smaller(used, task % rows.blocks * kBlockRows);
  block.last = smaller(used, block.first + kBlockRows);
  return block;
}

// Whether a row of a tensor without halo is a valid frame of its lane.
CIRCUMPLEX_INLINE bool valid_row(const Control& control, int64_t row) {
  return row / control.lanes < control.length[row % control.lanes];
}

// ---- while planning ----

CIRCUMPLEX_INLINE Rows rows_of(const Plan& plan, const Call& call, const Tensor& result) {
  Rows rows = {};
  rows.control = &plan.control;
  rows.copies = result.replicas;
  rows.width = result.rank ? result.dims[result.rank - 1] : 1;
  if (rows.width < 1) call.refuse("the last axis is empty");
  rows.count = result.size() / rows.width;
  if (result.rank == 3) {
    if (result.dims[0] < plan.control.chunk || result.dims[1] != plan.control.lanes) {
      call.refuse("an activation needs the program's frames a chunk, or more, and its lanes");
    }
    rows.frames = result.dims[0];
  }
  rows.blocks = divide_up(rows.count, kBlockRows);
  return rows;
}

// A result that all replicas share cannot come of what each has of its own.
CIRCUMPLEX_INLINE const Tensor& source(const Call& call, const Tensor& result, const Tensor& input) {
  if (input.replicas > result.replicas) call.refuse("a result that all replicas share has an input that they do not");
  return input;
}

CIRCUMPLEX_INLINE const Tensor& replicated(const Plan& plan, const Call& call, const Tensor& result) {
  if (result.replicas != plan.control.replicas) call.refuse("each replica needs a result of its own");
  return result;
}

CIRCUMPLEX_INLINE bool same_shape(const Tensor& a, const Tensor& b) {
  if (a.rank != b.rank) return false;
  for (int32_t i = 0; i < a.rank; i++) {
    if (a.dims[i] != b.dims[i]) return false;
  }
  return true;
}

}  // namespace circumplex::CIRCUMPLEX_ISA

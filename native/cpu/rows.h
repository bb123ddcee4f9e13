#pragma once
// The rows of a tensor, shared out to threads in blocks.

#include "cpu/plan.h"
#include "cpu/simd.h"
#include "operators/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {

constexpr int64_t kBlockRows = 96;      // rows a task
constexpr int64_t kBlockValues = 4096;  // values a task, where a tensor is one flat run

struct Block {
  int64_t replica, first, last;  // rows first..last, none when there is nothing to do
};

CIRCUMPLEX_INLINE int64_t tasks_of(const Rows& rows) { return rows.copies * divide_up(rows.count, kBlockRows); }

CIRCUMPLEX_INLINE bool stopped(const Control& control, int64_t copies, int64_t replica) {
  return copies == control.replicas && !control.active[replica];
}

CIRCUMPLEX_INLINE int64_t rows_in_use(const Rows& rows) {
  const Control& control = *rows.control;
  if (!rows.frames) return rows.count;
  return control.frames > 0 ? (rows.frames - control.chunk + control.frames) * control.lanes : 0;
}

CIRCUMPLEX_INLINE Block block_of(const Rows& rows, int64_t task) {
  const int64_t blocks = divide_up(rows.count, kBlockRows);
  Block block = {task / blocks, 0, 0};
  if (stopped(*rows.control, rows.copies, block.replica)) return block;
  const int64_t used = rows_in_use(rows);
  block.first = smaller(used, task % blocks * kBlockRows);
  block.last = smaller(used, block.first + kBlockRows);
  return block;
}

// Whether a row of a tensor without halo is a valid frame of its lane.
CIRCUMPLEX_INLINE bool valid_row(const Control& control, int64_t row) {
  return row / control.lanes < control.length[row % control.lanes];
}

}  // namespace circumplex::CIRCUMPLEX_ISA

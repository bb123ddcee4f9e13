#pragma once
// The gradient of a weight: a sum over all frames of the chunk. Rows (frames x lanes) go by slabs of 2048, whose
// partial sums are added by a fixed tree: the bits depend on the number of rows alone, never on threads.

#include "cpu/gemm.h"
#include "cpu/plan.h"

namespace circumplex::CIRCUMPLEX_ISA {

constexpr int64_t kSlab = 2048;

struct WeightGradient {
  int64_t m = 0, n = 0;              // of the gradient
  const int32_t* columns = nullptr;  // row of the gradient -> column of a; null: the same
  const float* a = nullptr;          // [rows, lda], a_stride from replica to replica
  int64_t a_stride = 0, lda = 0;
  const float* b = nullptr;  // [rows, ldb]; null: ones, for a bias (n = 1)
  int64_t b_stride = 0, ldb = 0;
  // Where the rows lie, in the order in which they are added; null: one after the other.
  const int32_t *a_rows = nullptr, *b_rows = nullptr;
  Tensor out = {};   // [m, n]
  Tensor twin = {};  // receives the same values (the second bias of an LSTM), or data = null
  int64_t halo = 0;  // frames beyond the chunk that carry gradient too
  // Filled by plan_weight_gradients.
  const Control* control = nullptr;
  int64_t slabs = 0, blocks = 0, parts = 0;  // of the sum, of b's columns, of the gradient's rows
  float* partial = nullptr;
};

// Adds the products to the round after the plan's last, and, where there is more than one slab, a round that adds them
// up.
void plan_weight_gradients(Plan& plan, const Call& call, WeightGradient* gradients, int64_t count, int64_t frames);

}  // namespace circumplex::CIRCUMPLEX_ISA

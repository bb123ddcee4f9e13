#pragma once
// Matrix products. Every element of a result is one chain of fused multiply-adds over k, in order, from a given start:
// its bits do not depend on how rows and columns are blocked or shared out to threads.

#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

constexpr int kPanel = 2 * W;  // columns of a packed panel

// What a product is added to.
enum class Start { zero, bias, output };

// The k that one instruction of the sets with bfloat16 products adds up.
#if defined(CIRCUMPLEX_PRODUCTS_AMX)
constexpr int64_t kStep = 32;
#else
constexpr int64_t kStep = 2;
#endif

// Floats of the panels of a [k, n] matrix.
CIRCUMPLEX_INLINE int64_t packed_size(int64_t k, int64_t n) { return larger(k, kStep / 2) * round_up(n, kPanel); }

// Packs panels first..last of B[k][j] = w[row(j)][k], w [rows, k] with leading dimension `ld`. `rows` (may be null)
// maps a column to its row of w, -1 gives zeros.
void pack_transposed(float* panels, const float* w, int64_t ld, int64_t n, int64_t k, const int32_t* rows,
                     int64_t first, int64_t last);
// Packs panels first..last of B[k][j] = w[row(k)][j], w [rows, n] with leading dimension `ld`.
void pack_plain(float* panels, const float* w, int64_t ld, int64_t n, int64_t k, const int32_t* rows, int64_t first,
                int64_t last);

// c [m, n] = start + a [m, k] * B, B packed, all of its n columns.
void multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* panels, Start start,
                   const float* bias, float* c, int64_t ldc);

// Rows in memory, `ld` floats apart; `at` (may be null) says where each lies.
struct RowList {
  const float* data;
  int64_t ld;
  const int32_t* at;
};

CIRCUMPLEX_INLINE const float* row_of(const RowList& rows, int64_t i) {
  return rows.data + (rows.at ? rows.at[i] : i) * rows.ld;
}

// Packs rows first .. first + k - 1 of b [.., n] as B[k][j].
CIRCUMPLEX_INLINE void pack_list(float* panels, const RowList& b, int64_t n, int64_t first, int64_t k) {
  pack_plain(panels, b.at ? b.data : b.data + first * b.ld, b.ld, n, k, b.at ? b.at + first : nullptr, 0,
             divide_up(n, kPanel));
}

// c [m, n] = start + a' b, a [k, m] and b [k, n]: the sum over frames of a weight gradient. `columns` (may be null)
// maps a row of c to its column of a. `scratch` holds outer_scratch(n) floats.
void multiply_outer(int64_t m, int64_t n, int64_t k, const RowList& a, const int32_t* columns, const RowList& b,
                    Start start, float* c, int64_t ldc, float* scratch);
int64_t outer_scratch(int64_t n);

}  // namespace circumplex::CIRCUMPLEX_ISA

#pragma once
// The inner loop of every product: R rows times N vectors of columns, all sums in registers.

#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

// sum[r][v] += sum over k of a[r * row + k * step] * b[k][v]; b is packed [k][N * W].
template <int R, int N>
CIRCUMPLEX_INLINE void multiply_tile(V (&sum)[R][N], const float* a, int64_t row, int64_t step, const float* b,
                                     int64_t k) {
  for (int64_t i = 0; i < k; i++, b += N * W) {
    const float* column = a + i * step;
    if constexpr (R < N) {  // fewer rows than vectors: hold the rows' values, stream the columns
      V x[R];
      for (int r = 0; r < R; r++) x[r] = set1(column[r * row]);
      for (int v = 0; v < N; v++) {
        const V y = load(b + v * W);
        for (int r = 0; r < R; r++) sum[r][v] = fma(x[r], y, sum[r][v]);
      }
    } else {
      V y[N];
      for (int v = 0; v < N; v++) y[v] = load(b + v * W);
      for (int r = 0; r < R; r++) {
        const V x = set1(column[r * row]);
        for (int v = 0; v < N; v++) sum[r][v] = fma(x, y[v], sum[r][v]);
      }
    }
  }
}

}  // namespace circumplex::CIRCUMPLEX_ISA

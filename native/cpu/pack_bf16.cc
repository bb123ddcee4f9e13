#include "cpu/bfloat16.h"

namespace circumplex::CIRCUMPLEX_ISA {

void pack_transposed(float* panels, const float* w, int64_t ld, int64_t n, int64_t k, const int32_t* rows,
                     int64_t first, int64_t last) {
  for (int64_t p = first; p < last; p++) {
    uint32_t* panel = panel_of(panels, p, k);
    for (int64_t j = 0; j < kPanel; j += kBlock) {
      for (int64_t i = 0; i < pairs_of(k); i += kBlock) {
        alignas(64) PairBlock block = {};
        for (int64_t c = 0; c < kBlock; c++) {
          const int64_t column = p * kPanel + j + c, row = column >= n ? -1 : rows ? rows[column] : column;
          if (row >= 0) pair_row(block[c], w + row * ld + 2 * i, smaller(2 * kBlock, k - 2 * i));
        }
        transpose(block);
        for (int64_t r = 0; r < smaller(kBlock, pairs_of(k) - i); r++) {
          std::memcpy(panel + (i + r) * kPanel + j, block[r], sizeof block[r]);
        }
      }
    }
  }
}

void pack_plain(float* panels, const float* w, int64_t ld, int64_t n, int64_t k, const int32_t* rows, int64_t first,
                int64_t last) {
  const auto row_of = [&](int64_t i) -> const float* {
    const int64_t row = i >= k ? -1 : rows ? rows[i] : i;
    return row < 0 ? nullptr : w + row * ld;
  };
  for (int64_t p = first; p < last; p++) {
    uint32_t* panel = panel_of(panels, p, k);
    for (int64_t i = 0; i < pairs_of(k); i++, panel += kPanel) {
      const float *low = row_of(2 * i), *high = row_of(2 * i + 1);
      for (int64_t j = 0; j < kPanel; j += W) {
        const int64_t column = p * kPanel + j;
        const int left = static_cast<int>(larger(0, smaller(W, n - column)));
        pair_columns(panel + j, low ? low + column : nullptr, high ? high + column : nullptr, left);
      }
    }
  }
}

}  // namespace circumplex::CIRCUMPLEX_ISA

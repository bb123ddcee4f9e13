// The products of gemm.h with both factors rounded to bfloat16, added up in float: half the bytes, and on a processor
// with AVX512-BF16 twice the products an instruction. Compiled instead of gemm.cc for the sets named -bf16.
//
// Factors lie in pairs of neighbouring k. A pair's products are added to a sum one after the other, the odd one first,
// each rounded once: the order of VDPBF16PS, which AVX2 follows bit by bit; denormals are 0 to it, as they are to
// the engine's threads. As in gemm.cc no bit depends on blocking, since a block begins at an even k.

#include "cpu/bfloat16.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

// W pairs, a pair in 32 bits, the even one low.
#if defined(CIRCUMPLEX_ISA_AVX512)
using P = __m512i;
CIRCUMPLEX_INLINE P load_pairs(const uint32_t* p) { return _mm512_loadu_si512(p); }
CIRCUMPLEX_INLINE P set1_pair(uint32_t a) { return _mm512_set1_epi32(static_cast<int>(a)); }
CIRCUMPLEX_INLINE V add_products(V sum, P a, P b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
constexpr int kTileRows = 12;
#else
using P = __m256i;
CIRCUMPLEX_INLINE P load_pairs(const uint32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
CIRCUMPLEX_INLINE P set1_pair(uint32_t a) { return _mm256_set1_epi32(static_cast<int>(a)); }
CIRCUMPLEX_INLINE V even(P a) { return _mm256_castsi256_ps(_mm256_slli_epi32(a, 16)); }
CIRCUMPLEX_INLINE V odd(P a) {
  return _mm256_castsi256_ps(_mm256_and_si256(a, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
}
CIRCUMPLEX_INLINE V add_products(V sum, P a, P b) { return fma(even(a), even(b), fma(odd(a), odd(b), sum)); }
constexpr int kTileRows = 6;
#endif

constexpr int64_t kDepth = 512;  // k a block, even
constexpr int64_t kRows = 48;    // rows a block: their factors (48 KiB) stay in the second-level cache

// One tile of R rows and a panel's columns; a [pairs][...] with steps `row` and `step`.
template <int R>
void tile_rows(const uint32_t* a, int64_t row, int64_t step, const uint32_t* panel, int64_t pairs, Start start,
               const float* bias, float* c, int64_t ldc, int64_t columns) {
  V sum[R][2];
  const int n[2] = {static_cast<int>(smaller(columns, W)), static_cast<int>(larger(0, columns - W))};
  for (int r = 0; r < R; r++) {
    for (int v = 0; v < 2; v++) {
      sum[r][v] = start == Start::zero || n[v] == 0 ? zero()
                                                    : load_n((start == Start::bias ? bias : c + r * ldc) + v * W, n[v]);
    }
  }
  for (int64_t i = 0; i < pairs; i++, panel += kPanel) {
    const P y[2] = {load_pairs(panel), load_pairs(panel + W)};
    for (int r = 0; r < R; r++) {
      const P x = set1_pair(a[r * row + i * step]);
      for (int v = 0; v < 2; v++) sum[r][v] = add_products(sum[r][v], x, y[v]);
    }
  }
  for (int r = 0; r < R; r++) {
    for (int v = 0; v < 2; v++) {
      if (n[v]) store_n(c + r * ldc + v * W, sum[r][v], n[v]);
    }
  }
}

using TileFunction = void (*)(const uint32_t*, int64_t, int64_t, const uint32_t*, int64_t, Start, const float*, float*,
                              int64_t, int64_t);
constexpr TileFunction kTiles[] = {
    nullptr,      tile_rows<1>, tile_rows<2>, tile_rows<3>,  tile_rows<4>,  tile_rows<5>, tile_rows<6>,
#if defined(CIRCUMPLEX_ISA_AVX512)
    tile_rows<7>, tile_rows<8>, tile_rows<9>, tile_rows<10>, tile_rows<11>, tile_rows<12>
#endif
};

// Rows of the next tile when `left` remain.
int64_t even_share(int64_t left) { return divide_up(left, divide_up(left, kTileRows)); }

// Columns m0 .. m0 + m - 1 of rows k0 .. of a [.., m] as [pairs][kTileRows]; room for W pairs more.
void pack_pairs(uint32_t* packed, const RowList& a, const int32_t* columns, int64_t m0, int64_t m, int64_t k0,
                int64_t depth) {
  const int64_t base = columns ? columns[m0] : m0;
  const bool together = !columns || columns[m0 + m - 1] - base == m - 1;
  for (int64_t i = 0; i < depth; i += 2, packed += kTileRows) {
    const float *low = row_of(a, k0 + i), *high = i + 1 < depth ? row_of(a, k0 + i + 1) : nullptr;
    if (together) {  // what a vector has beyond the tile's rows is overwritten by the next pairs
      pair_columns(packed, low + base, high ? high + base : nullptr, static_cast<int>(m));
      continue;
    }
    for (int64_t r = 0; r < m; r++) packed[r] = pair(low[columns[m0 + r]], high ? high[columns[m0 + r]] : 0);
  }
}

}  // namespace

void multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* panels, Start start,
                   const float* bias, float* c, int64_t ldc) {
  uint32_t rounded[kRows * kDepth / 2];
  for (int64_t m0 = 0; m0 < m; m0 += kRows) {
    const int64_t count = smaller(kRows, m - m0);
    int64_t k0 = 0;
    do {
      const int64_t depth = smaller(kDepth, k - k0), pairs = pairs_of(depth);
      for (int64_t i = 0; i < count; i++) pair_row(rounded + i * pairs, a + (m0 + i) * lda + k0, depth);
      for (int64_t j = 0; j < n; j += kPanel) {
        const uint32_t* panel = panel_of(const_cast<float*>(panels), j / kPanel, k) + k0 / 2 * kPanel;
        for (int64_t i = 0, rows; i < count; i += rows) {
          rows = even_share(count - i);
          kTiles[rows](rounded + i * pairs, pairs, 1, panel, pairs, k0 ? Start::output : start,
                       bias ? bias + j : nullptr, c + (m0 + i) * ldc + j, ldc, n - j);
        }
      }
      k0 += depth;
    } while (k0 < k);
  }
}

int64_t outer_scratch(int64_t n) { return kDepth / 2 * (round_up(n, kPanel) + kTileRows) + W; }

void multiply_outer(int64_t m, int64_t n, int64_t k, const RowList& a, const int32_t* columns, const RowList& b,
                    Start start, float* c, int64_t ldc, float* scratch) {
  uint32_t* packed = reinterpret_cast<uint32_t*>(scratch) + kDepth / 2 * round_up(n, kPanel);
  int64_t k0 = 0;
  do {
    const int64_t depth = smaller(kDepth, k - k0), pairs = pairs_of(depth);
    pack_list(scratch, b, n, k0, depth);
    for (int64_t i = 0; i < m; i += kTileRows) {
      const int64_t rows = smaller(kTileRows, m - i);
      pack_pairs(packed, a, columns, i, rows, k0, depth);
      for (int64_t j = 0; j < n; j += kPanel) {
        kTiles[rows](packed, 1, kTileRows, panel_of(scratch, j / kPanel, depth), pairs, k0 ? Start::output : start,
                     nullptr, c + i * ldc + j, ldc, n - j);
      }
    }
    k0 += depth;
  } while (k0 < k);
}

}  // namespace circumplex::CIRCUMPLEX_ISA

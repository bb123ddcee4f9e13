#include "cpu/gemm.h"

#include "cpu/tile.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

using Four = int32_t __attribute__((vector_size(16)));
using FourFloats = float __attribute__((vector_size(16)));

constexpr int64_t kDepth = 256;  // k a block: a panel (16 KiB on AVX2) stays in the first-level cache
constexpr int64_t kRows = 96;    // rows a block: their part of a (96 KiB) stays in the second-level cache

// One tile of R rows and a panel's columns, added to what c holds, or to the bias, or to zero.
template <int R>
void tile_rows(const float* a, int64_t row, int64_t step, const float* panel, int64_t k, Start start, const float* bias,
               float* c, int64_t ldc, int64_t columns) {
  V sum[R][2];
  const int n0 = static_cast<int>(smaller(columns, W)), n1 = static_cast<int>(larger(0, columns - W));
  for (int r = 0; r < R; r++) {
    if (start == Start::output) {
      sum[r][0] = load_n(c + r * ldc, n0);
      sum[r][1] = n1 ? load_n(c + r * ldc + W, n1) : zero();
    } else if (start == Start::bias) {
      sum[r][0] = load_n(bias, n0);
      sum[r][1] = n1 ? load_n(bias + W, n1) : zero();
    } else {
      sum[r][0] = sum[r][1] = zero();
    }
  }
  multiply_tile<R, 2>(sum, a, row, step, panel, k);
  for (int r = 0; r < R; r++) {
    store_n(c + r * ldc, sum[r][0], n0);
    if (n1) store_n(c + r * ldc + W, sum[r][1], n1);
  }
}

using TileFunction = void (*)(const float*, int64_t, int64_t, const float*, int64_t, Start, const float*, float*,
                              int64_t, int64_t);

#if defined(CIRCUMPLEX_ISA_AVX512) || defined(CIRCUMPLEX_ISA_WIDE)
constexpr int kTileRows = 12;
constexpr TileFunction kTiles[] = {nullptr,       tile_rows<1>,  tile_rows<2>, tile_rows<3>, tile_rows<4>,
                                   tile_rows<5>,  tile_rows<6>,  tile_rows<7>, tile_rows<8>, tile_rows<9>,
                                   tile_rows<10>, tile_rows<11>, tile_rows<12>};
#else
constexpr int kTileRows = 6;
constexpr TileFunction kTiles[] = {nullptr,      tile_rows<1>, tile_rows<2>, tile_rows<3>,
                                   tile_rows<4>, tile_rows<5>, tile_rows<6>};
#endif

// The same for R rows, few of them, and P whole panels: so many sums in flight that none waits for the one before.
template <int R, int P>
void tile_panels(const float* a, int64_t lda, const float* panels, int64_t stride, int64_t k, Start start,
                 const float* bias, float* c, int64_t ldc) {
  V sum[R][P][2];
  for (int r = 0; r < R; r++) {
    for (int p = 0; p < P; p++) {
      for (int v = 0; v < 2; v++) {
        const int64_t at = p * kPanel + v * W;
        sum[r][p][v] = start == Start::output ? load(c + r * ldc + at)
                       : start == Start::bias ? load(bias + at)
                                              : zero();
      }
    }
  }
  for (int64_t i = 0; i < k; i++, panels += kPanel) {
    V x[R];
    for (int r = 0; r < R; r++) x[r] = set1(a[r * lda + i]);
    for (int p = 0; p < P; p++) {
      for (int v = 0; v < 2; v++) {
        const V y = load(panels + p * stride + v * W);
        for (int r = 0; r < R; r++) sum[r][p][v] = fma(x[r], y, sum[r][p][v]);
      }
    }
  }
  for (int r = 0; r < R; r++) {
    for (int p = 0; p < P; p++) {
      for (int v = 0; v < 2; v++) store(c + r * ldc + p * kPanel + v * W, sum[r][p][v]);
    }
  }
}

struct PanelTile {
  int64_t panels;
  void (*run)(const float*, int64_t, const float*, int64_t, int64_t, Start, const float*, float*, int64_t);
};
constexpr PanelTile kPanelTiles[] = {{}, {4, tile_panels<1, 4>}, {2, tile_panels<2, 2>}, {2, tile_panels<3, 2>}};
constexpr int64_t kFewRows = 3;

// Rows of the next tile when `left` remain: 9 go as 5 and 4, since a tile of 3 rows has too few sums in flight.
int64_t even_share(int64_t left) { return divide_up(left, divide_up(left, kTileRows)); }

// Rows k0 .. k0 + k - 1 of a [.., m] packed as [k][kTileRows] for rows m0.. of the result. `packed` has room for W
// floats more.
void pack_rows(float* packed, const RowList& a, const int32_t* columns, int64_t m0, int64_t m, int64_t k0, int64_t k) {
  const int64_t count = smaller(kTileRows, m - m0);
  const int64_t base = columns ? columns[m0] : m0;
  const bool contiguous = !columns || columns[m0 + count - 1] - base == count - 1;
  if (contiguous && count == kTileRows && base + round_up(kTileRows, W) <= a.ld) {
    // Whole vectors; what they carry beyond the tile's rows is overwritten by the next row.
    for (int64_t i = 0; i < k; i++) {
      const float* from = row_of(a, k0 + i) + base;
      for (int v = 0; v < kTileRows; v += W) store(packed + i * kTileRows + v, load(from + v));
    }
    return;
  }
  for (int64_t i = 0; i < k; i++) {
    const float* from = row_of(a, k0 + i);
    float* to = packed + i * kTileRows;
    for (int64_t r = 0; r < count; r++) to[r] = from[columns ? columns[m0 + r] : m0 + r];
    for (int64_t r = count; r < kTileRows; r++) to[r] = 0;
  }
}

}  // namespace

void pack_transposed(float* panels, const float* w, int64_t ld, int64_t n, int64_t k, const int32_t* rows,
                     int64_t first, int64_t last) {
  for (int64_t p = first; p < last; p++) {
    for (int64_t j = 0; j < kPanel; j += 4) {
      // Four columns at a time, in one store; a column that is not there reads another and is cleared.
      const float* from[4];
      Four there;
      for (int64_t c = 0; c < 4; c++) {
        const int64_t column = p * kPanel + j + c;
        const int64_t row = column >= n ? -1 : rows ? rows[column] : column;
        from[c] = w + larger(row, 0) * ld;
        there[c] = row < 0 ? 0 : -1;
      }
      float* to = panels + p * k * kPanel + j;
      for (int64_t i = 0; i < k; i++, to += kPanel) {
        const Four columns = reinterpret_cast<Four>(FourFloats{from[0][i], from[1][i], from[2][i], from[3][i]}) & there;
        std::memcpy(to, &columns, sizeof columns);
      }
    }
  }
}

void pack_plain(float* panels, const float* w, int64_t ld, int64_t n, int64_t k, const int32_t* rows, int64_t first,
                int64_t last) {
  for (int64_t p = first; p < last; p++) {
    float* panel = panels + p * k * kPanel;
    const int64_t columns = smaller(kPanel, n - p * kPanel);
    const int low = static_cast<int>(smaller(columns, W)), high = static_cast<int>(larger(0, columns - W));
    for (int64_t i = 0; i < k; i++) {
      const int64_t row = rows ? rows[i] : i;
      const float* from = w + row * ld + p * kPanel;
      store(panel + i * kPanel, row < 0 ? zero() : load_n(from, low));
      store(panel + i * kPanel + W, row < 0 || !high ? zero() : load_n(from + W, high));
    }
  }
}

void multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* panels, Start start,
                   const float* bias, float* c, int64_t ldc) {
  for (int64_t m0 = 0; m0 < m; m0 += kRows) {
    const int64_t m1 = smaller(m, m0 + kRows);
    int64_t k0 = 0;
    do {
      const int64_t depth = smaller(kDepth, k - k0);
      const Start from = k0 ? Start::output : start;
      int64_t j = 0;
      if (m1 - m0 <= kFewRows) {
        const PanelTile& tile = kPanelTiles[m1 - m0];
        const int64_t columns = tile.panels * kPanel;
        for (; n - j >= columns; j += columns) {
          tile.run(a + m0 * lda + k0, lda, panels + j * k + k0 * kPanel, k * kPanel, depth, from,
                   bias ? bias + j : nullptr, c + m0 * ldc + j, ldc);
        }
      }
      for (; j < n; j += kPanel) {
        const float* panel = panels + j * k + k0 * kPanel;
        for (int64_t i = m0, rows; i < m1; i += rows) {
          rows = even_share(m1 - i);
          kTiles[rows](a + i * lda + k0, lda, 1, panel, depth, from, bias ? bias + j : nullptr, c + i * ldc + j, ldc,
                       n - j);
        }
      }
      k0 += depth;
    } while (k0 < k);
  }
}

int64_t outer_scratch(int64_t n) { return kDepth * (round_up(n, kPanel) + kTileRows) + W; }

void multiply_outer(int64_t m, int64_t n, int64_t k, const RowList& a, const int32_t* columns, const RowList& b,
                    Start start, float* c, int64_t ldc, float* scratch) {
  float* panels = scratch;
  float* packed = scratch + kDepth * round_up(n, kPanel);
  int64_t k0 = 0;
  do {
    const int64_t depth = smaller(kDepth, k - k0);
    const Start from = k0 ? Start::output : start;
    pack_list(panels, b, n, k0, depth);
    for (int64_t i = 0; i < m; i += kTileRows) {
      pack_rows(packed, a, columns, i, m, k0, depth);
      const int64_t rows = smaller(kTileRows, m - i);
      for (int64_t j = 0; j < n; j += kPanel) {
        kTiles[rows](packed, 1, kTileRows, panels + j * depth, depth, from, nullptr, c + i * ldc + j, ldc, n - j);
      }
    }
    k0 += depth;
  } while (k0 < k);
}

}  // namespace circumplex::CIRCUMPLEX_ISA

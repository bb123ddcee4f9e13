// The products of gemm_bf16.cc in AMX's tiles, many times as many an instruction. An element's sum goes by steps of 32
// k (amx.h), from the first k on, so no bit depends on blocking here either; they are not the bits of the other sets.

#include "cpu/amx.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kDepth = 512;  // k a block, whole steps
constexpr int64_t kRows = 32;    // rows a block: two tiles
constexpr int64_t kTileRows = 16, kTileColumns = 16, kTilePairs = kStep / 2;

// Tiles 0 to 3 are sums, then come those of a, then those of B.
template <int R, int N>
struct Layout {
  static constexpr int sum(int r, int n) { return r * N + n; }
  static constexpr int a(int r) { return 4 + r; }
  static constexpr int b(int n) { return 4 + R + n % (4 - R); }
};

void shape_tiles(int64_t rows) {
  TileShapes shapes;
  for (int t = 0; t < 8; t++) {
    shapes.bytes[t] = 64;
    shapes.rows[t] = kTileRows;
  }
  const auto low = static_cast<uint8_t>(smaller(rows, kTileRows)), high = static_cast<uint8_t>(rows - low);
  if (high) {  // Layout<2, 2>
    shapes.rows[2] = shapes.rows[3] = shapes.rows[5] = high;
  } else {  // Layout<1, N>
    shapes.rows[0] = shapes.rows[1] = shapes.rows[2] = shapes.rows[3] = shapes.rows[4] = low;
  }
  configure(shapes);
}

template <int I>
struct Index {
  static constexpr int value = I;
};

template <int N, int I = 0, class F>
CIRCUMPLEX_INLINE void each(F f) {
  if constexpr (I < N) {
    f(Index<I>());
    each<N, I + 1>(f);
  }
}

// R tiles of rows of a, `pitch` pairs apart, times N tiles of columns: those of one panel, or of two.
template <int R, int N>
void multiply_block(const uint32_t* a, int64_t pitch, const uint32_t* panel, int64_t next_panel, int64_t pairs,
                    Start start, const float* bias, float* c, int64_t ldc) {
  using L = Layout<R, N>;
  each<R>([&](auto r) {
    each<N>([&](auto n) {
      constexpr int kTile = L::sum(r.value, n.value);
      const int64_t column = n.value * kTileColumns;
      if (start == Start::zero) {
        clear_tile<kTile>();
      } else if (start == Start::bias) {
        load_tile<kTile>(bias + column, 0);
      } else {
        load_tile<kTile>(c + r.value * kTileRows * ldc + column, ldc * 4);
      }
    });
  });
  for (int64_t i = 0; i < pairs; i += kTilePairs) {
    each<R>([&](auto r) { load_tile<L::a(r.value)>(a + r.value * kTileRows * pitch + i, pitch * 4); });
    each<N>([&](auto n) {
      const uint32_t* from = panel + n.value / 2 * next_panel + i * kPanel + n.value % 2 * kTileColumns;
      load_tile<L::b(n.value)>(from, kPanel * 4);
      each<R>([&](auto r) { multiply_tiles<L::sum(r.value, n.value), L::a(r.value), L::b(n.value)>(); });
    });
  }
  each<R>([&](auto r) {
    each<N>([&](auto n) {
      float* to = c + r.value * kTileRows * ldc + n.value * kTileColumns;
      store_tile<L::sum(r.value, n.value)>(to, ldc * 4);
    });
  });
}

// c [rows, n] = start + a B for at most kRows rows of pairs, and all of B's columns.
void multiply_pairs(int64_t rows, int64_t n, const uint32_t* a, int64_t pitch, const uint32_t* panels,
                    int64_t next_panel, int64_t pairs, Start start, const float* bias, float* c, int64_t ldc) {
  shape_tiles(rows);
  int64_t j = 0;
  if (rows <= kTileRows) {
    for (; n - j >= 2 * kPanel; j += 2 * kPanel) {
      multiply_block<1, 4>(a, pitch, panels + j / kPanel * next_panel, next_panel, pairs, start,
                           bias ? bias + j : nullptr, c + j, ldc);
    }
  }
  for (; j < n; j += kPanel) {
    const auto multiply = rows > kTileRows ? multiply_block<2, 2> : multiply_block<1, 2>;
    const uint32_t* panel = panels + j / kPanel * next_panel;
    if (n - j >= kPanel) {
      multiply(a, pitch, panel, next_panel, pairs, start, bias ? bias + j : nullptr, c + j, ldc);
      continue;
    }
    // A tile's row is whole: the last columns go by way of a block that has them all.
    float whole[kRows * kPanel] = {};
    const int left = static_cast<int>(n - j);
    for (int64_t r = 0; r < rows && start != Start::zero; r++) {
      for (int64_t v = 0; v < left; v++)
        whole[r * kPanel + v] = start == Start::bias ? bias[j + v] : c[r * ldc + j + v];
    }
    multiply(a, pitch, panel, next_panel, pairs, Start::output, nullptr, whole, kPanel);
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t v = 0; v < left; v++) c[r * ldc + j + v] = whole[r * kPanel + v];
    }
  }
  release_tiles();
}

// The pairs of columns first .. first + count - 1 of a [k, m], a row each, `pitch` apart.
void pair_columns_as_rows(uint32_t* to, int64_t pitch, const RowList& a, const int32_t* columns, int64_t first,
                          int64_t count, int64_t k0, int64_t depth) {
  const int64_t base = columns ? columns[first] : first;
  const bool together = !columns || columns[first + count - 1] - base == count - 1;
  for (int64_t p = 0; p < pitch; p += kTilePairs) {
    alignas(64) PairBlock block;
    for (int64_t i = 0; i < kTilePairs; i++) {
      const int64_t at = 2 * (p + i);
      const float* row[2] = {at < depth ? row_of(a, k0 + at) : nullptr,
                             at + 1 < depth ? row_of(a, k0 + at + 1) : nullptr};
      float gathered[2][kTileColumns];
      for (int half = 0; half < 2; half++) {
        if (!row[half]) continue;
        if (together) {
          row[half] += base;
          continue;
        }
        for (int64_t c = 0; c < count; c++) gathered[half][c] = row[half][columns[first + c]];
        row[half] = gathered[half];
      }
      pair_columns(block[i], row[0], row[1], static_cast<int>(count));
    }
    transpose(block);
    for (int64_t c = 0; c < count; c++) std::memcpy(to + c * pitch + p, block[c], sizeof block[c]);
  }
}

}  // namespace

void multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* panels, Start start,
                   const float* bias, float* c, int64_t ldc) {
  alignas(64) uint32_t rounded[kRows * kDepth / 2];
  for (int64_t m0 = 0; m0 < m; m0 += kRows) {
    const int64_t rows = smaller(kRows, m - m0);
    int64_t k0 = 0;
    do {
      const int64_t depth = smaller(kDepth, k - k0), pairs = pairs_of(depth);
      for (int64_t i = 0; i < rows; i++) pair_row(rounded + i * pairs, a + (m0 + i) * lda + k0, depth);
      multiply_pairs(rows, n, rounded, pairs, panel_of(const_cast<float*>(panels), 0, k) + k0 / 2 * kPanel,
                     pairs_of(k) * kPanel, pairs, k0 ? Start::output : start, bias, c + m0 * ldc, ldc);
      k0 += depth;
    } while (k0 < k);
  }
}

int64_t outer_scratch(int64_t n) { return kDepth / 2 * (round_up(n, kPanel) + kRows); }

void multiply_outer(int64_t m, int64_t n, int64_t k, const RowList& a, const int32_t* columns, const RowList& b,
                    Start start, float* c, int64_t ldc, float* scratch) {
  uint32_t* packed = reinterpret_cast<uint32_t*>(scratch) + kDepth / 2 * round_up(n, kPanel);
  int64_t k0 = 0;
  do {
    const int64_t depth = smaller(kDepth, k - k0), pairs = pairs_of(depth);
    pack_list(scratch, b, n, k0, depth);
    for (int64_t i = 0; i < m; i += kRows) {
      const int64_t rows = smaller(kRows, m - i);
      for (int64_t r = 0; r < rows; r += kTileRows) {
        pair_columns_as_rows(packed + r * pairs, pairs, a, columns, i + r, smaller(kTileRows, rows - r), k0, depth);
      }
      multiply_pairs(rows, n, packed, pairs, panel_of(scratch, 0, depth), pairs * kPanel, pairs,
                     k0 ? Start::output : start, nullptr, c + i * ldc, ldc);
    }
    k0 += depth;
  } while (k0 < k);
}

}  // namespace circumplex::CIRCUMPLEX_ISA

#pragma once
// Factors of products rounded to bfloat16. They lie in pairs of neighbouring k: a pair in 32 bits, the even one low.

#include "cpu/gemm.h"

namespace circumplex::CIRCUMPLEX_ISA {

// To nearest, ties to even; a NaN stays one. A denormal becomes 0, which products take it for.
CIRCUMPLEX_INLINE uint32_t bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, magnitude = bits & 0x7fffffff;
  return magnitude > 0x7f800000 ? bits >> 16 | 0x40 : magnitude < 0x00800000 ? bits >> 16 & 0x8000 : rounded;
}

CIRCUMPLEX_INLINE uint32_t pair(float low, float high) { return bfloat16(low) | bfloat16(high) << 16; }

// Pairs of a panel's column: whole steps, the rest 0.
CIRCUMPLEX_INLINE int64_t pairs_of(int64_t k) { return round_up(k, kStep) / 2; }

// Panels lie in the floats of packed_size(), of which they need half, a row more where k is odd.
CIRCUMPLEX_INLINE uint32_t* panel_of(float* panels, int64_t p, int64_t k) {
  return reinterpret_cast<uint32_t*>(panels) + p * pairs_of(k) * kPanel;
}

// to[i] = pair(low[i], high[i]) for i < W, 0 from n on; `low` and `high` may be null, for zeros.
CIRCUMPLEX_INLINE void pair_columns(uint32_t* to, const float* low, const float* high, int n) {
#if defined(__AVX512BF16__)
  const auto bits = [n](const float* from) {
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(from ? load_n(from, n) : zero()));
  };
  _mm512_storeu_si512(to, _mm512_or_si512(bits(low), _mm512_slli_epi32(bits(high), 16)));
#else
  float values[2][W];
  store(values[0], low ? load_n(low, n) : zero());
  store(values[1], high ? load_n(high, n) : zero());
  for (int i = 0; i < W; i++) to[i] = pair(values[0][i], values[1][i]);
#endif
}

// The pairs of one row of k values.
CIRCUMPLEX_INLINE void pair_row(uint32_t* to, const float* from, int64_t k) {
#if defined(__AVX512BF16__)
  int64_t i = 0;
  for (; i + 32 <= k; i += 32) {
    _mm512_storeu_si512(to + i / 2, (__m512i)_mm512_cvtne2ps_pbh(load(from + i + 16), load(from + i)));
  }
  const int left = static_cast<int>(k - i);
  if (left == 0) return;
  const __m512i last = (__m512i)_mm512_cvtne2ps_pbh(load_n(from + i + 16, left - 16), load_n(from + i, left));
  _mm512_mask_storeu_epi32(to + i / 2, static_cast<__mmask16>((1u << (pairs_of(k) - i / 2)) - 1), last);
#else
  for (int64_t i = 0; i < k / 2; i++) to[i] = pair(from[2 * i], from[2 * i + 1]);
  for (int64_t i = k / 2; i < pairs_of(k); i++) to[i] = 2 * i < k ? pair(from[2 * i], 0) : 0;
#endif
}

// A block of pairs, its rows in the place of its columns.
constexpr int64_t kBlock = 16;
using PairBlock = uint32_t[kBlock][kBlock];

CIRCUMPLEX_INLINE void transpose(PairBlock& block) {
#if defined(CIRCUMPLEX_ISA_AVX512)
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_si512(block[i]);
  for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 2; j++) {
      a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + j + 2]);
      a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + j + 2]);
    }
  }
  // a[4 g + c]: of rows 4 g .. 4 g + 3 the columns c, c + 4, c + 8 and c + 12, a quarter each.
  for (int c = 0; c < 4; c++) {
    const __m512i low = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88), high = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd);
    const __m512i low2 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
    const __m512i high2 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
    _mm512_storeu_si512(block[c], _mm512_shuffle_i32x4(low, low2, 0x88));
    _mm512_storeu_si512(block[4 + c], _mm512_shuffle_i32x4(high, high2, 0x88));
    _mm512_storeu_si512(block[8 + c], _mm512_shuffle_i32x4(low, low2, 0xdd));
    _mm512_storeu_si512(block[12 + c], _mm512_shuffle_i32x4(high, high2, 0xdd));
  }
#else
  for (int64_t i = 0; i < kBlock; i++) {
    for (int64_t j = 0; j < i; j++) {
      const uint32_t other = block[i][j];
      block[i][j] = block[j][i];
      block[j][i] = other;
    }
  }
#endif
}

}  // namespace circumplex::CIRCUMPLEX_ISA

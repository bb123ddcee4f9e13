#pragma once
// The vector type V of W floats for the instruction set that this translation unit is compiled for, and the few
// operations that the kernels are written in. Everything is static: each unit keeps its own copy, and no copy built for
// a newer processor can be linked into the path of an older one. Another instruction set is another block below.
//
// fma() rounds once on AVX2 and AVX-512, so these two give the same bits; the baseline multiplies and adds.

#include <cstdint>
#include <cstring>

#if defined(CIRCUMPLEX_ISA_AVX2) || defined(CIRCUMPLEX_ISA_AVX512) || defined(CIRCUMPLEX_ISA_WIDE)
#include <immintrin.h>
#endif

#define CIRCUMPLEX_INLINE static inline __attribute__((always_inline))

namespace circumplex::CIRCUMPLEX_ISA {

#if defined(CIRCUMPLEX_ISA_AVX512)

using V = __m512;
constexpr int W = 16;
CIRCUMPLEX_INLINE V load(const float* p) { return _mm512_loadu_ps(p); }
CIRCUMPLEX_INLINE void store(float* p, V a) { _mm512_storeu_ps(p, a); }
CIRCUMPLEX_INLINE V load_n(const float* p, int n) {
  return n >= W ? load(p) : _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << (n < 0 ? 0 : n)) - 1), p);
}
CIRCUMPLEX_INLINE void store_n(float* p, V a, int n) {
  if (n >= W) return store(p, a);
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << (n < 0 ? 0 : n)) - 1), a);
}
CIRCUMPLEX_INLINE V set1(float a) { return _mm512_set1_ps(a); }
CIRCUMPLEX_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
CIRCUMPLEX_INLINE V fnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
CIRCUMPLEX_INLINE V min(V a, V b) { return _mm512_min_ps(a, b); }
CIRCUMPLEX_INLINE V max(V a, V b) { return _mm512_max_ps(a, b); }
CIRCUMPLEX_INLINE V sqrt(V a) { return _mm512_sqrt_ps(a); }
CIRCUMPLEX_INLINE V round(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
CIRCUMPLEX_INLINE V power2(V n) {  // 2^n for whole n in [-126, 127]
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
CIRCUMPLEX_INLINE V abs(V a) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff)));
}
CIRCUMPLEX_INLINE V copy_sign(V magnitude, V sign) {
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(0x80000000));
  return _mm512_castsi512_ps(
      _mm512_or_si512(_mm512_castps_si512(magnitude), _mm512_and_si512(_mm512_castps_si512(sign), mask)));
}
// The sum of 16 values by halves: i + (i + 8), then 4, 2, 1.
CIRCUMPLEX_INLINE float sum16(const V* a) {
  const __m256 low = _mm512_castps512_ps256(a[0]);
  const __m256 high = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(a[0]), 1));
  const __m256 s8 = _mm256_add_ps(low, high);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

#elif defined(CIRCUMPLEX_ISA_AVX2)

using V = __m256;
constexpr int W = 8;
CIRCUMPLEX_INLINE V load(const float* p) { return _mm256_loadu_ps(p); }
CIRCUMPLEX_INLINE void store(float* p, V a) { _mm256_storeu_ps(p, a); }
CIRCUMPLEX_INLINE __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CIRCUMPLEX_INLINE V load_n(const float* p, int n) { return n >= W ? load(p) : _mm256_maskload_ps(p, first(n)); }
CIRCUMPLEX_INLINE void store_n(float* p, V a, int n) {
  if (n >= W) return store(p, a);
  _mm256_maskstore_ps(p, first(n), a);
}
CIRCUMPLEX_INLINE V set1(float a) { return _mm256_set1_ps(a); }
CIRCUMPLEX_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
CIRCUMPLEX_INLINE V fnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
CIRCUMPLEX_INLINE V min(V a, V b) { return _mm256_min_ps(a, b); }
CIRCUMPLEX_INLINE V max(V a, V b) { return _mm256_max_ps(a, b); }
CIRCUMPLEX_INLINE V sqrt(V a) { return _mm256_sqrt_ps(a); }
CIRCUMPLEX_INLINE V round(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
CIRCUMPLEX_INLINE V power2(V n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
CIRCUMPLEX_INLINE V abs(V a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), a); }
CIRCUMPLEX_INLINE V copy_sign(V magnitude, V sign) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.f)));
}
CIRCUMPLEX_INLINE float sum16(const V* a) {
  const __m256 s8 = _mm256_add_ps(a[0], a[1]);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

#elif defined(CIRCUMPLEX_ISA_WIDE)

// AVX-512's shapes made of AVX2's vectors, for tests alone: tiles, panels and padding are those of W = 16, so a
// processor without AVX-512 can still prove that they change no bit.
struct V {
  __m256 low, high;
};
constexpr int W = 16;
CIRCUMPLEX_INLINE __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CIRCUMPLEX_INLINE V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
CIRCUMPLEX_INLINE void store(float* p, V a) {
  _mm256_storeu_ps(p, a.low);
  _mm256_storeu_ps(p + 8, a.high);
}
CIRCUMPLEX_INLINE V load_n(const float* p, int n) {
  return {_mm256_maskload_ps(p, first(n)), n > 8 ? _mm256_maskload_ps(p + 8, first(n - 8)) : _mm256_setzero_ps()};
}
CIRCUMPLEX_INLINE void store_n(float* p, V a, int n) {
  _mm256_maskstore_ps(p, first(n), a.low);
  if (n > 8) _mm256_maskstore_ps(p + 8, first(n - 8), a.high);
}
CIRCUMPLEX_INLINE V set1(float a) { return {_mm256_set1_ps(a), _mm256_set1_ps(a)}; }
#define CIRCUMPLEX_BOTH(name, arguments, low_half, high_half) \
  CIRCUMPLEX_INLINE V name arguments { return {low_half, high_half}; }
CIRCUMPLEX_BOTH(operator+, (V a, V b), a.low + b.low, a.high + b.high)
CIRCUMPLEX_BOTH(operator-, (V a, V b), a.low - b.low, a.high - b.high)
CIRCUMPLEX_BOTH(operator*, (V a, V b), a.low* b.low, a.high* b.high)
CIRCUMPLEX_BOTH(operator/, (V a, V b), a.low / b.low, a.high / b.high)
CIRCUMPLEX_BOTH(fma, (V a, V b, V c), _mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high))
CIRCUMPLEX_BOTH(fnma, (V a, V b, V c), _mm256_fnmadd_ps(a.low, b.low, c.low), _mm256_fnmadd_ps(a.high, b.high, c.high))
CIRCUMPLEX_BOTH(min, (V a, V b), _mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high))
CIRCUMPLEX_BOTH(max, (V a, V b), _mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high))
CIRCUMPLEX_BOTH(sqrt, (V a), _mm256_sqrt_ps(a.low), _mm256_sqrt_ps(a.high))
CIRCUMPLEX_BOTH(round, (V a), _mm256_round_ps(a.low, 8), _mm256_round_ps(a.high, 8))
CIRCUMPLEX_INLINE __m256 power2_half(__m256 n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
CIRCUMPLEX_BOTH(power2, (V n), power2_half(n.low), power2_half(n.high))
CIRCUMPLEX_BOTH(abs, (V a), _mm256_andnot_ps(_mm256_set1_ps(-0.f), a.low),
                _mm256_andnot_ps(_mm256_set1_ps(-0.f), a.high))
CIRCUMPLEX_BOTH(copy_sign, (V m, V s), _mm256_or_ps(m.low, _mm256_and_ps(s.low, _mm256_set1_ps(-0.f))),
                _mm256_or_ps(m.high, _mm256_and_ps(s.high, _mm256_set1_ps(-0.f))))
#undef CIRCUMPLEX_BOTH
CIRCUMPLEX_INLINE float sum16(const V* a) {
  const __m256 s8 = _mm256_add_ps(a[0].low, a[0].high);
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
}

#else  // the baseline of any processor: the compiler's own four-float vectors

using V = float __attribute__((vector_size(16)));
using VI = int32_t __attribute__((vector_size(16)));
constexpr int W = 4;
CIRCUMPLEX_INLINE V load(const float* p) {
  V a;
  __builtin_memcpy(&a, p, sizeof a);
  return a;
}
CIRCUMPLEX_INLINE void store(float* p, V a) { __builtin_memcpy(p, &a, sizeof a); }
CIRCUMPLEX_INLINE V load_n(const float* p, int n) {
  V a = {0, 0, 0, 0};
  for (int i = 0; i < W && i < n; i++) a[i] = p[i];
  return a;
}
CIRCUMPLEX_INLINE void store_n(float* p, V a, int n) {
  for (int i = 0; i < W && i < n; i++) p[i] = a[i];
}
CIRCUMPLEX_INLINE V set1(float a) { return V{a, a, a, a}; }
CIRCUMPLEX_INLINE V fma(V a, V b, V c) { return a * b + c; }
CIRCUMPLEX_INLINE V fnma(V a, V b, V c) { return c - a * b; }
CIRCUMPLEX_INLINE V min(V a, V b) { return a < b ? a : b; }  // b when either is NaN, as on x86
CIRCUMPLEX_INLINE V max(V a, V b) { return a > b ? a : b; }
CIRCUMPLEX_INLINE V sqrt(V a) {
  for (int i = 0; i < W; i++) a[i] = __builtin_sqrtf(a[i]);
  return a;
}
CIRCUMPLEX_INLINE V round(V a) {  // to nearest even, for |a| < 2^22
  const V magic = set1(12582912.f);
  return (a + magic) - magic;
}
CIRCUMPLEX_INLINE V power2(V n) { return reinterpret_cast<V>((__builtin_convertvector(n, VI) + 127) << 23); }
CIRCUMPLEX_INLINE V abs(V a) { return reinterpret_cast<V>(reinterpret_cast<VI>(a) & 0x7fffffff); }
CIRCUMPLEX_INLINE V copy_sign(V magnitude, V sign) {
  return reinterpret_cast<V>(reinterpret_cast<VI>(magnitude) |
                             (reinterpret_cast<VI>(sign) & static_cast<int32_t>(0x80000000)));
}
CIRCUMPLEX_INLINE float sum16(const V* a) {
  const V s4 = (a[0] + a[2]) + (a[1] + a[3]);
  return (s4[0] + s4[2]) + (s4[1] + s4[3]);
}

#endif

CIRCUMPLEX_INLINE V zero() { return set1(0.f); }

// The products of two vectors of n, summed in 16 strided chains and a fixed tree: the same bits for every W.
CIRCUMPLEX_INLINE float dot(const float* a, const float* b, int64_t n) {
  constexpr int kChains = 16 / W;
  V sum[kChains];
  for (int c = 0; c < kChains; c++) sum[c] = zero();
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int c = 0; c < kChains; c++) sum[c] = fma(load(a + i + c * W), load(b + i + c * W), sum[c]);
  }
  if (i < n) {
    for (int c = 0; c < kChains; c++) {
      const int left = static_cast<int>(n - i) - c * W;
      sum[c] = fma(load_n(a + i + c * W, left), load_n(b + i + c * W, left), sum[c]);
    }
  }
  return sum16(sum);
}

CIRCUMPLEX_INLINE int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
CIRCUMPLEX_INLINE int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }
CIRCUMPLEX_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
CIRCUMPLEX_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace circumplex::CIRCUMPLEX_ISA

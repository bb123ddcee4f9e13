#pragma once
// The vector type V of W floats for the instruction set that this translation unit is compiled for, and the few
// operations that the kernels are written in. Everything is static: each unit keeps its own copy, and no copy built for
// a newer processor can be linked into the path of an older one. Another instruction set is another block below.
//
// fma() rounds once on AVX2, AVX-512 and NEON, so these give the same bits; the baseline multiplies and adds.

#include <cstdint>
#include <cstring>

#if defined(CIRCUMPLEX_ISA_AVX2) || defined(CIRCUMPLEX_ISA_AVX512) || defined(CIRCUMPLEX_ISA_WIDE)
#include <immintrin.h>
#elif defined(CIRCUMPLEX_ISA_NEON)
#include <arm_neon.h>
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

#elif defined(CIRCUMPLEX_ISA_WIDE) || defined(CIRCUMPLEX_ISA_NEON)

// A vector of two halves H of kHalf floats.
#if defined(CIRCUMPLEX_ISA_WIDE)

// AVX-512's shapes made of AVX2's vectors, for tests alone: tiles, panels and padding are those of W = 16, so a
// processor without AVX-512 can still prove that they change no bit.
using H = __m256;
constexpr int kHalf = 8;
CIRCUMPLEX_INLINE __m256i first(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
CIRCUMPLEX_INLINE H half_load(const float* p) { return _mm256_loadu_ps(p); }
CIRCUMPLEX_INLINE H half_load_n(const float* p, int n) { return _mm256_maskload_ps(p, first(n)); }
CIRCUMPLEX_INLINE void half_store(float* p, H a) { _mm256_storeu_ps(p, a); }
CIRCUMPLEX_INLINE void half_store_n(float* p, H a, int n) { _mm256_maskstore_ps(p, first(n), a); }
CIRCUMPLEX_INLINE H half_set1(float a) { return _mm256_set1_ps(a); }
CIRCUMPLEX_INLINE H half_fma(H a, H b, H c) { return _mm256_fmadd_ps(a, b, c); }
CIRCUMPLEX_INLINE H half_fnma(H a, H b, H c) { return _mm256_fnmadd_ps(a, b, c); }
CIRCUMPLEX_INLINE H half_min(H a, H b) { return _mm256_min_ps(a, b); }
CIRCUMPLEX_INLINE H half_max(H a, H b) { return _mm256_max_ps(a, b); }
CIRCUMPLEX_INLINE H half_sqrt(H a) { return _mm256_sqrt_ps(a); }
CIRCUMPLEX_INLINE H half_round(H a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
CIRCUMPLEX_INLINE H half_power2(H n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
CIRCUMPLEX_INLINE H half_abs(H a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.f), a); }
CIRCUMPLEX_INLINE H half_copy_sign(H magnitude, H sign) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(sign, _mm256_set1_ps(-0.f)));
}

#else

// AVX2's shapes made of NEON's vectors: fma() rounds once here too, so the bits are those of AVX2.
using H = float32x4_t;
constexpr int kHalf = 4;
CIRCUMPLEX_INLINE H half_load(const float* p) { return vld1q_f32(p); }
CIRCUMPLEX_INLINE H half_load_n(const float* p, int n) {
  if (n >= kHalf) return half_load(p);
  H a = vdupq_n_f32(0.f);
  if (n > 0) a = vld1q_lane_f32(p, a, 0);
  if (n > 1) a = vld1q_lane_f32(p + 1, a, 1);
  if (n > 2) a = vld1q_lane_f32(p + 2, a, 2);
  return a;
}
CIRCUMPLEX_INLINE void half_store(float* p, H a) { vst1q_f32(p, a); }
CIRCUMPLEX_INLINE void half_store_n(float* p, H a, int n) {
  if (n >= kHalf) return half_store(p, a);
  if (n > 0) vst1q_lane_f32(p, a, 0);
  if (n > 1) vst1q_lane_f32(p + 1, a, 1);
  if (n > 2) vst1q_lane_f32(p + 2, a, 2);
}
CIRCUMPLEX_INLINE H half_set1(float a) { return vdupq_n_f32(a); }
CIRCUMPLEX_INLINE H half_fma(H a, H b, H c) { return vfmaq_f32(c, a, b); }
CIRCUMPLEX_INLINE H half_fnma(H a, H b, H c) { return vfmsq_f32(c, a, b); }
CIRCUMPLEX_INLINE H half_min(H a, H b) { return vbslq_f32(vcltq_f32(a, b), a, b); }  // b when either is NaN, as on x86
CIRCUMPLEX_INLINE H half_max(H a, H b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
CIRCUMPLEX_INLINE H half_sqrt(H a) { return vsqrtq_f32(a); }
CIRCUMPLEX_INLINE H half_round(H a) { return vrndnq_f32(a); }
CIRCUMPLEX_INLINE H half_power2(H n) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n), vdupq_n_s32(127)), 23));
}
CIRCUMPLEX_INLINE H half_abs(H a) { return vabsq_f32(a); }
CIRCUMPLEX_INLINE H half_copy_sign(H magnitude, H sign) { return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude); }

#endif

struct V {
  H low, high;
};
constexpr int W = 2 * kHalf;
CIRCUMPLEX_INLINE V load(const float* p) { return {half_load(p), half_load(p + kHalf)}; }
CIRCUMPLEX_INLINE void store(float* p, V a) {
  half_store(p, a.low);
  half_store(p + kHalf, a.high);
}
CIRCUMPLEX_INLINE V load_n(const float* p, int n) {
  return {half_load_n(p, n), n > kHalf ? half_load_n(p + kHalf, n - kHalf) : half_set1(0.f)};
}
CIRCUMPLEX_INLINE void store_n(float* p, V a, int n) {
  half_store_n(p, a.low, n);
  if (n > kHalf) half_store_n(p + kHalf, a.high, n - kHalf);
}
CIRCUMPLEX_INLINE V set1(float a) { return {half_set1(a), half_set1(a)}; }
CIRCUMPLEX_INLINE V operator+(V a, V b) { return {a.low + b.low, a.high + b.high}; }
CIRCUMPLEX_INLINE V operator-(V a, V b) { return {a.low - b.low, a.high - b.high}; }
CIRCUMPLEX_INLINE V operator*(V a, V b) { return {a.low * b.low, a.high * b.high}; }
CIRCUMPLEX_INLINE V operator/(V a, V b) { return {a.low / b.low, a.high / b.high}; }
CIRCUMPLEX_INLINE V fma(V a, V b, V c) { return {half_fma(a.low, b.low, c.low), half_fma(a.high, b.high, c.high)}; }
CIRCUMPLEX_INLINE V fnma(V a, V b, V c) { return {half_fnma(a.low, b.low, c.low), half_fnma(a.high, b.high, c.high)}; }
CIRCUMPLEX_INLINE V min(V a, V b) { return {half_min(a.low, b.low), half_min(a.high, b.high)}; }
CIRCUMPLEX_INLINE V max(V a, V b) { return {half_max(a.low, b.low), half_max(a.high, b.high)}; }
CIRCUMPLEX_INLINE V sqrt(V a) { return {half_sqrt(a.low), half_sqrt(a.high)}; }
CIRCUMPLEX_INLINE V round(V a) { return {half_round(a.low), half_round(a.high)}; }
CIRCUMPLEX_INLINE V power2(V n) { return {half_power2(n.low), half_power2(n.high)}; }
CIRCUMPLEX_INLINE V abs(V a) { return {half_abs(a.low), half_abs(a.high)}; }
CIRCUMPLEX_INLINE V copy_sign(V magnitude, V sign) {
  return {half_copy_sign(magnitude.low, sign.low), half_copy_sign(magnitude.high, sign.high)};
}
CIRCUMPLEX_INLINE float sum16(const V* a) {
#if defined(CIRCUMPLEX_ISA_WIDE)
  const __m256 s8 = a[0].low + a[0].high;
  const __m128 s4 = _mm_add_ps(_mm256_castps256_ps128(s8), _mm256_extractf128_ps(s8, 1));
  const __m128 s2 = _mm_add_ps(s4, _mm_movehl_ps(s4, s4));
  return _mm_cvtss_f32(_mm_add_ss(s2, _mm_shuffle_ps(s2, s2, 1)));
#else
  const float32x4_t s4 = (a[0].low + a[1].low) + (a[0].high + a[1].high);
  return (s4[0] + s4[2]) + (s4[1] + s4[3]);
#endif
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

// to[r] = a . b(r), the rows of b `step` floats apart: summed in 16 strided chains and a fixed tree, so the bits are
// the same for every W.
template <int R>
CIRCUMPLEX_INLINE void dot_rows(float* to, const float* a, const float* b, int64_t step, int64_t n) {
  constexpr int kChains = 16 / W;
  V sum[R][kChains];
  for (int r = 0; r < R; r++) {
    for (int c = 0; c < kChains; c++) sum[r][c] = zero();
  }
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int c = 0; c < kChains; c++) {
      const V x = load(a + i + c * W);
      for (int r = 0; r < R; r++) sum[r][c] = fma(x, load(b + r * step + i + c * W), sum[r][c]);
    }
  }
  if (i < n) {
    for (int c = 0; c < kChains; c++) {
      const int left = static_cast<int>(n - i) - c * W;
      const V x = load_n(a + i + c * W, left);
      for (int r = 0; r < R; r++) sum[r][c] = fma(x, load_n(b + r * step + i + c * W, left), sum[r][c]);
    }
  }
  for (int r = 0; r < R; r++) to[r] = sum16(sum[r]);
}

CIRCUMPLEX_INLINE float dot(const float* a, const float* b, int64_t n) {
  float product;
  dot_rows<1>(&product, a, b, 0, n);
  return product;
}

CIRCUMPLEX_INLINE int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
CIRCUMPLEX_INLINE int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }
CIRCUMPLEX_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
CIRCUMPLEX_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

}  // namespace circumplex::CIRCUMPLEX_ISA

#pragma once
// exp, sigmoid and tanh: the arithmetic of cpu/exp.h and cpu/math.h, step by step, so the bits of AVX2 and AVX-512.
// Largest error against float64: exp 1.1 ulp, sigmoid and tanh 2.5 (native/test/math_test.cc). Nothing approximate
// is used, which would differ from GPU to GPU, and from the emulator.

#include <cmath>
#include <cstring>

#include "cuda/device.cuh"

namespace circumplex::cuda {

struct Reduced {
  float power;  // 2^n
  float expm1;  // exp(r) - 1, where x = n ln 2 + r, |r| <= ln(2)/2
};

// Adding it to |v| < 2^22 leaves v, rounded to a whole number, in the low bits.
constexpr float kRound = 12582912.f;  // 1.5 2^23

// 2^v of `rounded` = v + kRound, -126 <= v <= 127.
CIRCUMPLEX_DEVICE float power2(float rounded) {
  int32_t bits;
  memcpy(&bits, &rounded, sizeof bits);
  bits = static_cast<int32_t>((static_cast<uint32_t>(bits) << 23) + 0x3f800000u);
  float power;
  memcpy(&power, &bits, sizeof power);
  return power;
}

CIRCUMPLEX_DEVICE float reduced_expm1(float x, float n) {
  // ln 2 in two parts, the first so short that n times it is exact.
  float r = fma(-n, 0.693359375f, x);
  r = fma(-n, -2.12194440e-4f, r);
  float q = 0x1.6b9c3ep-10f;
  q = fma(q, r, 0x1.12253ap-7f);
  q = fma(q, r, 0x1.5556f2p-5f);
  q = fma(q, r, 0x1.5554b4p-3f);
  q = fma(q, r, 0x1.fffffep-2f);
  return fma(q, r * r, r);
}

// exp over the whole range: infinity above 88.73, 0 below -103, NaN stays NaN. The power of two goes in two factors, as
// 2^n alone leaves the normal range before the result does.
CIRCUMPLEX_DEVICE float exp(float x) {
  x = x > 89.f ? 89.f : x < -104.f ? -104.f : x;
  const float n = (x * 0x1.715476p+0f + kRound) - kRound, half = n * 0.5f + kRound;
  const float low = power2(half), high = power2((n - (half - kRound)) + kRound);
  return fma(low, reduced_expm1(x, n), low) * high;
}

// tanh(x), or sigmoid(x), by the same instructions: the gates of a cell lie side by side in a warp. With
// m = exp(2 |x|) - 1, tanh |x| = m / (m + 2).
CIRCUMPLEX_DEVICE float activate(float x, bool hyperbolic) {
  const float twice = 2.f * ::fabsf(x), least = x > 87.f ? 87.f : x < -87.f ? -87.f : x;
  const float a = hyperbolic ? (twice > 40.f ? 40.f : twice) : -least;
  const float rounded = a * 0x1.715476p+0f + kRound, power = power2(rounded);
  const float d = fma(power, reduced_expm1(a, rounded - kRound), hyperbolic ? power - 1.f : power);
  const float y = divide(hyperbolic ? d : 1.f, hyperbolic ? d + 2.f : d + 1.f);
  return hyperbolic ? ::copysignf(y, x) : y;
}

CIRCUMPLEX_DEVICE float sigmoid(float x) { return activate(x, false); }
CIRCUMPLEX_DEVICE float tanh(float x) { return activate(x, true); }

}  // namespace circumplex::cuda

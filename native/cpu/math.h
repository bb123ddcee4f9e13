#pragma once
// exp, sigmoid and tanh. Largest error, measured against float64 (native/test/math_test.cc): exp 1.1 ulp, sigmoid 2.4,
// tanh 2.4. One polynomial serves all three: with x = n ln 2 + r, |r| <= ln(2)/2,
//   exp(x) - 1 = 2^n (r + r^2 q(r)) + (2^n - 1),
// where q is the minimax fit of scripts/fit-exp.py (relative error of expm1 1.4e-8). Division is true division: the
// approximate reciprocals of different processors differ in their bits.

#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

struct Reduced {
  V power;  // 2^n
  V expm1;  // exp(r) - 1
};

CIRCUMPLEX_INLINE Reduced reduce_exp(V x) {
  const V n = round(x * set1(0x1.715476p+0f));
  // ln 2 in two parts, the first so short that n times it is exact.
  V r = fnma(n, set1(0.693359375f), x);
  r = fnma(n, set1(-2.12194440e-4f), r);
  V q = set1(0x1.6b9c3ep-10f);
  q = fma(q, r, set1(0x1.12253ap-7f));
  q = fma(q, r, set1(0x1.5556f2p-5f));
  q = fma(q, r, set1(0x1.5554b4p-3f));
  q = fma(q, r, set1(0x1.fffffep-2f));
  return {power2(n), fma(q, r * r, r)};
}

// exp for |x| <= 87, where neither the result nor its reciprocal leaves the normal range.
CIRCUMPLEX_INLINE V exp_bounded(V x) {
  const Reduced e = reduce_exp(x);
  return fma(e.power, e.expm1, e.power);
}

CIRCUMPLEX_INLINE V bounded(V x, float limit) { return max(set1(-limit), min(set1(limit), x)); }

CIRCUMPLEX_INLINE V sigmoid(V x) { return set1(1.f) / (set1(1.f) + exp_bounded(zero() - bounded(x, 87.f))); }

// tanh(x) = m / (m + 2) with m = exp(2x) - 1; by sign and magnitude, so that it is exactly odd.
CIRCUMPLEX_INLINE V tanh(V x) {
  const V a = min(set1(40.f), abs(x) * set1(2.f));
  const Reduced e = reduce_exp(a);
  const V m = fma(e.power, e.expm1, e.power - set1(1.f));
  return copy_sign(m / (m + set1(2.f)), x);
}

}  // namespace circumplex::CIRCUMPLEX_ISA

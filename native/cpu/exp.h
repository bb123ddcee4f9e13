#pragma once
// exp over the whole range: infinity above 88.73, 0 below -103, NaN stays NaN. The power of two goes in two factors, as
// 2^n alone leaves the normal range before the result does.

#include "cpu/math.h"

namespace circumplex::CIRCUMPLEX_ISA {

CIRCUMPLEX_INLINE V exp(V x) {
  x = max(set1(-104.f), min(set1(89.f), x));
  const V n = round(x * set1(0x1.715476p+0f)), half = round(n * set1(0.5f));
  const V low = power2(half), high = power2(n - half);
  return fma(low, reduce_exp(x).expm1, low) * high;
}

}  // namespace circumplex::CIRCUMPLEX_ISA

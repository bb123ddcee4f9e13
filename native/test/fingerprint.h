#pragma once
// A hash of what AVX2 or NEON computes in a test. The two give the same bits, but no machine has both: each prints its
// hash, and scripts/release/check.mjs compares them.

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>

namespace circumplex::test {

inline uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, a value a step

// Values of all types are exact as doubles; a NaN is any NaN, since processors differ in its sign.
inline void fingerprint(double value) {
  uint64_t bits = 0x7ff8000000000000;
  if (!std::isnan(value)) std::memcpy(&bits, &value, sizeof bits);
  hash = (hash ^ bits) * 0x100000001b3;
}

inline void print_fingerprint() { std::printf("fingerprint %016" PRIx64 "\n", hash); }

}  // namespace circumplex::test

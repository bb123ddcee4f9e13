#pragma once
// The masks of operators/dropout.h, for any kernel that drops units: the same as cpu/dropout.cc draws.

#include "cuda/device.cuh"
#include "operators/dropout.h"

namespace circumplex::cuda {

// A call's masks as its kernels need them.
struct Mask {
  uint32_t site;
  uint32_t threshold;  // a draw below it is dropped
  float kept;          // the scale of a unit that stays
};

inline Mask mask_of(const Dropping& dropping) {
  const double p = dropping.p;
  if (p >= 1) return {dropping.site, 0, 0.f};
  return {dropping.site, static_cast<uint32_t>(p * 4294967296.0), static_cast<float>(1 / (1 - p))};
}

// The four draws of a counter (epoch, sequence, frame, unit / 4).
struct Draws {
  uint32_t unit[4];
};

CIRCUMPLEX_DEVICE Draws philox(uint32_t seed, uint32_t site, uint32_t epoch, uint32_t sequence, uint32_t frame,
                               uint32_t quad) {
  uint32_t c0 = epoch, c1 = sequence, c2 = frame, c3 = quad;
  CIRCUMPLEX_UNROLL
  for (int round = 0; round < 10; round++) {
    const uint32_t a = multiply_high(0xd2511f53u, c0), b = multiply_high(0xcd9e8d57u, c2);
    const uint32_t low = 0xd2511f53u * c0;
    c0 = b ^ c1 ^ seed;
    c1 = 0xcd9e8d57u * c2;
    c2 = a ^ c3 ^ site;
    c3 = low;
    seed += 0x9e3779b9u;
    site += 0xbb67ae85u;
  }
  return {{c0, c1, c2, c3}};
}

CIRCUMPLEX_DEVICE float scale_of(const Mask& mask, uint32_t draw) { return draw < mask.threshold ? 0.f : mask.kept; }

}  // namespace circumplex::cuda

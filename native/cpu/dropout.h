#pragma once
// Inverted dropout from Philox 4x32-10 (Salmon et al. 2011): key = (seed, site), counter = (epoch, sequence, frame,
// unit / 4). A mask depends on nothing else: not on lanes, chunks, threads or other replicas.

#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

struct DropoutKey {
  uint32_t seed, site;
  uint32_t epoch, sequence;
};

// scale[0..units): 0 where a unit is dropped, 1 / (1 - p) elsewhere.
void dropout_scale(float* scale, int64_t units, double p, DropoutKey key, uint32_t frame);

}  // namespace circumplex::CIRCUMPLEX_ISA

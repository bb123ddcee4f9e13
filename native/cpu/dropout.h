#pragma once
// Inverted dropout from Philox 4x32-10 (Salmon et al. 2011): key = (seed, site), counter = (epoch, sequence, frame,
// unit / 4). A mask depends on nothing else: not on lanes, chunks, threads or other replicas.

#include "core/control.h"
#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

// One call's masks: p is the share that is dropped, `site` its stream.
struct Dropping {
  double p;
  uint32_t site;
};

// scale [units] for one frame of a lane's sequence: 0 where a unit is dropped, 1 / (1 - p) elsewhere.
void dropout_scale(float* scale, int64_t units, Dropping dropping, const Control& control, int64_t replica,
                   int64_t lane, int64_t frame);

// scale [lane, units] for frame t of the chunk, in the lanes that reach so far.
void dropout_frame(float* scale, int64_t units, Dropping dropping, const Control& control, int64_t replica, int64_t t);

}  // namespace circumplex::CIRCUMPLEX_ISA

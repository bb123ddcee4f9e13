#pragma once
#include "cpu/simd.h"
#include "operators/dropout.h"

namespace circumplex::CIRCUMPLEX_ISA {

// scale [units] for one frame of a lane's sequence: 0 where a unit is dropped, 1 / (1 - p) elsewhere.
void dropout_scale(float* scale, int64_t units, Dropping dropping, const Control& control, int64_t replica,
                   int64_t lane, int64_t frame);

// scale [lane, units] for frame t of the chunk, in the lanes that reach so far.
void dropout_frame(float* scale, int64_t units, Dropping dropping, const Control& control, int64_t replica, int64_t t);

}  // namespace circumplex::CIRCUMPLEX_ISA

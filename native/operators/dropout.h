#pragma once
// Inverted dropout from Philox 4x32-10 (Salmon et al. 2011): key = (seed, site), counter = (epoch, sequence, frame,
// unit / 4). A mask depends on nothing else: not on lanes, chunks, threads, the device or other replicas.

#include "operators/rows.h"

namespace circumplex {

// One call's masks: p is the share that is dropped, `site` its stream.
struct Dropping {
  double p;
  uint32_t site;
};

// y = x * scale, and, as the mask is the same, dx = dy * scale.
struct DropoutCall {
  Rows rows;
  Tensor from, to;  // [T', B, F]
  Dropping dropping;
  int64_t left;  // halo
};

DropoutCall read_dropout(Plan& plan, const Call& call);
DropoutCall read_dropout_backward(Plan& plan, const Call& call);

}  // namespace circumplex

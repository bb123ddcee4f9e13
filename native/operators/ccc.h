#pragma once
// Concordance (Lin 1989) as a loss: 1 - C, C = 2 cov / S, S = var_y + var_t + (mean_y - mean_t)^2, moments with 1/N
// over the valid, labelled frames of the chunk, all lanes together (pooled) or lane by lane. The loss is the mean over
// the terms (a target, of a lane or of all) that have two frames and a gold standard that moves.
//   dC/dy_i = 2 / (N S) ((t_i - mean_t) - C (y_i - mean_t)).

#include "operators/rows.h"

namespace circumplex {

// A row of `statistics`.
enum CccColumn : int64_t { kCount, kMeanY, kMeanT, kVarY, kVarT, kCov, kCcc, kUsed, kStatistics };

struct CccCall {
  Rows rows;             // of y, one copy for each of the sums'; of dy backward
  Tensor y, target, dy;  // [T, B, F]
  Tensor sums, totals;   // [loss, terms] of the chunk; [loss, terms, terms left out] since the run began
  Tensor statistics;     // [terms, kStatistics], term (lane, target) at lane F + target
  bool lanes;            // a term for each lane, not one for all
  int64_t terms;
  double weight;
};

CccCall read_ccc(Plan& plan, const Call& call);
CccCall read_ccc_backward(Plan& plan, const Call& call);

}  // namespace circumplex

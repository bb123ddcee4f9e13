#pragma once
// Blocks of lanes that a recurrence takes through its frames, a task each. All rows of a block lie together in memory:
// two threads that write neighbouring cache lines slow each other down.

#include "cpu/plan.h"
#include "cpu/simd.h"

namespace circumplex::CIRCUMPLEX_ISA {

constexpr int64_t kMostLanes = 12;  // lanes of a block when there is more work than threads

// Lanes split so that every thread has work; more lanes a block reuse the weights better.
CIRCUMPLEX_INLINE int64_t lane_blocks(int64_t lanes, int64_t others, int64_t threads) {
  const int64_t wanted = larger(divide_up(threads, others), divide_up(lanes, kMostLanes));
  return smaller(lanes, wanted);
}

CIRCUMPLEX_INLINE int64_t first_lane(int64_t lanes, int64_t blocks, int64_t block) { return block * lanes / blocks; }

// Where row [frame, lane] lies, of `frames` frames.
CIRCUMPLEX_INLINE int32_t* map_frames(Plan& plan, int64_t lanes, int64_t blocks, int64_t frames) {
  int32_t* map = plan.list<int32_t>(frames * lanes);
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t first = first_lane(lanes, blocks, block), last = first_lane(lanes, blocks, block + 1);
    for (int64_t t = 0; t < frames; t++) {
      for (int64_t lane = first; lane < last; lane++) {
        map[t * lanes + lane] = static_cast<int32_t>(frames * first + t * (last - first) + lane - first);
      }
    }
  }
  return map;
}

}  // namespace circumplex::CIRCUMPLEX_ISA

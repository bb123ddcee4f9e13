#pragma once
// The rows of a tensor, spread over a grid: the replicas of the result along y, and to each row a team of 2^n threads
// that are neighbours in a warp.

#include "cuda/plan.h"
#include "operators/rows.h"

namespace circumplex::cuda {

constexpr int kRowThreads = 256;
constexpr int64_t kMostBlocks = 4096;  // of a replica: where there are more rows, each block goes on with further ones

struct RowGrid {
  Chunk chunk;
  int64_t copies, count, width, frames;  // as in operators/rows.h
  int team;                              // log2 of its threads
  int blocks;                            // along x; a grid may have more, for other work
};

inline int64_t divide_up(int64_t n, int64_t by) { return (n + by - 1) / by; }

// One thread a value, in blocks of kRowThreads.
inline Grid values_grid(int64_t values, int64_t copies) {
  const int64_t blocks = divide_up(values, kRowThreads), most = kMostBlocks;
  Grid grid;
  grid.x = static_cast<int>(blocks < 1 ? 1 : blocks < most ? blocks : most);
  grid.y = static_cast<int>(copies);
  grid.threads = kRowThreads;
  return grid;
}

// Teams for rows of `items` each.
inline RowGrid row_grid(const Plan& plan, const Rows& rows, int64_t items) {
  int team = 0;
  while (team < 5 && 1 << team < items) team++;
  const int blocks = values_grid(rows.count << team, rows.copies).x;
  return {plan.chunk, rows.copies, rows.count, rows.width, rows.frames, team, blocks};
}

inline Grid grid_of(const RowGrid& rows) {
  Grid grid;
  grid.x = rows.blocks;
  grid.y = static_cast<int>(rows.copies);
  grid.threads = kRowThreads;
  return grid;
}

// A list in the device's memory.
template <class T>
Global<const T> table(Plan& plan, const T* values, int64_t count) {
  return Global<const T>(static_cast<const T*>(plan.upload(values, count * static_cast<int64_t>(sizeof(T)))));
}

// ---- in kernels ----

CIRCUMPLEX_DEVICE bool stopped(const Chunk& chunk, int64_t copies, int64_t replica) {
  return copies == chunk.replicas && !chunk.active[replica];
}

CIRCUMPLEX_DEVICE int64_t rows_in_use(const RowGrid& rows) {
  if (!rows.frames) return rows.count;
  const int64_t now = rows.chunk.now[0].frames;
  return now > 0 ? (rows.frames - rows.chunk.most_frames + now) * rows.chunk.lanes : 0;
}

// Whether a row of a tensor without halo is a valid frame of its lane.
CIRCUMPLEX_DEVICE bool valid_row(const Chunk& chunk, int64_t row) {
  return row / chunk.lanes < chunk.length[row % chunk.lanes];
}

// The calling thread among all of its replica.
CIRCUMPLEX_DEVICE int64_t grid_thread() { return int64_t{block_x()} * threads() + thread(); }

// A team's rows are first_row, first_row + row_step, ...
CIRCUMPLEX_DEVICE int64_t first_row(const RowGrid& rows) { return grid_thread() >> rows.team; }
CIRCUMPLEX_DEVICE int64_t row_step(const RowGrid& rows) { return int64_t{rows.blocks} * threads() >> rows.team; }
// For teams that reduce: those of a warp take the same number of turns, since they do so together.
CIRCUMPLEX_DEVICE bool turns_left(const RowGrid& rows, int64_t row, int64_t used) {
  return row - (lane() >> rows.team) < used;
}
CIRCUMPLEX_DEVICE int team_size(const RowGrid& rows) { return 1 << rows.team; }
CIRCUMPLEX_DEVICE int team_rank(const RowGrid& rows) { return thread() & (team_size(rows) - 1); }

// Calls visit(row) for the calling thread's share of the valid frames of all lanes, for sums by `of` threads: which
// thread sees which rows, and in which order, follows from the sizes and lengths alone.
template <class Visit>
CIRCUMPLEX_DEVICE void each_valid_row(const Chunk& chunk, int rank, int of, Visit visit) {
  const int lanes = chunk.lanes, step = of > lanes ? of / lanes : 1, first = rank / lanes;
  if (first >= step && of > lanes) return;
  for (int at = of > lanes ? rank % lanes : rank; at < lanes; at += of) {
    const int length = chunk.length[at];
    for (int t = of > lanes ? first : 0; t < length; t += step) visit(int64_t{t} * lanes + at);
  }
}

}  // namespace circumplex::cuda

#pragma once
// What the recurrences of lstm.cu and attention.cu share.
//
// A *resident* kernel keeps the recurrent weights of up to two layers in registers for a whole chunk. A block has 32
// units, eight threads a unit; a layer of up to 32 CL units is a cluster of CL blocks, which exchange the units'
// values after every frame through distributed shared memory: each block waits on a barrier of its own until the
// values of all blocks have arrived. A cluster works on several lanes in turn, so that one lane's exchange passes
// behind another's arithmetic. A *streamed* kernel reads the weights anew for every frame: any size, any GPU.
//
// Thread (unit, part) multiplies elements 4 (8 j + part) .. + 3 of a vector, j = 0, 1, ...: eight threads read 128
// neighbouring bytes of shared memory, and the sum over k goes by eight chains and a fixed tree.

#include "cuda/math.cuh"
#include "cuda/plan.h"
#include "operators/lstm.h"

namespace circumplex::cuda {

constexpr int kParts = 8;   // threads of a unit
constexpr int kUnits = 32;  // units of a block
constexpr int kThreads = kParts * kUnits;
constexpr int kMostSlots = 16;  // lanes that a cluster works on, at most

// One layer, or one direction of a layer, as a kernel sees it. Row t * lanes + lane is a frame of a lane.
struct Cell {
  Array<const float> w_ih, w_hh, b_ih, b_hh;
  Array<float> gates;        // [T,B,4,H]: what the input adds, then the gates i, f, g, o, then dz
  Array<float> h, c;         // [T+1,B,H]: slot t is the state before frame t (reverse: slot t + 1)
  Array<float> out;          // [T,B,out_row]: what is above sees h here, dropout applied
  Array<const float> scale;  // [T,B,out_row]: dropout's factors, or null
  Array<const float> dy;     // [T,B,out_row]: the gradient of `out`, where it comes from outside
  Array<float> state;        // [2,B,H]: h, c
  int64_t out_row;
  bool reverse;
};

struct Recurrence {
  Chunk chunk;
  int32_t hidden;
  int32_t groups;    // clusters (or blocks) of a replica: lanes g, g + groups, ... are group g's
  int32_t truncate;  // frames of a segment; backward, the grid's z counts segments, which know nothing of each other
  Cell cell[2];      // the layers of a stack, or, along the grid's y, the directions of a layer
};

// ---- activations and gates ----

struct Gates {
  float i, f, g, o;
};

// Lane 4 n + k of a warp holds gate k of a unit: gives all four to all four.
CIRCUMPLEX_DEVICE Gates gather_gates(float own) {
  const int first = lane() & ~3;
  const float i = shuffle(own, first), f = shuffle(own, first + 1);
  const float g = shuffle(own, first + 2), o = shuffle(own, first + 3);
  return {i, f, g, o};
}

// dz of one gate; `dc` becomes the cell's gradient of the frame before.
CIRCUMPLEX_DEVICE float gate_gradient(int gate, const Gates& z, float c_before, float tanh_c, float dh, float& dc) {
  const float cell = fma(dh * z.o, fma(-tanh_c, tanh_c, 1.f), dc);
  dc = cell * z.f;
  if (gate == 0) return (cell * z.g) * (z.i * (1.f - z.i));
  if (gate == 1) return (cell * c_before) * (z.f * (1.f - z.f));
  if (gate == 2) return (cell * z.i) * fma(-z.g, z.g, 1.f);
  return (dh * tanh_c) * (z.o * (1.f - z.o));
}

// ---- products ----

// The weights of one unit that a thread multiplies: `kRows` rows over a vector of `kWidth`. Where a kernel runs out of
// registers, the last `kAside` of a thread's elements of each row lie in shared memory, at `aside`.
template <int kRows, int kWidth, int kAside = 0>
struct Weights {
  static constexpr int kOwn = kWidth / kParts, kHeld = kOwn - kAside;
  static constexpr int64_t kAsideBytes = int64_t{kRows} * kAside * kThreads * 4;
  float held[kRows][kHeld];
  Shared<float> aside;

  CIRCUMPLEX_DEVICE void set(int row, int n, float value) {
    if (n < kHeld) {
      held[row][n] = value;
    } else {
      aside_at(row, n)[n % 4] = value;
    }
  }

  // Four elements of a thread side by side, threads after one another: no bank conflicts.
  CIRCUMPLEX_DEVICE Shared<float> aside_at(int row, int n) const {
    return aside + 4 * ((row * (kAside / 4) + (n - kHeld) / 4) * kThreads + thread());
  }
};

// Calls visit(row, n, k) for a thread's elements n of each row, k in the vector. One after the other: loads of a whole
// matrix under way at once would take as many registers again for their addresses.
template <int kRows, int kWidth, class Visit>
CIRCUMPLEX_DEVICE void each_element(Visit visit) {
  const int first = 4 * (thread() % kParts);
  CIRCUMPLEX_UNROLL
  for (int row = 0; row < kRows; row++) {
    CIRCUMPLEX_UNROLL
    for (int n = 0; n < kWidth / kParts; n++) {
      visit(row, n, n / 4 * 4 * kParts + first + n % 4);
      keep_order();
    }
  }
}

// sum[row] += row . x over the thread's part of x.
template <int kRows, int kWidth, int kAside>
CIRCUMPLEX_DEVICE void multiply(float* sum, const Weights<kRows, kWidth, kAside>& w, Shared<const float> x) {
  constexpr int kHeld = Weights<kRows, kWidth, kAside>::kHeld;
  const int part = thread() % kParts;
  Float4 chains[kRows] = {};  // four, or one row's FMAs would wait for each other
  CIRCUMPLEX_UNROLL
  for (int n = 0; n < kWidth / kParts; n += 4) {
    if (n % 16 == 0) keep_order();
    const Float4 v = load4(x + (n * kParts + 4 * part));
    CIRCUMPLEX_UNROLL
    for (int row = 0; row < kRows; row++) {
      Float4 y;
      if (n < kHeld) {
        y = {w.held[row][n], w.held[row][n + 1], w.held[row][n + 2], w.held[row][n + 3]};
      } else {
        y = load4(Shared<const float>(w.aside_at(row, n)));
      }
      Float4& chain = chains[kRows == 1 ? 0 : row];
      if constexpr (kRows == 1) {
        chain.x = fma(y.x, v.x, chain.x);
        chain.y = fma(y.y, v.y, chain.y);
        chain.z = fma(y.z, v.z, chain.z);
        chain.w = fma(y.w, v.w, chain.w);
      } else {
        chain.x = fma(y.w, v.w, fma(y.z, v.z, fma(y.y, v.y, fma(y.x, v.x, chain.x))));
      }
    }
  }
  CIRCUMPLEX_UNROLL
  for (int row = 0; row < kRows; row++) {
    sum[row] += (chains[row].x + chains[row].y) + (chains[row].z + chains[row].w);
  }
}

// One round of a transposing sum over the eight threads of a unit: of 2 n values a thread keeps n, those that its bit
// of `mask` selects, and adds its partner's.
template <int n>
CIRCUMPLEX_DEVICE void fold(float* v, int mask) {
  const bool upper = lane() & mask;
  CIRCUMPLEX_UNROLL
  for (int i = 0; i < n; i++) {
    const float other = shuffle_xor(upper ? v[i] : v[i + n], mask);
    v[i] = (upper ? v[i + n] : v[i]) + other;
  }
}

// The sums over a unit's eight threads; thread `part` gets value part % count.
template <int count>
CIRCUMPLEX_DEVICE float fold_sums(float (&v)[count]) {
  if constexpr (count == 8) {
    fold<4>(v, 4);
    fold<2>(v, 2);
    fold<1>(v, 1);
    return v[0];
  } else {
    static_assert(count == 4);
    fold<2>(v, 2);
    fold<1>(v, 1);
    return v[0] + shuffle_xor(v[0], 4);
  }
}

// The sum over a unit's eight threads, for all of them.
CIRCUMPLEX_DEVICE float sum_parts(float v) {
  v += shuffle_xor(v, 4);
  v += shuffle_xor(v, 2);
  return v + shuffle_xor(v, 1);
}

CIRCUMPLEX_DEVICE float sum_warp(float v) {
  v += shuffle_xor(v, 16);
  v += shuffle_xor(v, 8);
  return sum_parts(v);
}

// ---- exchange ----

// Shared memory of a resident kernel: barriers, the lanes' lengths, then, for each lane of the cluster, vectors.
constexpr int64_t kBarrierBytes = 2 * kMostSlots * 8;
constexpr int64_t kHeaderBytes = kBarrierBytes + kMostSlots * 4;

CIRCUMPLEX_DEVICE Shared<int32_t> slot_lengths() { return shared<int32_t>(kBarrierBytes); }

// Stores v at `to` of block `rank`, and tells its barrier. A block alone stores as it is.
template <int CL>
CIRCUMPLEX_DEVICE void send(Shared<float> to, int rank, float v, Shared<Barrier> barrier) {
  if constexpr (CL == 1) {
    to[0] = v;
  } else {
    store_async(to, rank, v, barrier);
  }
}

// The part of the chunk that a backward kernel's block goes through: frames first..end.
struct Segment {
  int first, end;
  // Of a lane's frames, those in the segment.
  CIRCUMPLEX_DEVICE int frames(int length) const {
    const int last = length < end ? length : end;
    return last > first ? last - first : 0;
  }
};

CIRCUMPLEX_DEVICE Segment segment_of(const Recurrence& a) {
  const int first = block_z() * a.truncate, frames = a.chunk.now[0].frames, end = first + a.truncate;
  return {first, end < frames ? end : frames};
}

// Which lanes a group works on.
struct Slots {
  int32_t first, step, count;
  CIRCUMPLEX_DEVICE int32_t lane(int slot) const { return first + slot * step; }
};

CIRCUMPLEX_DEVICE Slots slots_of(const Recurrence& a, int group) {
  return {group, a.groups, (a.chunk.lanes - group + a.groups - 1) / a.groups};
}

// The state before a lane's first frame, in shared memory (h) and in the returned c of the thread's own unit, and in
// slot `at` of the cell's h and c in global memory.
template <int CL>
CIRCUMPLEX_DEVICE float start_lane(const Chunk& chunk, const Cell& cell, int hidden, int64_t replica, int lane, int u,
                                   bool writes, Shared<float> h) {
  const int64_t lanes = chunk.lanes, block = lanes * hidden;
  const bool resume = !cell.reverse && chunk.start[lane] != 0 && chunk.length[lane] != 0;
  const Global<float> saved = cell.state.of(replica) + int64_t{lane} * hidden;
  for (int k = thread(); k < kUnits * CL; k += kThreads) h[k] = resume && k < hidden ? saved[k] : 0.f;
  const float c = resume && u < hidden ? static_cast<float>(saved[block + u]) : 0.f;
  if (u < hidden && writes) {
    const int64_t at = ((cell.reverse ? int64_t{chunk.length[lane]} : 0) * lanes + lane) * hidden + u;
    cell.h.of(replica)[at] = resume ? static_cast<float>(saved[u]) : 0.f;
    cell.c.of(replica)[at] = c;
  }
  return c;
}

// ---- the launches ----

// Blocks of a cluster that a resident kernel of this many layers needs, 0 where none serves.
inline int cluster_for(const DeviceProperties& gpu, int64_t hidden, int64_t layers) {
  const int blocks = hidden <= 32 ? 1 : hidden <= 64 ? 2 : hidden <= 128 ? 4 : hidden <= 256 ? 8 : 0;
  if (blocks == 8 && layers > 1) return 0;
  return blocks > 1 && gpu.major < 9 ? 0 : blocks;
}

// Clusters of a replica: as many as the GPU holds at once, and never more lanes a cluster than `most_slots`. It changes
// no lane's arithmetic.
inline int32_t groups_for(const Plan& plan, int cluster, int64_t directions, int64_t most_slots) {
  const int64_t lanes = plan.chunk.lanes, replicas = plan.chunk.replicas * directions;
  if (cluster <= 1) return static_cast<int32_t>(lanes);
  const int64_t held = plan.gpu.multiprocessors / cluster / replicas, least = (lanes + most_slots - 1) / most_slots;
  const int64_t groups = held < least ? least : held > lanes ? lanes : held;
  return static_cast<int32_t>(groups < 1 ? 1 : groups);
}

// Device memory for a tensor with one part a replica.
inline Array<float> values(Plan& plan, int64_t size) {
  return {Global<float>(plan.floats(plan.control.replicas * size)), size};
}
inline Array<const float> reading(const Array<float>& a) { return {Global<const float>(a.data), a.stride}; }

// Dropout's factors of the frames of a chunk, [T,B,width], for the units of layer `layer`.
void plan_scale(Plan& plan, const Array<float>& scale, int64_t width, double dropout, uint32_t site);

}  // namespace circumplex::cuda

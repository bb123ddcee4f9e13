// Tiles of 64 x 64 results, 8 warps each: 2 x 2 warps of 32 x 32, twice, since one half of the warps takes the even
// 16 steps of k and the other half the odd ones, whose sums are added at the end. A thread owns 4 rows x 8 columns:
//   rows 4 g + i, columns 8 t + c of its warp's, with g = lane / 4 and t = lane % 4.
// Which element of k takes which place in a tensor core's fragment is free as long as both factors agree: of 8 steps
// thread t takes 2 t and 2 t + 1, so that loads from shared memory are of 8 and 16 bytes.

#include <cstring>

#include "core/error.h"
#include "cuda/gemm.h"
#include "cuda/rows.h"

namespace circumplex::cuda {
namespace {

enum class Method { chain, three_tf32, tf32, bf16 };

constexpr int kThreads = 256;
constexpr int kTile = 64;        // rows and columns of a tile
constexpr int kDepth = 32;       // k at a time in shared memory
constexpr int kSumColumns = 32;  // columns a block where b is all ones
constexpr int kSlab = 2048;      // rows of a sum over frames that one block takes
constexpr int kSlabLevels = 20;  // 2^20 slabs at the most

// A factor's tile in shared memory, by the way it lies in memory. Along k: [64][36], and 8 floats more every 8 rows.
// Else: [32][64], column j in place j ^ 8 (k / 2 % 4). Both keep threads of different g and t on different banks.
constexpr int kPitch = kDepth + 4;
constexpr int kTileFloats = kTile * kPitch + kTile / 8 * 8;

// Pairs of tiles in shared memory: of those, all but one are on their way.
template <Method method>
constexpr int kStages = method == Method::chain ? 2 : 3;

// A product as its blocks read it.
struct Job {
  Array<const float> a, b, bias, second_bias;
  Array<float> c, twin;
  Array<float> partial;  // [slab][m, n] of a replica, where there can be more than one slab
  int32_t m, n, k, halo, copies;
  int32_t a_pitch, b_pitch, c_pitch;             // of memory's rows
  int32_t tiles_m, tiles_n, slabs, slab_blocks;  // slab_blocks: that add a replica's slabs
  Product::Rows rows;
  bool a_along_k, b_along_k;    // neighbours in memory are neighbours in k
  bool a_wide, b_wide, c_wide;  // 16 bytes at a time are possible
  bool add;
};

struct Products {
  Chunk chunk;
  Global<const Job> jobs;
  Global<const int32_t> first;  // block of each job, ascending
  int32_t count;
};

// Which part of which job is this block's.
struct Place {
  int job, replica, slab;
  int i, j;  // the tile's first row and column
  int m, k;  // rows in use; k of this slab
};

// The last of an ascending list that is not above `block`. All lanes take part.
CIRCUMPLEX_DEVICE int find_job(Global<const int32_t> first, int count, int block) {
  int seen = 0;
  for (int i = lane(); i < count; i += 32) seen += first[i] <= block ? 1 : 0;
  for (int mask = 16; mask > 0; mask /= 2) seen += shuffle_xor(seen, mask);
  return seen - 1;
}

CIRCUMPLEX_DEVICE int rows_in_use(const Chunk& chunk, const Job& job) {
  const int frames = chunk.now[0].frames;
  return frames > 0 ? (frames + job.halo) * chunk.lanes : 0;
}

// Returns whether there is something to do. A slab beyond the rows in use has nothing to add; the first one of no rows
// at all is zero.
CIRCUMPLEX_DEVICE bool find_place(const Products& a, Place& place) {
  place.job = find_job(a.first, a.count, block_x());
  const Job job = a.jobs[place.job];
  int at = block_x() - a.first[place.job];
  place.j = at % job.tiles_n * kTile;
  at /= job.tiles_n;
  place.i = at % job.tiles_m * (job.b.data ? kTile : kSumColumns);
  at /= job.tiles_m;
  place.slab = at % job.slabs;
  place.replica = at / job.slabs;
  const int rows = rows_in_use(a.chunk, job), left = rows - place.slab * kSlab;
  place.m = job.rows == Product::Rows::m ? rows : job.m;
  place.k = job.rows != Product::Rows::k ? job.k : left < kSlab ? left : kSlab;
  if (place.i >= place.m || (place.slab > 0 && place.k <= 0)) return false;
  return !stopped(a.chunk, job.copies, place.replica);
}

// ---- from global to shared memory ----

// A factor as a thread copies it: four floats of the next tile, and four more half a tile on.
struct Source {
  Global<const float> from;
  int pitch;
  int rows, k;  // that are left, from these on: rows of c's (or columns), and k
  bool wide;
};

// Four neighbouring floats, zero beyond the first `count`.
CIRCUMPLEX_DEVICE void copy_four(int to, Global<const float> from, int count, bool wide) {
  const Shared<float> at = shared<float>(0) + to;
  if (wide && count >= 4) {
    copy_async16(at, from);
    return;
  }
  CIRCUMPLEX_UNROLL
  for (int i = 0; i < 4; i++) {
    if (i < count) {
      copy_async4(at + i, from + i);
    } else {
      at[i] = 0.f;
    }
  }
}

CIRCUMPLEX_DEVICE int row_place(int row) { return row * kPitch + (row & ~7); }
CIRCUMPLEX_DEVICE int column_place(int k, int column) { return k * kTile + (column ^ ((k & 6) * 4)); }

// Where in a tile a thread's first four are.
template <bool along_k>
CIRCUMPLEX_DEVICE int own_row() {
  return along_k ? thread() >> 3 : (thread() & 15) * 4;
}
template <bool along_k>
CIRCUMPLEX_DEVICE int own_k() {
  return along_k ? (thread() & 7) * 4 : thread() >> 4;
}

// Rows or columns from `first` of `all` on, `depth` of k from `begin` on.
template <bool along_k>
CIRCUMPLEX_DEVICE Source source_of(Global<const float> from, int pitch, bool wide, int first, int all, int begin,
                                   int depth) {
  const int row = first + own_row<along_k>(), k = begin + own_k<along_k>();
  return {from + (along_k ? int64_t{row} * pitch + k : int64_t{k} * pitch + row), pitch, all - row,
          depth - own_k<along_k>(), wide};
}

// The next tile, [64][32], to an offset in shared memory, in floats; zeros beyond the factor's ends.
template <bool along_k>
CIRCUMPLEX_DEVICE void copy_tile(Source& source, int tile) {
  static_assert(kThreads * 4 * 2 == kTile * kDepth);
  const int row = own_row<along_k>(), k = own_k<along_k>();
  if (along_k) {
    const int to = tile + row_place(row) + k;
    copy_four(to, source.from, source.rows > 0 ? source.k : 0, source.wide);
    copy_four(to + row_place(32), source.from + int64_t{32} * source.pitch, source.rows > 32 ? source.k : 0,
              source.wide);
    source.from += kDepth;
  } else {
    const int to = tile + column_place(k, row);
    copy_four(to, source.from, source.k > 0 ? source.rows : 0, source.wide);
    copy_four(to + column_place(16, 0), source.from + int64_t{16} * source.pitch, source.k > 16 ? source.rows : 0,
              source.wide);
    source.from += int64_t{kDepth} * source.pitch;
  }
  source.k -= kDepth;
}

// ---- from shared memory to sums ----

struct alignas(8) Pair {
  float x, y;
};

// x[i][q]: row (of c's, or column) first + i, k = depth + q, of the tile at an offset in shared memory, in floats.
// `along` of them at a time are neighbours in k: 2 for tensor cores, 4 for chains.
template <bool along_k, int rows, int along>
CIRCUMPLEX_DEVICE void load_rows(int tile, int first, int depth, float (&x)[rows][along]) {
  if (along_k) {
    CIRCUMPLEX_UNROLL
    for (int i = 0; i < rows; i++) {
      const int at = tile + row_place(first) + i * kPitch + depth;
      if constexpr (along == 2) {
        const Pair v = shared<const Pair>(0)[at >> 1];
        x[i][0] = v.x, x[i][1] = v.y;
      } else {
        const Float4 v = load4(shared<const float>(0) + at);
        x[i][0] = v.x, x[i][1] = v.y, x[i][2] = v.z, x[i][3] = v.w;
      }
    }
  } else {
    CIRCUMPLEX_UNROLL
    for (int q = 0; q < along; q++) {
      CIRCUMPLEX_UNROLL
      for (int i = 0; i < rows; i += 4) {
        const Float4 v = load4(shared<const float>(0) + (tile + column_place(depth + q, first + i)));
        x[i][q] = v.x, x[i + 1][q] = v.y, x[i + 2][q] = v.z, x[i + 3][q] = v.w;
      }
    }
  }
}

// A thread's sums, as fragments of a tensor core: row i, column c is [i / 2][c % 4][2 (i % 2) + c / 4].
using Sums = float[2][4][4];

// One product after the other, each fused with its addition.
template <bool a_along_k, bool b_along_k>
CIRCUMPLEX_DEVICE void add_chain(int a, int b, int row, int column, int depth, Sums& sum) {
  CIRCUMPLEX_UNROLL
  for (int k = 0; k < 16; k += 4) {
    float x[4][4], y[8][4];
    load_rows<a_along_k>(a, row + (lane() & 28), depth + k, x);
    load_rows<b_along_k>(b, column + (lane() & 3) * 8, depth + k, y);
    CIRCUMPLEX_UNROLL
    for (int q = 0; q < 4; q++) {
      CIRCUMPLEX_UNROLL
      for (int i = 0; i < 4; i++) {
        CIRCUMPLEX_UNROLL
        for (int c = 0; c < 8; c++) {
          float& s = sum[i / 2][c % 4][2 * (i % 2) + c / 4];
          s = fma(x[i][q], y[c][q], s);
        }
      }
    }
  }
}

// x = big + small, each with the 11 bits of TF32; of the rest of x, a bit at the most, tensor cores take no notice.
CIRCUMPLEX_DEVICE void split(float x, uint32_t& big, uint32_t& small) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  big = (bits + 0x1000u) & 0xffffe000u;
  float rounded;
  memcpy(&rounded, &big, sizeof rounded);
  const float rest = x - rounded;
  memcpy(&small, &rest, sizeof small);
}

// Adds 8 steps of k by tensor cores: small by big, big by small, big by big, from zero; then an addition of float32,
// since tensor cores cut their sums off where float32 rounds.
CIRCUMPLEX_DEVICE void add_three_tf32(const float (&x)[4][2], const float (&y)[4][2], Sums& sum) {
  uint32_t a[2][4], a_small[2][4];
  CIRCUMPLEX_UNROLL
  for (int i = 0; i < 4; i++) {
    split(x[i][0], a[i / 2][i % 2], a_small[i / 2][i % 2]);
    split(x[i][1], a[i / 2][i % 2 + 2], a_small[i / 2][i % 2 + 2]);
  }
  CIRCUMPLEX_UNROLL
  for (int j = 0; j < 4; j++) {
    uint32_t b[2], b_small[2];
    split(y[j][0], b[0], b_small[0]);
    split(y[j][1], b[1], b_small[1]);
    CIRCUMPLEX_UNROLL
    for (int i = 0; i < 2; i++) {
      float part[4] = {0.f, 0.f, 0.f, 0.f};
      mma_tf32(part, a_small[i], b);
      mma_tf32(part, a[i], b_small);
      mma_tf32(part, a[i], b);
      CIRCUMPLEX_UNROLL
      for (int e = 0; e < 4; e++) sum[i][j][e] = sum[i][j][e] + part[e];
    }
  }
}

CIRCUMPLEX_DEVICE void add_tf32(const float (&x)[4][2], const float (&y)[4][2], Sums& sum) {
  CIRCUMPLEX_UNROLL
  for (int i = 0; i < 2; i++) {
    const float(&low)[2] = x[2 * i], (&high)[2] = x[2 * i + 1];
    const uint32_t a[4] = {to_tf32(low[0]), to_tf32(high[0]), to_tf32(low[1]), to_tf32(high[1])};
    CIRCUMPLEX_UNROLL
    for (int j = 0; j < 4; j++) {
      const uint32_t b[2] = {to_tf32(y[j][0]), to_tf32(y[j][1])};
      mma_tf32(sum[i][j], a, b);
    }
  }
}

// 16 steps of k.
CIRCUMPLEX_DEVICE void add_bf16(const float (&x)[2][4][2], const float (&y)[2][4][2], Sums& sum) {
  CIRCUMPLEX_UNROLL
  for (int i = 0; i < 2; i++) {
    uint32_t a[4];
    CIRCUMPLEX_UNROLL
    for (int e = 0; e < 4; e++) a[e] = to_bf16x2(x[e / 2][2 * i + e % 2][0], x[e / 2][2 * i + e % 2][1]);
    CIRCUMPLEX_UNROLL
    for (int j = 0; j < 4; j++) {
      const uint32_t b[2] = {to_bf16x2(y[0][j][0], y[0][j][1]), to_bf16x2(y[1][j][0], y[1][j][1])};
      mma_bf16(sum[i][j], a, b);
    }
  }
}

// Adds the steps of k from `depth` to `end`, 16 at the most.
template <Method method, bool a_along_k, bool b_along_k>
CIRCUMPLEX_DEVICE void add_fragments(int a, int b, int row, int column, int depth, int end, Sums& sum) {
  constexpr int kParts = method == Method::bf16 ? 2 : 1;  // of 8 steps
  for (; depth < end; depth += 8 * kParts) {
    float x[kParts][4][2], y[kParts][4][2];
    CIRCUMPLEX_UNROLL
    for (int part = 0; part < kParts; part++) {
      load_rows<a_along_k>(a, row + (lane() & 28), depth + part * 8 + (lane() & 3) * 2, x[part]);
      load_rows<b_along_k>(b, column + (lane() & 28), depth + part * 8 + (lane() & 3) * 2, y[part]);
    }
    if constexpr (method == Method::three_tf32) add_three_tf32(x[0], y[0], sum);
    if constexpr (method == Method::tf32) add_tf32(x[0], y[0], sum);
    if constexpr (method == Method::bf16) add_bf16(x, y, sum);
  }
}

// The warp's share of a tile's sums: all of k's even, or odd, 16 steps.
template <Method method, bool a_along_k, bool b_along_k>
CIRCUMPLEX_DEVICE void sum_tile(const Job& job, const Place& place, Sums& sum) {
  const int begin = place.slab * kSlab, k = place.k, r = place.replica;
  Source a = source_of<a_along_k>(job.a.of(r), job.a_pitch, job.a_wide, place.i, place.m, begin, k);
  Source b = source_of<b_along_k>(job.b.of(r), job.b_pitch, job.b_wide, place.j, job.n, begin, k);
  const int row = (warp() & 1) * 32, column = (warp() & 2) * 16, depth = (warp() & 4) * 4;
  const int steps = (k + kDepth - 1) / kDepth;
  constexpr int kAhead = kStages<method> - 1;
  for (int step = -kAhead; step < steps; step++) {
    if (step >= 0) {
      copy_wait<kAhead - 1>();
      sync_block();  // this step's tiles have come, and the last one's have been read
    }
    const int next = step + kAhead;
    if (next < steps) {
      const int stage = next % kStages<method> * 2 * kTileFloats;
      copy_tile<a_along_k>(a, stage);
      copy_tile<b_along_k>(b, stage + kTileFloats);
    }
    copy_commit();
    if (step < 0) continue;
    const int stage = step % kStages<method> * 2 * kTileFloats, left = k - step * kDepth;
    if constexpr (method == Method::chain) {
      if (depth < left) add_chain<a_along_k, b_along_k>(stage, stage + kTileFloats, row, column, depth, sum);
    } else {
      add_fragments<method, a_along_k, b_along_k>(stage, stage + kTileFloats, row, column, depth,
                                                  left < depth + 16 ? left : depth + 16, sum);
    }
  }
  sync_block();  // shared memory is free
}

// ---- from sums to the result ----

// What a block writes to: the result, or a slab's partial sums.
struct Target {
  Global<float> c, twin;
  int pitch;
  bool add, wide;
};

CIRCUMPLEX_DEVICE Target target_of(const Job& job, const Place& place) {
  if (job.slabs > 1) {
    return {job.partial.of(place.replica) + int64_t{place.slab} * job.m * job.n, Global<float>(nullptr), job.n, false,
            job.n % 4 == 0};
  }
  return {job.c.of(place.replica), job.twin.of(place.replica), job.c_pitch, job.add, job.c_wide};
}

CIRCUMPLEX_DEVICE void put(const Target& target, int64_t at, float v) {
  if (target.add) v = target.c[at] + v;
  target.c[at] = v;
  if (target.twin) target.twin[at] = v;
}

// The first `count` of four neighbours.
CIRCUMPLEX_DEVICE void put_four(const Target& target, int64_t at, int count, const float (&v)[4]) {
  if (target.wide && count >= 4 && !target.twin) {
    Float4 sum = {v[0], v[1], v[2], v[3]};
    if (target.add) {
      const Float4 held = load4(target.c + at);
      sum = {held.x + sum.x, held.y + sum.y, held.z + sum.z, held.w + sum.w};
    }
    store4(target.c + at, sum);
    return;
  }
  CIRCUMPLEX_UNROLL
  for (int i = 0; i < 4; i++) {
    if (i < count) put(target, at + i, v[i]);
  }
}

// Adds the two halves of the warps, then the bias, and writes. The halves write two of each thread's four rows each.
// The place is worked out again, so that it takes no registers while the sums are made.
CIRCUMPLEX_DEVICE void finish_tile(const Products& a, const Sums& sum) {
  Place place;
  find_place(a, place);
  const Job job = a.jobs[place.job];
  const int half = warp() >> 2;
  const Shared<float> exchange = shared<float>(0);
  float own[4][4];
  CIRCUMPLEX_UNROLL
  for (int j = 0; j < 4; j++) {
    CIRCUMPLEX_UNROLL
    for (int e = 0; e < 4; e++) {
      own[j][e] = half ? sum[1][j][e] : sum[0][j][e];
      exchange[(4 * j + e) * kThreads + thread()] = half ? sum[0][j][e] : sum[1][j][e];
    }
  }
  sync_block();
  const int other = thread() ^ (kThreads / 2);
  const Target target = target_of(job, place);
  const Global<const float> bias = job.bias.of(place.replica), second_bias = job.second_bias.of(place.replica);
  const int row = place.i + (warp() & 1) * 32 + (lane() & 28) + 2 * half;
  const int column = place.j + (warp() & 2) * 16 + (lane() & 3) * 8;
  CIRCUMPLEX_UNROLL
  for (int four = 0; four < 2; four++) {
    const int j = column + 4 * four;
    float offset[4] = {0.f, 0.f, 0.f, 0.f};
    CIRCUMPLEX_UNROLL
    for (int c = 0; c < 4; c++) {
      if (job.bias.data && j + c < job.n) offset[c] = bias[j + c];
      if (job.second_bias.data && j + c < job.n) offset[c] = offset[c] + second_bias[j + c];
    }
    CIRCUMPLEX_UNROLL
    for (int i = 0; i < 2; i++) {
      float v[4];
      CIRCUMPLEX_UNROLL
      for (int c = 0; c < 4; c++) {
        const int e = 2 * i + four;
        v[c] = own[c][e] + exchange[(4 * c + e) * kThreads + other] + offset[c];
      }
      if (row + i < place.m) put_four(target, int64_t{row + i} * target.pitch + j, job.n - j, v);
    }
  }
}

// c [m, 1] where b is all ones: 8 warps sum 8 rows of k each at a time, a thread a column of c's, in 8 chains.
CIRCUMPLEX_DEVICE void sum_columns(const Job& job, const Place& place) {
  const int i = place.i + lane();
  const int64_t step = job.a_along_k ? 1 : job.a_pitch;
  float sum[8] = {};
  if (i < place.m) {
    const Global<const float> from =
        job.a.of(place.replica) + (i * (job.a_along_k ? int64_t{job.a_pitch} : 1) + int64_t{place.slab} * kSlab * step);
    for (int k = warp(); k < place.k; k += 64) {
      CIRCUMPLEX_UNROLL
      for (int chain = 0; chain < 8; chain++) {
        const int at = k + 8 * chain;
        const float v = at < place.k ? from[at * step] : 0.f;
        sum[chain] = sum[chain] + v;
      }
    }
  }
  CIRCUMPLEX_UNROLL
  for (int gap = 1; gap < 8; gap *= 2) {
    CIRCUMPLEX_UNROLL
    for (int chain = 0; chain < 8; chain += 2 * gap) sum[chain] = sum[chain] + sum[chain + gap];
  }
  const Shared<float> sums = shared<float>(0);
  sums[thread()] = sum[0];
  sync_block();
  if (warp() > 0 || i >= place.m) return;
  CIRCUMPLEX_UNROLL
  for (int w = 0; w < 8; w++) sum[w] = sums[w * 32 + lane()];
  CIRCUMPLEX_UNROLL
  for (int gap = 1; gap < 8; gap *= 2) {
    CIRCUMPLEX_UNROLL
    for (int w = 0; w < 8; w += 2 * gap) sum[w] = sum[w] + sum[w + gap];
  }
  const Target target = target_of(job, place);
  put(target, int64_t{i} * target.pitch, sum[0]);
}

template <Method method>
CIRCUMPLEX_KERNEL_N(kThreads, 2)
multiply(const CIRCUMPLEX_PARAMETER Products a) {
  if (method != Method::chain && !CIRCUMPLEX_HAS_TENSOR_CORES) return;
  Place place;
  if (!find_place(a, place)) return;
  const Job job = a.jobs[place.job];
  if (!job.b.data) {
    sum_columns(job, place);
    return;
  }
  Sums sum = {};
  if (job.a_along_k && job.b_along_k) {
    sum_tile<method, true, true>(job, place, sum);
  } else if (job.a_along_k) {
    sum_tile<method, true, false>(job, place, sum);
  } else {
    sum_tile<method, false, false>(job, place, sum);
  }
  finish_tile(a, sum);
}

// Adds the slabs' partial sums pairwise: neighbours, then neighbours of those, ... A thread an element of the result.
CIRCUMPLEX_KERNEL(kThreads) add_slabs(const CIRCUMPLEX_PARAMETER Products a) {
  const int index = find_job(a.first, a.count, block_x());
  const Job job = a.jobs[index];
  const int at = block_x() - a.first[index], replica = at / job.slab_blocks;
  const int64_t size = int64_t{job.m} * job.n, element = int64_t{at % job.slab_blocks} * kThreads + thread();
  if (element >= size || stopped(a.chunk, job.copies, replica)) return;
  const int rows = rows_in_use(a.chunk, job), slabs = rows > 0 ? (rows + kSlab - 1) / kSlab : 1;
  const Global<const float> partial = job.partial.of(replica) + element;
  float level[kSlabLevels] = {};  // sums of 2^level slabs that wait for their neighbour: as the bits of a counter
  for (int s = 0; s < slabs; s++) {
    float v = partial[s * size];
    bool carry = true;
    CIRCUMPLEX_UNROLL
    for (int l = 0; l < kSlabLevels; l++) {
      if (!carry) continue;
      carry = s >> l & 1;
      if (carry) {
        v = level[l] + v;
      } else {
        level[l] = v;
      }
    }
  }
  float sum = 0;
  bool any = false;
  CIRCUMPLEX_UNROLL
  for (int l = 0; l < kSlabLevels; l++) {
    if (!(slabs >> l & 1)) continue;
    sum = any ? level[l] + sum : level[l];
    any = true;
  }
  const int64_t row = element / job.n, column = element % job.n;
  put({job.c.of(replica), job.twin.of(replica), job.c_pitch, job.add, false}, row * job.c_pitch + column, sum);
}

// ---- planning ----

// Tensor cores of consumer GPUs (8.6, 8.9, 12.x) compute TF32 no faster than the other units float32.
Method method_of(const DeviceProperties& gpu, Precision precision) {
  if (gpu.major < 8) return Method::chain;
  if (precision == Precision::tf32) return Method::tf32;
  if (precision == Precision::bf16) return Method::bf16;
  const bool fast = (gpu.major == 8 && gpu.minor == 0) || gpu.major == 9 || gpu.major == 10;
  return fast ? Method::three_tf32 : Method::chain;
}

template <class Pointer>
const void* address_of(const Pointer& p) {
  if constexpr (requires { p.address(); }) {
    return p.address();  // the emulator's
  } else {
    return p;
  }
}

template <class T>
bool is_wide(const Array<T>& values, int64_t pitch) {
  return reinterpret_cast<uintptr_t>(address_of(values.data)) % 16 == 0 && pitch % 4 == 0 && values.stride % 4 == 0;
}

int32_t narrow(int64_t n) {
  if (n < 0 || n > INT32_MAX) throw Error("ERR_SHAPE", "a matrix product has more rows or columns than 2^31");
  return static_cast<int32_t>(n);
}

Job job_of(Plan& plan, const Product& p) {
  const bool sums = !p.b.values.data, a_along_k = p.a.column == 1, b_along_k = p.b.column != 1;
  if (sums ? p.n != 1 : !a_along_k && b_along_k) {
    throw Error("ERR_SHAPE", "no kernel multiplies factors that lie so");
  }
  Job job = {};
  job.a = p.a.values;
  job.b = p.b.values;
  job.bias = p.bias;
  job.second_bias = p.second_bias;
  job.c = p.c;
  job.twin = p.twin;
  job.m = narrow(p.m);
  job.n = narrow(p.n);
  job.k = narrow(p.k);
  job.halo = narrow(p.halo);
  job.copies = p.c.stride ? plan.chunk.replicas : 1;
  job.a_pitch = narrow(a_along_k ? p.a.row : p.a.column);
  job.b_pitch = narrow(b_along_k ? p.b.column : p.b.row);
  job.c_pitch = narrow(p.ldc);
  job.rows = p.rows;
  job.a_along_k = a_along_k;
  job.b_along_k = b_along_k;
  job.a_wide = is_wide(p.a.values, job.a_pitch);
  job.b_wide = is_wide(p.b.values, job.b_pitch);
  job.c_wide = is_wide(p.c, job.c_pitch);
  job.add = p.add;
  job.tiles_m = narrow(divide_up(p.m, sums ? kSumColumns : kTile));
  job.tiles_n = narrow(divide_up(p.n, kTile));
  job.slabs = p.rows == Product::Rows::k && p.k > kSlab ? narrow(divide_up(p.k, kSlab)) : 1;
  if (job.slabs > 1) {
    const int64_t size = p.m * p.n;
    job.partial = {Global<float>(plan.floats(job.copies * job.slabs * size)), job.slabs * size};
    job.slab_blocks = narrow(divide_up(size, kThreads));
  }
  return job;
}

// A launch of jobs with `blocks` blocks each.
void plan_launch(Plan& plan, const Kernel& kernel, int64_t shared, const std::vector<Job>& jobs,
                 const std::vector<int64_t>& blocks) {
  std::vector<int32_t> first;
  int64_t all = 0;
  for (int64_t n : blocks) {
    first.push_back(static_cast<int32_t>(all));
    all += n;
  }
  if (all == 0) return;
  if (all > INT32_MAX) throw Error("ERR_SHAPE", "a product of more tiles than a launch can have");
  const int64_t count = static_cast<int64_t>(jobs.size());
  const Products arguments = {plan.chunk, table(plan, jobs.data(), count), table(plan, first.data(), count),
                              static_cast<int32_t>(count)};
  Grid grid;
  grid.x = static_cast<int>(all);
  grid.threads = kThreads;
  grid.shared = shared;
  plan.launch(kernel, grid, arguments);
}

void plan_multiply(Plan& plan, Method method, const std::vector<Job>& jobs, const std::vector<int64_t>& blocks) {
  const auto launch = [&]<Method m>(const char* name) {
    const int64_t shared = kStages<m> * 2 * kTileFloats * int64_t{sizeof(float)};
    plan_launch(plan, kernel_of<&multiply<m>>(name), shared, jobs, blocks);
  };
  switch (method) {
    case Method::chain:
      return launch.template operator()<Method::chain>("multiply");
    case Method::three_tf32:
      return launch.template operator()<Method::three_tf32>("multiply 3xTF32");
    case Method::tf32:
      return launch.template operator()<Method::tf32>("multiply TF32");
    case Method::bf16:
      return launch.template operator()<Method::bf16>("multiply BF16");
  }
}

}  // namespace

void plan_products(Plan& plan, const std::vector<Product>& products) {
  std::vector<Job> jobs, sums;
  std::vector<int64_t> blocks, sum_blocks;
  for (const Product& p : products) {
    if (p.m == 0 || p.n == 0) continue;
    const Job job = job_of(plan, p);
    jobs.push_back(job);
    blocks.push_back(int64_t{job.tiles_m} * job.tiles_n * job.slabs * job.copies);
    if (job.slabs == 1) continue;
    sums.push_back(job);
    sum_blocks.push_back(int64_t{job.slab_blocks} * job.copies);
  }
  plan_multiply(plan, method_of(plan.gpu, plan.precision), jobs, blocks);
  plan_launch(plan, kernel_of<&add_slabs>("add slabs"), 0, sums, sum_blocks);
}

const char* products_kernel(const Plan& plan) {
  switch (method_of(plan.gpu, plan.precision)) {
    case Method::three_tf32:
      return "tensor cores, 3xTF32";
    case Method::tf32:
      return "tensor cores, TF32";
    case Method::bf16:
      return "tensor cores, BF16";
    case Method::chain:
      break;
  }
  return "FMA chains";
}

Product forward_product(const Array<const float>& x, int64_t ldx, const Tensor& weight, const Array<float>& y,
                        int64_t ldy, int64_t rows, int64_t halo) {
  const int64_t n = weight.dims[0], k = weight.dims[1];
  Product p = {{x, ldx, 1}, {array<const float>(weight), 1, k}, y, ldy, rows, n, k};
  p.rows = Product::Rows::m;
  p.halo = halo;
  return p;
}

Product input_gradient(const Array<const float>& dy, int64_t lddy, const Tensor& weight, const Array<float>& dx,
                       int64_t lddx, int64_t rows, int64_t halo) {
  const int64_t n = weight.dims[0], k = weight.dims[1];
  Product p = {{dy, lddy, 1}, {array<const float>(weight), k, 1}, dx, lddx, rows, k, n};
  p.rows = Product::Rows::m;
  p.halo = halo;
  return p;
}

Product weight_gradient(const Array<const float>& dy, int64_t lddy, int64_t n, const Array<const float>& x, int64_t ldx,
                        int64_t k, const Tensor& dweight, int64_t rows, int64_t halo) {
  Product p = {{dy, 1, lddy}, {x, ldx, 1}, array<float>(dweight), k, n, k, rows};
  p.rows = Product::Rows::k;
  p.halo = halo;
  return p;
}

}  // namespace circumplex::cuda

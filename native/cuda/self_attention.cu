// A block works on 16 frames of a lane's head and goes through the others in tiles of 32, a thread of a warp one of
// them; a warp has four of the 16. Forward the softmax is taken as the tiles come by: where a larger score turns up,
// what was summed before is scaled down. Backward the gradients of what asks (q) and of what is asked (k, v) are two
// kernels of one shape, since each sums over the other: no atomics.

#include <cmath>

#include "cuda/math.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/self_attention.h"

namespace circumplex::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kOwn = 4;                      // frames of a warp
constexpr int kRows = kOwn * kThreads / 32;  // of a block
constexpr int kTile = 32;
constexpr int kParts = kMostHeadSize / 32;  // features of a thread

struct Attention {
  Chunk chunk;
  int64_t copies, heads, size, width;
  float scale;
  Array<const float> x;
  Array<const uint8_t> valid;  // null: no frame is missing
  Array<float> y, statistics;
  Array<const float> dy;
  Array<float> dx;
  Array<float> means;  // [T, B, heads]: dy y
};

// What a block works on.
struct Place {
  int64_t replica, lane, head, first, length, frames;
};

CIRCUMPLEX_DEVICE Place place_of(const Attention& a) {
  const int64_t heads = a.heads, lanes = a.chunk.lanes, block = block_x();
  const int64_t lane = block / heads % lanes;
  return {block_y(), lane, block % heads, block / (heads * lanes) * kRows, a.chunk.length[lane], a.chunk.now[0].frames};
}

// Padded, so that the threads of a warp read rows of their own without conflicts.
CIRCUMPLEX_DEVICE int64_t tile_stride(int64_t size) { return size | 1; }

CIRCUMPLEX_DEVICE bool is_key(const Attention& a, const Place& p, int64_t t) {
  if (t >= p.length) return false;
  return !a.valid.data || a.valid.of(p.replica)[t * a.chunk.lanes + p.lane] != 0;
}

// A head's part of frame 0 of a lane; `part`: 0 q, 1 k, 2 v.
CIRCUMPLEX_DEVICE int64_t x_at(const Attention& a, const Place& p, int part) {
  return (p.lane * 3 + part) * a.width + p.head * a.size;
}
CIRCUMPLEX_DEVICE int64_t y_at(const Attention& a, const Place& p) { return p.lane * a.width + p.head * a.size; }

// `rows` frames from `first` on, `step` values apart in memory; 0 beyond the lane's length.
CIRCUMPLEX_DEVICE void load_frames(const Place& p, const Global<const float>& from, int64_t step, int64_t first,
                                   int64_t rows, int64_t size, const Shared<float>& to, int64_t stride) {
  for (int64_t i = thread(); i < rows * size; i += kThreads) {
    const int64_t row = i / size, column = i % size;
    float value = 0;
    if (first + row < p.length) value = from[(first + row) * step + column];
    to[row * stride + column] = value;
  }
}

CIRCUMPLEX_KERNEL_N(kThreads, 4) self_attend(const CIRCUMPLEX_PARAMETER Attention a) {
  const Place p = place_of(a);
  if (stopped(a.chunk, a.copies, p.replica) || p.first >= p.frames) return;
  const int64_t size = a.size, stride = tile_stride(size), step = a.chunk.lanes * 3 * a.width;
  const Shared<float> q = shared<float>(0), k = q + kRows * size, v = k + kTile * stride;
  const Shared<float> own = q + kOwn * warp() * size, weights = v + kTile * stride + kOwn * warp() * kTile;
  const Global<const float> x = a.x.of(p.replica);
  float largest[kOwn], sum[kOwn], out[kOwn][kParts];
  CIRCUMPLEX_UNROLL
  for (int r = 0; r < kOwn; r++) {
    largest[r] = -HUGE_VALF;
    sum[r] = 0;
    CIRCUMPLEX_UNROLL
    for (int c = 0; c < kParts; c++) out[r][c] = 0;
  }
  load_frames(p, x + x_at(a, p, 0), step, p.first, kRows, size, q, size);
  for (int64_t at = 0; at < p.length; at += kTile) {
    sync_block();
    load_frames(p, x + x_at(a, p, 1), step, at, kTile, size, k, stride);
    load_frames(p, x + x_at(a, p, 2), step, at, kTile, size, v, stride);
    sync_block();
    const bool there = is_key(a, p, at + lane());
    float score[kOwn] = {};
    for (int64_t d = 0; d < size; d++) {
      const float key = k[lane() * stride + d];
      CIRCUMPLEX_UNROLL
      for (int r = 0; r < kOwn; r++) score[r] = fma(own[r * size + d], key, score[r]);
    }
    CIRCUMPLEX_UNROLL
    for (int r = 0; r < kOwn; r++) {
      const float scaled = there ? score[r] * a.scale : -HUGE_VALF;
      const float most = Largest()(team_reduce(scaled, 32, Largest()), largest[r]);
      const float fade = largest[r] == most ? 1.f : exp(largest[r] - most);
      const float power = there ? exp(scaled - most) : 0.f;
      sum[r] = fma(sum[r], fade, team_reduce(power, 32, Sum()));
      largest[r] = most;
      weights[r * kTile + lane()] = power;
      CIRCUMPLEX_UNROLL
      for (int c = 0; c < kParts; c++) out[r][c] *= fade;
    }
    sync_warp();
    for (int64_t j = 0; j < kTile && at + j < p.length; j++) {
      CIRCUMPLEX_UNROLL
      for (int c = 0; c < kParts; c++) {
        const int64_t d = lane() + 32 * c;
        if (d >= size) continue;
        const float value = v[j * stride + d];
        CIRCUMPLEX_UNROLL
        for (int r = 0; r < kOwn; r++) out[r][c] = fma(weights[r * kTile + j], value, out[r][c]);
      }
    }
  }
  CIRCUMPLEX_UNROLL
  for (int r = 0; r < kOwn; r++) {
    const int64_t t = p.first + kOwn * warp() + r;
    if (t >= p.frames) continue;
    const bool some = t < p.length && sum[r] != 0.f;
    const float share = some ? divide(1.f, sum[r]) : 0.f;
    CIRCUMPLEX_UNROLL
    for (int c = 0; c < kParts; c++) {
      const int64_t d = lane() + 32 * c;
      if (d < size) a.y.of(p.replica)[t * a.chunk.lanes * a.width + y_at(a, p) + d] = some ? out[r][c] * share : 0.f;
    }
    if (lane() != 0) continue;
    const Global<float> s = a.statistics.of(p.replica) + ((t * a.chunk.lanes + p.lane) * a.heads + p.head) * 2;
    s[0] = some ? largest[r] : 0.f;
    s[1] = share;
  }
}

// What the backward call needs to know of a frame that asks.
struct Asking {
  float largest = 0, share = 0, mean = 0;
};

CIRCUMPLEX_DEVICE Asking asking_of(const Attention& a, const Place& p, int64_t t) {
  Asking asking;
  if (t >= p.length) return asking;
  const int64_t at = (t * a.chunk.lanes + p.lane) * a.heads + p.head;
  const Global<const float> s = a.statistics.of(p.replica);
  const Global<const float> means = a.means.of(p.replica);
  asking.largest = s[at * 2];
  asking.share = s[at * 2 + 1];
  asking.mean = means[at];
  return asking;
}

// dy y of the warp's frames, for this kernel and the next.
CIRCUMPLEX_DEVICE void measure(const Attention& a, const Place& p) {
  const Global<const float> y = a.y.of(p.replica), dy = a.dy.of(p.replica);
  for (int r = 0; r < kOwn; r++) {
    const int64_t t = p.first + kOwn * warp() + r, at = t * a.chunk.lanes * a.width + y_at(a, p);
    float mean = 0;
    for (int64_t d = lane(); t < p.length && d < a.size; d += 32) mean = fma(y[at + d], dy[at + d], mean);
    mean = team_reduce(mean, 32, Sum());
    if (t < p.length && lane() == 0) {
      a.means.of(p.replica)[(t * a.chunk.lanes + p.lane) * a.heads + p.head] = mean;
    }
  }
  sync_warp();
}

// kKeys: dk and dv of the block's frames, of all that ask; else dq, of all keys. First and second are what is
// multiplied for the scores, and for their gradients: q and dy of what asks, k and v of a key.
template <bool kKeys>
CIRCUMPLEX_KERNEL_N(kThreads, 4)
self_differentiate(const CIRCUMPLEX_PARAMETER Attention a) {
  const Place p = place_of(a);
  if (stopped(a.chunk, a.copies, p.replica) || p.first >= p.frames) return;
  const int64_t size = a.size, stride = tile_stride(size), lanes = a.chunk.lanes, step = lanes * 3 * a.width;
  const Shared<float> first = shared<float>(0), second = first + kRows * size, tile = second + kRows * size;
  const Shared<float> other = tile + kTile * stride, ds = other + kTile * stride + kOwn * warp() * kTile;
  const Shared<float> weights = ds + kRows * kTile, own = first + kOwn * warp() * size;
  const Shared<float> twin = second + kOwn * warp() * size;
  const Global<const float> x = a.x.of(p.replica), q = x + x_at(a, p, 0), k = x + x_at(a, p, 1), v = x + x_at(a, p, 2);
  const Global<const float> dy = a.dy.of(p.replica) + y_at(a, p);
  float out[kOwn][kParts] = {}, outer[kOwn][kParts] = {};
  Asking row[kOwn];
  if (!kKeys) {
    measure(a, p);
    for (int r = 0; r < kOwn; r++) row[r] = asking_of(a, p, p.first + kOwn * warp() + r);
  }
  load_frames(p, kKeys ? k : q, step, p.first, kRows, size, first, size);
  load_frames(p, kKeys ? v : dy, kKeys ? step : lanes * a.width, p.first, kRows, size, second, size);
  for (int64_t at = 0; at < p.length; at += kTile) {
    sync_block();
    load_frames(p, kKeys ? q : k, step, at, kTile, size, tile, stride);
    load_frames(p, kKeys ? dy : v, kKeys ? lanes * a.width : step, at, kTile, size, other, stride);
    sync_block();
    const int64_t t = at + lane();
    const bool there = kKeys ? t < p.length : is_key(a, p, t);
    Asking column;
    if (kKeys) column = asking_of(a, p, t);
    float score[kOwn] = {}, slope[kOwn] = {};
    for (int64_t d = 0; d < size; d++) {
      const float one = tile[lane() * stride + d], two = other[lane() * stride + d];
      CIRCUMPLEX_UNROLL
      for (int r = 0; r < kOwn; r++) {
        score[r] = fma(own[r * size + d], one, score[r]);
        slope[r] = fma(twin[r * size + d], two, slope[r]);
      }
    }
    CIRCUMPLEX_UNROLL
    for (int r = 0; r < kOwn; r++) {
      const Asking asking = kKeys ? column : row[r];
      const float weight = there ? exp(score[r] * a.scale - asking.largest) * asking.share : 0.f;
      ds[r * kTile + lane()] = there ? weight * (slope[r] - asking.mean) * a.scale : 0.f;
      if (kKeys) weights[r * kTile + lane()] = weight;
    }
    sync_warp();
    for (int64_t j = 0; j < kTile && at + j < p.length; j++) {
      CIRCUMPLEX_UNROLL
      for (int c = 0; c < kParts; c++) {
        const int64_t d = lane() + 32 * c;
        if (d >= size) continue;
        const float one = tile[j * stride + d];
        float two = 0;
        if (kKeys) two = other[j * stride + d];
        CIRCUMPLEX_UNROLL
        for (int r = 0; r < kOwn; r++) {
          out[r][c] = fma(ds[r * kTile + j], one, out[r][c]);
          if (kKeys) outer[r][c] = fma(weights[r * kTile + j], two, outer[r][c]);
        }
      }
    }
  }
  const Global<float> dx = a.dx.of(p.replica);
  CIRCUMPLEX_UNROLL
  for (int r = 0; r < kOwn; r++) {
    const int64_t t = p.first + kOwn * warp() + r;
    if (t >= p.frames) continue;
    const bool counts = kKeys ? is_key(a, p, t) : t < p.length;
    CIRCUMPLEX_UNROLL
    for (int c = 0; c < kParts; c++) {
      const int64_t d = lane() + 32 * c;
      if (d >= size) continue;
      dx[t * step + x_at(a, p, kKeys ? 1 : 0) + d] = counts ? out[r][c] : 0.f;
      if (kKeys) dx[t * step + x_at(a, p, 2) + d] = counts ? outer[r][c] : 0.f;
    }
  }
}

Attention arguments_of(const Plan& plan, const SelfAttentionCall& a) {
  return {plan.chunk,
          a.rows.copies,
          a.heads,
          a.size,
          a.width,
          a.scale,
          array<const float>(a.x),
          array<const uint8_t>(a.valid),
          array<float>(a.y),
          array<float>(a.statistics),
          array<const float>(a.dy),
          array<float>(a.dx),
          {}};
}

// `own`, `tiles` and `weights`: how many arrays of kRows frames, of kTile frames, and of weights a block keeps.
Grid grid_of(const Plan& plan, const SelfAttentionCall& a, int own, int tiles, int weights) {
  Grid grid;
  grid.x = static_cast<int>(divide_up(plan.control.chunk, kRows) * plan.control.lanes * a.heads);
  grid.y = static_cast<int>(a.rows.copies);
  grid.threads = kThreads;
  const int64_t floats = own * kRows * a.size + tiles * kTile * (a.size | 1) + weights * kRows * kTile;
  grid.shared = floats * static_cast<int64_t>(sizeof(float));
  return grid;
}

}  // namespace

void plan_self_attention(Plan& plan, const Call& call) {
  const SelfAttentionCall a = read_self_attention(plan, call);
  plan.launch(kernel_of("self_attention", &self_attend), grid_of(plan, a, 1, 2, 1), arguments_of(plan, a));
  plan.kernel("tiles of 32 frames");
}

void plan_self_attention_backward(Plan& plan, const Call& call) {
  const SelfAttentionCall read = read_self_attention_backward(plan, call);
  Attention a = arguments_of(plan, read);
  const int64_t size = read.statistics.size() / 2;
  a.means = {Global<float>(plan.floats(read.rows.copies * size)), size};
  const Grid grid = grid_of(plan, read, 2, 2, 2);
  plan.launch(kernel_of<&self_differentiate<false>>("self_attention_queries"), grid, a);
  plan.launch(kernel_of<&self_differentiate<true>>("self_attention_keys"), grid, a);
  plan.kernel("tiles of 32 frames");
}

}  // namespace circumplex::cuda

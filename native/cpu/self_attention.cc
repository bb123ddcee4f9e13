// A lane's head is one task, forward and backward: its keys and values are packed without the frames that are missing,
// then blocks of frames ask them all. Every product is one of cpu/gemm.h, every sum over keys or frames in their order;
// no bit depends on threads, on other lanes, or on how far the chunk goes beyond the lane.

#include "operators/self_attention.h"

#include "cpu/cell.h"
#include "cpu/exp.h"
#include "cpu/gemm.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kAsking = 48;  // frames that ask at a time: their scores of 2000 keys take 384 KiB
constexpr int kChains = 16 / W;

// What a task needs in its worker's scratch memory, in floats from `at` on; a multiple of 16 each.
struct Room {
  int64_t at = 0;
  int64_t take(int64_t floats) {
    const int64_t from = at;
    at += round_up(floats, 16);
    return from;
  }
};

struct Attention : SelfAttentionCall {
  int64_t lanes = 0;  // of the program
  int64_t keys = 0;   // leading dimension of the scores
  // In the scratch memory: which frames are keys; k' and v, packed; the scores of a block of frames.
  int64_t index = 0, asked = 0, values = 0, scores = 0;
  // Backward: v' and k, packed; the gradients of a block's scores, of k and of v; that of multiply_outer.
  int64_t values_asked = 0, plain = 0, dscores = 0, dk = 0, dv = 0, outer = 0;
};

// One head of one lane; rows of x, y and dy are `ld` apart.
struct Head {
  int64_t replica, lane, head, length, ld_x, ld_y;
  const float *q, *k, *v;
};

Head head_of(const Attention& a, int64_t task) {
  Head h;
  h.head = task % a.heads;
  h.lane = task / a.heads % a.lanes;
  h.replica = task / (a.heads * a.lanes);
  h.length = a.rows.control->length[h.lane];
  h.ld_x = a.lanes * 3 * a.width;
  h.ld_y = a.lanes * a.width;
  h.q = a.x.f32(h.replica) + h.lane * 3 * a.width + h.head * a.size;
  h.k = h.q + a.width;
  h.v = h.k + a.width;
  return h;
}

// The lane's frames that can be attended to; returns how many.
int64_t find_keys(const Attention& a, const Head& h, int32_t* index) {
  int64_t count = 0;
  for (int64_t t = 0; t < h.length; t++) {
    if (!a.valid.data || a.valid.u8(h.replica)[t * a.lanes + h.lane]) index[count++] = static_cast<int32_t>(t);
  }
  return count;
}

float* statistics_of(const Attention& a, const Head& h, int64_t t) {
  return a.statistics.f32(h.replica) + ((t * a.lanes + h.lane) * a.heads + h.head) * 2;
}

void clear(float* to, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = 0;
}

// Scores to exp(score - largest), not yet divided by their sum.
void weigh(float* scores, int64_t n, float factor, float* statistics) {
  const V scale = set1(factor);
  float largest = scores[0] * factor;
  V most = set1(largest);
  int64_t i = 0;
  for (; i + W <= n; i += W) {
    const V s = load(scores + i) * scale;
    store(scores + i, s);
    most = max(s, most);
  }
  for (; i < n; i++) {
    scores[i] *= factor;
    largest = scores[i] > largest ? scores[i] : largest;
  }
  float lanes[W];
  store(lanes, most);
  for (int w = 0; w < W; w++) largest = lanes[w] > largest ? lanes[w] : largest;
  V sum[kChains];
  for (int c = 0; c < kChains; c++) sum[c] = zero();
  for (i = 0; i < n; i += 16) {
    for (int c = 0; c < kChains; c++) {
      const int64_t at = i + c * W;
      const int left = static_cast<int>(smaller(W, n - at));
      if (left <= 0) break;
      store_n(scores + at, exp(load_n(scores + at, left) - set1(largest)), left);
      sum[c] = sum[c] + load_n(scores + at, left);
    }
  }
  statistics[0] = largest;
  statistics[1] = 1.f / sum16(sum);
}

// The lane's frames from `from` on: those beyond its valid ones, or all where there is no key.
void nothing(const Attention& a, const Head& h, int64_t from) {
  for (int64_t t = from; t < a.rows.control->frames; t++) {
    clear(a.y.f32(h.replica) + t * h.ld_y + h.lane * a.width + h.head * a.size, a.size);
    clear(statistics_of(a, h, t), 2);
  }
}

void attend(void* self, int64_t task, Worker& worker) {
  const Attention& a = *static_cast<const Attention*>(self);
  const Head h = head_of(a, task);
  if (stopped(*a.rows.control, a.rows.copies, h.replica)) return;
  int32_t* index = reinterpret_cast<int32_t*>(worker.scratch + a.index);
  float *asked = worker.scratch + a.asked, *values = worker.scratch + a.values, *scores = worker.scratch + a.scores;
  const int64_t n = find_keys(a, h, index);
  nothing(a, h, n ? h.length : 0);
  if (!n) return;
  pack_transposed(asked, h.k, h.ld_x, n, a.size, index, 0, divide_up(n, kPanel));
  pack_plain(values, h.v, h.ld_x, a.size, n, index, 0, divide_up(a.size, kPanel));
  for (int64_t t = 0; t < h.length; t += kAsking) {
    const int64_t count = smaller(kAsking, h.length - t);
    float* y = a.y.f32(h.replica) + t * h.ld_y + h.lane * a.width + h.head * a.size;
    multiply_rows(count, n, a.size, h.q + t * h.ld_x, h.ld_x, asked, Start::zero, nullptr, scores, a.keys);
    for (int64_t r = 0; r < count; r++) weigh(scores + r * a.keys, n, a.scale, statistics_of(a, h, t + r));
    multiply_rows(count, a.size, n, scores, a.keys, values, Start::zero, nullptr, y, h.ld_y);
    for (int64_t r = 0; r < count; r++) {
      const float part = statistics_of(a, h, t + r)[1];
      for (int64_t i = 0; i < a.size; i++) y[r * h.ld_y + i] *= part;
    }
  }
}

// Scores to weights p, dp to ds.
void unweigh(const Attention& a, float* scores, float* dscores, int64_t n, const float* statistics, float mean) {
  const V scale = set1(a.scale), largest = set1(statistics[0]), part = set1(statistics[1]), centre = set1(mean);
  for (int64_t i = 0; i < n; i += W) {
    const int left = static_cast<int>(smaller(W, n - i));
    const V p = exp(load_n(scores + i, left) * scale - largest) * part;
    store_n(scores + i, p, left);
    store_n(dscores + i, p * (load_n(dscores + i, left) - centre) * scale, left);
  }
}

// Gradients of the keys to their frames, 0 to those that are none.
void place(const Attention& a, const Head& h, const int32_t* index, int64_t n, const float* from, float* to) {
  for (int64_t t = 0, key = 0; t < a.rows.control->frames; t++) {
    if (key < n && index[key] == t) {
      copy(to + t * h.ld_x, from + key++ * a.size, a.size);
    } else {
      clear(to + t * h.ld_x, a.size);
    }
  }
}

void differentiate(void* self, int64_t task, Worker& worker) {
  const Attention& a = *static_cast<const Attention*>(self);
  const Head h = head_of(a, task);
  if (stopped(*a.rows.control, a.rows.copies, h.replica)) return;
  int32_t* index = reinterpret_cast<int32_t*>(worker.scratch + a.index);
  float *asked = worker.scratch + a.asked, *values = worker.scratch + a.values_asked;
  float *plain = worker.scratch + a.plain, *scores = worker.scratch + a.scores, *dscores = worker.scratch + a.dscores;
  float *dk = worker.scratch + a.dk, *dv = worker.scratch + a.dv, *outer = worker.scratch + a.outer;
  float* dq = a.dx.f32(h.replica) + h.lane * 3 * a.width + h.head * a.size;
  const int64_t n = find_keys(a, h, index);
  for (int64_t t = n ? h.length : 0; t < a.rows.control->frames; t++) clear(dq + t * h.ld_x, a.size);
  if (n) {
    pack_transposed(asked, h.k, h.ld_x, n, a.size, index, 0, divide_up(n, kPanel));
    pack_transposed(values, h.v, h.ld_x, n, a.size, index, 0, divide_up(n, kPanel));
    pack_plain(plain, h.k, h.ld_x, a.size, n, index, 0, divide_up(a.size, kPanel));
  }
  for (int64_t t = 0; n && t < h.length; t += kAsking) {
    const int64_t count = smaller(kAsking, h.length - t), at = t * h.ld_y + h.lane * a.width + h.head * a.size;
    const float *q = h.q + t * h.ld_x, *dy = a.dy.f32(h.replica) + at, *y = a.y.f32(h.replica) + at;
    multiply_rows(count, n, a.size, q, h.ld_x, asked, Start::zero, nullptr, scores, a.keys);
    multiply_rows(count, n, a.size, dy, h.ld_y, values, Start::zero, nullptr, dscores, a.keys);
    for (int64_t r = 0; r < count; r++) {
      const float mean = dot(dy + r * h.ld_y, y + r * h.ld_y, a.size);
      unweigh(a, scores + r * a.keys, dscores + r * a.keys, n, statistics_of(a, h, t + r), mean);
    }
    multiply_rows(count, a.size, n, dscores, a.keys, plain, Start::zero, nullptr, dq + t * h.ld_x, h.ld_x);
    const Start start = t ? Start::output : Start::zero;
    multiply_outer(n, a.size, count, {dscores, a.keys, nullptr}, nullptr, {q, h.ld_x, nullptr}, start, dk, a.size,
                   outer);
    multiply_outer(n, a.size, count, {scores, a.keys, nullptr}, nullptr, {dy, h.ld_y, nullptr}, start, dv, a.size,
                   outer);
  }
  place(a, h, index, n, dk, dq + a.width);
  place(a, h, index, n, dv, dq + 2 * a.width);
}

void plan_rooms(Plan& plan, Attention& a, bool backward) {
  const int64_t frames = plan.control.chunk;
  a.lanes = plan.control.lanes;
  a.keys = round_up(frames, 16);
  Room room;
  a.index = room.take(frames);
  a.asked = room.take(packed_size(a.size, frames));
  a.scores = room.take(kAsking * a.keys);
  if (backward) {
    a.values_asked = room.take(packed_size(a.size, frames));
    a.plain = room.take(packed_size(frames, a.size));
    a.dscores = room.take(kAsking * a.keys);
    a.dk = room.take(frames * a.size);
    a.dv = room.take(frames * a.size);
    a.outer = room.take(outer_scratch(a.size));
  } else {
    a.values = room.take(packed_size(frames, a.size));
  }
  plan.scratch(room.at * static_cast<int64_t>(sizeof(float)));
}

}  // namespace

void plan_self_attention(Plan& plan, const Call& call) {
  Attention& a = *plan.make<Attention>({read_self_attention(plan, call)});
  plan_rooms(plan, a, false);
  plan.stage(a.rows.copies * a.lanes * a.heads, attend, &a);
  plan.kernel("a lane's head a task; packed gemm");
}

void plan_self_attention_backward(Plan& plan, const Call& call) {
  Attention& a = *plan.make<Attention>({read_self_attention_backward(plan, call)});
  plan_rooms(plan, a, true);
  plan.stage(a.rows.copies * a.lanes * a.heads, differentiate, &a);
  plan.kernel("a lane's head a task; packed gemm");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

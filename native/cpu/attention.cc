// The attentive LSTM: Lucas, Ghaleb and Asteriadis' embedding attention. The input of frame t is a mean of the window
// t-left .. t+right, weighted by general dot-product attention that the top layer's own state queries:
//
//   score(t, s) = h_top(t-1)' Wa v(s),  a(t, .) = softmax over the window,  x(t) = sum_s a(t, s) v(s)
//
// With K = V Wa' and P = V W_ih', computed for the whole chunk at once, score(t, s) = h_top(t-1) . K(s) and
// W_ih x(t) = sum_s a(t, s) P(s): the recurrence never touches the embedding dimension. Only frames that exist and are
// valid count; with none left, the context is 0. Two controls replace the score: `uniform` (0) and `static` (a learned
// logit an offset). While control.bypass is set, the centre frame alone is fed.
//
// Backward, with g = dz of layer 0: da = g . P(s), de = a (da - sum a da), dh_top(t-1) += sum de K(s); after the
// recurrence the band sums dP(s) = sum_t a(t, s) g(t) and dK(s) = sum_t de(t, s) h_top(t-1), then dWa = dK' V and
// dW_ih = dP' V.
//
// All rows of a block of lanes lie together in memory, and its tasks one after the other, so that what a thread wrote
// is its own to read.

#include "operators/attention.h"

#include "cpu/cell.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"
#include "cpu/lanes.h"
#include "cpu/plan.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kRowBlock = 96;  // rows of a product over the window's reach that are computed at a time
constexpr int64_t kPanelBlock = 8;

struct Attentive;

struct Layer {
  Attentive* op;
  int64_t index, input;
  LstmWeights weights;
  float *packed_ih, *packed_hh, *bias;  // per replica
  float *packed_ih_backward, *packed_hh_backward;
  float *gates, *h, *c, *tanh_c;  // [T], [T+1], [T+1], [T]: as in lstm.cc, forward in time
  float *out, *scale;             // [T]: [hidden], what the next layer sees; dropout's factors or null
};

struct Attentive {
  AttentiveCall call;
  const Control* control;
  int64_t hidden, hp, layers, frames, lanes, left, right, window, reach, width;  // reach: T + halo; width: of v
  int64_t blocks, most_lanes, block, steps;  // block: frames of a product at a time; steps: such blocks in the reach
  Score score_kind;
  Dropping dropping;
  Tensor v, valid, score, y, state, attention;
  int32_t *rows, *columns;
  int32_t *row_map, *state_map, *reach_map;  // where row [t, lane] of T, T + 1, reach frames lies; null: in its order
  Layer* layer;
  float* packed_k;  // Wa, per replica
  float *p, *k;     // [reach]: [4 hp] and [hp]
  uint8_t* seen;    // [reach, B]: a stream's `valid`; null where there is no stream
  // Backward.
  AttentiveBackwardCall backward;
  Tensor dy, dv;
  float *de, *dp, *dk;  // [T]: [window]; like p, like k
  float* packed_score_backward;
};

struct Lanes {
  int64_t replica, first, last;
};

Lanes lanes_of(const Attentive& s, int64_t task) {
  const int64_t block = task % s.blocks;
  return {task / s.blocks, first_lane(s.lanes, s.blocks, block), first_lane(s.lanes, s.blocks, block + 1)};
}

// Of `frames` frames of all lanes of all replicas, the row of frame t of a block's first lane.
int64_t row_of(const Attentive& s, const Lanes& lanes, int64_t t, int64_t frames) {
  return (lanes.replica * s.lanes + lanes.first) * frames + t * (lanes.last - lanes.first);
}

// Frames of the reach that this chunk has.
int64_t reach_now(const Attentive& s) { return s.control->frames ? s.control->frames + s.call.halo() : 0; }

void pack(void* self, int64_t task, Worker&) {
  Layer& layer = *static_cast<Layer*>(self);
  const Attentive& s = *layer.op;
  const int64_t n = 4 * s.hp, panels = n / kPanel, groups = divide_up(panels, kPanelBlock);
  const int64_t group = task % groups, replica = task / groups;
  if (!s.control->active[replica]) return;
  const int64_t first = group * kPanelBlock, last = smaller(panels, first + kPanelBlock);
  pack_transposed(layer.packed_ih + replica * packed_size(layer.input, n), layer.weights.w_ih.f32(replica), layer.input,
                  n, layer.input, s.rows, first, last);
  pack_transposed(layer.packed_hh + replica * packed_size(s.hidden, n), layer.weights.w_hh.f32(replica), s.hidden, n,
                  s.hidden, s.rows, first, last);
  if (group) return;
  add_biases(layer.bias + replica * n, layer.weights.b_ih.f32(replica), layer.weights.b_hh.f32(replica), s.hidden,
             s.hp);
  if (layer.index == 0 && s.score_kind == Score::dot_product) {
    pack_transposed(s.packed_k + replica * packed_size(s.width, s.hidden), s.score.f32(replica), s.width, s.hidden,
                    s.width, nullptr, 0, divide_up(s.hidden, kPanel));
  }
}

// A stream keeps K, P and `valid` of the frames before: moves them by a chunk, and takes the new frames' `valid`.
void slide(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Lanes lanes = lanes_of(s, task);
  const int64_t count = lanes.last - lanes.first, n = 4 * s.hp, kept = s.reach - s.frames;
  const int64_t to = row_of(s, lanes, 0, s.reach), from = row_of(s, lanes, s.frames, s.reach);
  copy(s.p + to * n, s.p + from * n, kept * count * n);
  if (s.k) copy(s.k + to * s.hp, s.k + from * s.hp, kept * count * s.hp);
  uint8_t* seen = s.seen + lanes.replica * s.reach * s.lanes;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    for (int64_t t = 0; t < kept; t++) seen[t * s.lanes + lane] = seen[(t + s.frames) * s.lanes + lane];
    for (int64_t t = 0; t < s.frames; t++) {
      const int64_t row = t * s.lanes + lane;
      seen[s.call.newest() * s.lanes + row] = s.valid.data ? s.valid.u8(lanes.replica)[row] : 1;
    }
  }
}

// K and P of some frames of a block of lanes.
void multiply_window(void* self, int64_t task, Worker& worker) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Lanes lanes = lanes_of(s, task / s.steps);
  const int64_t count = lanes.last - lanes.first, n = 4 * s.hp, first = task % s.steps * s.block;
  const int64_t last = smaller(first + s.block, s.call.stream ? s.frames : reach_now(s)), r = lanes.replica;
  if (first >= last || !s.control->active[r]) return;
  const float* v = s.v.f32(r) + (first * s.lanes + lanes.first) * s.width;
  if (count < s.lanes) {
    float* room = worker.scratch;
    for (int64_t t = 0; t < last - first; t++) {
      copy(room + t * count * s.width, v + t * s.lanes * s.width, count * s.width);
    }
    v = room;
  }
  const int64_t rows = (last - first) * count, to = row_of(s, lanes, s.call.newest() + first, s.reach);
  multiply_rows(rows, n, s.width, v, s.width, s.layer[0].packed_ih + r * packed_size(s.width, n), Start::zero, nullptr,
                s.p + to * n, n);
  if (s.score_kind != Score::dot_product) return;
  multiply_rows(rows, s.hidden, s.width, v, s.width, s.packed_k + r * packed_size(s.width, s.hidden), Start::zero,
                nullptr, s.k + to * s.hp, s.hp);
}

// Rows of a window, one a frame, `step` floats apart.
struct Window {
  const float* rows;
  int64_t step;
};

// N vectors of to = sum_j weights[j * stride] rows(j), added to what is there where `more`. A weight of 0 leaves its
// row unread: it may be no frame's.
template <int N>
CIRCUMPLEX_INLINE void mix_vectors(float* to, bool more, const float* weights, int64_t stride, Window window,
                                   int64_t count) {
  V sum[N];
  for (int v = 0; v < N; v++) sum[v] = more ? load(to + v * W) : zero();
  for (int64_t j = 0; j < count; j++, window.rows += window.step) {
    const float weight = weights[j * stride];
    if (weight == 0.f) continue;
    for (int v = 0; v < N; v++) sum[v] = fma(set1(weight), load(window.rows + v * W), sum[v]);
  }
  for (int v = 0; v < N; v++) store(to + v * W, sum[v]);
}

// The same for n values, whole panels.
void mix(float* to, int64_t n, bool more, const float* weights, int64_t stride, Window window, int64_t count) {
  int64_t u = 0;
  for (; u + 8 * W <= n; u += 8 * W) {
    mix_vectors<8>(to + u, more, weights, stride, {window.rows + u, window.step}, count);
  }
  for (; u < n; u += kPanel) {
    mix_vectors<2>(to + u, more, weights, stride, {window.rows + u, window.step}, count);
  }
}

// to[j] = a . rows(j) for j < count.
void dots(float* to, const float* a, int64_t n, Window window, int64_t count) {
  int64_t j = 0;
  for (; j + 4 <= count; j += 4) dot_rows<4>(to + j, a, window.rows + j * window.step, window.step, n);
  for (; j < count; j++) to[j] = dot(a, window.rows + j * window.step, n);
}

// Whether offset j of the window of frame t is a frame that exists and is valid.
CIRCUMPLEX_INLINE bool present(const Attentive& s, int64_t replica, int64_t t, int64_t lane, int64_t j) {
  const int64_t frame = s.control->start[lane] + t + j - s.left;
  if (frame < 0 || frame >= s.control->total[lane] || (s.call.causal && j > s.left)) return false;
  if (s.seen) return s.seen[(replica * s.reach + t + j) * s.lanes + lane];
  return !s.valid.data || s.valid.u8(replica)[(t + j) * s.lanes + lane];
}

// a [window]: the attention of frame t; 0 for absent frames, all 0 when none is present. `k` has no rows where there is
// no query.
void attend(const Attentive& s, int64_t replica, int64_t t, int64_t lane, const float* query, Window k, float* a) {
  if (s.control->bypass) {
    for (int64_t j = 0; j < s.window; j++) a[j] = 0;
    a[s.left] = present(s, replica, t, lane, s.left) ? 1.f : 0.f;
    return;
  }
  const float* logits = s.score_kind == Score::fixed ? s.score.f32(replica) : nullptr;
  constexpr float kAbsent = -__builtin_inff();
  float most = kAbsent;
  if (k.rows) dots(a, query, s.hidden, k, s.window);
  for (int64_t j = 0; j < s.window; j++) {
    if (!present(s, replica, t, lane, j)) {
      a[j] = kAbsent;
      continue;
    }
    if (!k.rows) a[j] = logits ? logits[j] : 0.f;
    if (a[j] > most) most = a[j];
  }
  if (most == kAbsent) {
    for (int64_t j = 0; j < s.window; j++) a[j] = 0;
    return;
  }
  float sum = 0;
  for (int64_t j = 0; j < s.window; j += W) {
    const int left = static_cast<int>(smaller(W, s.window - j));
    const V from_most = max(set1(-87.f), load_n(a + j, left) - set1(most));
    float e[W];
    store(e, exp_bounded(from_most));
    for (int i = 0; i < left; i++) {
      a[j + i] = a[j + i] == kAbsent ? 0.f : e[i];
      sum += a[j + i];
    }
  }
  for (int64_t j = 0; j < s.window; j++) a[j] /= sum;
}

void start_lanes(const Attentive& s, const Layer& layer, const Lanes& lanes) {
  const float* saved = s.state.f32(lanes.replica) + layer.index * 2 * s.lanes * s.hidden;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t at = (row_of(s, lanes, 0, s.frames + 1) + lane - lanes.first) * s.hp;
    clear(layer.h + at, s.hp);
    clear(layer.c + at, s.hp);
    if (s.control->start[lane] == 0) continue;
    copy(layer.h + at, saved + lane * s.hidden, s.hidden);
    copy(layer.c + at, saved + (s.lanes + lane) * s.hidden, s.hidden);
  }
}

void finish_lanes(const Attentive& s, const Layer& layer, const Lanes& lanes) {
  float* saved = s.state.f32(lanes.replica) + layer.index * 2 * s.lanes * s.hidden;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t length = s.control->length[lane];
    const int64_t at = (row_of(s, lanes, length, s.frames + 1) + lane - lanes.first) * s.hp;
    if (length == 0) continue;
    copy(saved + lane * s.hidden, layer.h + at, s.hidden);
    copy(saved + (s.lanes + lane) * s.hidden, layer.c + at, s.hidden);
  }
}

// The pre-activations of the first layer's gates at frame t, but for its own state: gates [lane, 4 hp].
void feed_window(const Attentive& s, const Lanes& lanes, int64_t t, float* gates) {
  const Control& control = *s.control;
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, r = lanes.replica;
  const int64_t at = row_of(s, lanes, t, s.reach);
  const float* query = s.layer[s.layers - 1].h + row_of(s, lanes, t, s.frames + 1) * s.hp;
  const float* bias = s.layer[0].bias + r * n;
  for (int64_t i = 0; i < count; i++) {
    const int64_t lane = lanes.first + i;
    if (t >= control.length[lane]) {
      clear(gates + i * n, n);
      continue;
    }
    float* a = s.attention.f32(r) + (t * s.lanes + lane) * s.window;
    attend(s, r, t, lane, query + i * s.hp, {s.k ? s.k + (at + i) * s.hp : nullptr, count * s.hp}, a);
    copy(gates + i * n, bias, n);
    mix(gates + i * n, n, true, a, 1, {s.p + (at + i) * n, count * n}, s.window);
  }
}

void recur(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Control& control = *s.control;
  const Lanes lanes = lanes_of(s, task);
  if (!control.active[lanes.replica]) return;
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, r = lanes.replica;
  float* y = s.y.f32(r);
  int64_t frames = 0;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t length = control.length[lane];
    frames = larger(frames, length);
    for (int64_t t = length; t < s.frames; t++) {
      clear(s.attention.f32(r) + (t * s.lanes + lane) * s.window, s.window);
      clear(y + (t * s.lanes + lane) * s.hidden, s.hidden);
    }
  }
  for (int64_t l = 0; l < s.layers; l++) start_lanes(s, s.layer[l], lanes);
  for (int64_t t = 0; t < frames; t++) {
    const int64_t row = row_of(s, lanes, t, s.frames), before = row_of(s, lanes, t, s.frames + 1), now = before + count;
    for (int64_t l = 0; l < s.layers; l++) {
      const Layer& layer = s.layer[l];
      const Dropping dropping = {s.dropping.p, s.dropping.site + static_cast<uint32_t>(l)};
      float* gates = layer.gates + row * n;
      if (l == 0) {
        feed_window(s, lanes, t, gates);
      } else {
        multiply_rows(count, n, s.hidden, s.layer[l - 1].out + row * s.hidden, s.hidden,
                      layer.packed_ih + r * packed_size(s.hidden, n), Start::bias, layer.bias + r * n, gates, n);
      }
      multiply_rows(count, n, s.hidden, layer.h + before * s.hp, s.hp, layer.packed_hh + r * packed_size(s.hidden, n),
                    Start::output, nullptr, gates, n);
      for (int64_t i = 0; i < count; i++) {
        const int64_t lane = lanes.first + i;
        if (t >= control.length[lane]) continue;
        float* h = layer.h + (now + i) * s.hp;
        cell_forward(gates + i * n, s.hp, layer.c + (before + i) * s.hp, layer.c + (now + i) * s.hp,
                     layer.tanh_c + (row + i) * s.hp, h);
        float* out = l == s.layers - 1 ? y + (t * s.lanes + lane) * s.hidden : layer.out + (row + i) * s.hidden;
        copy(out, h, s.hidden);
        if (!layer.scale) continue;
        float* scale = layer.scale + (row + i) * s.hidden;
        dropout_scale(scale, s.hidden, dropping, control, r, lane, control.start[lane] + t);
        multiply(out, out, scale, s.hidden);
      }
    }
  }
  for (int64_t l = 0; l < s.layers; l++) finish_lanes(s, s.layer[l], lanes);
}

// ---- backward ----

void pack_backward(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const int64_t replica = task / s.layers, l = task % s.layers, k = 4 * s.hp;
  if (!s.control->active[replica]) return;
  const Layer& layer = s.layer[l];
  pack_plain(layer.packed_hh_backward + replica * packed_size(k, s.hidden), layer.weights.w_hh.f32(replica), s.hidden,
             s.hidden, k, s.rows, 0, divide_up(s.hidden, kPanel));
  if (layer.packed_ih_backward) {
    pack_plain(layer.packed_ih_backward + replica * packed_size(k, layer.input), layer.weights.w_ih.f32(replica),
               layer.input, layer.input, k, s.rows, 0, divide_up(layer.input, kPanel));
  }
  if (l == 0 && s.packed_score_backward) {
    pack_plain(s.packed_score_backward + replica * packed_size(s.hidden, s.width), s.score.f32(replica), s.width,
               s.width, s.hidden, nullptr, 0, divide_up(s.width, kPanel));
  }
}

// de [window] from g = dz of layer 0 at frame t of a block's lane i; adds sum de K(s) to dh.
void attend_backward(const Attentive& s, const Lanes& lanes, int64_t t, int64_t i, const float* g, float* dh,
                     float* de) {
  if (s.control->bypass || s.score_kind == Score::uniform) {
    clear(de, s.window);
    return;
  }
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, at = row_of(s, lanes, t, s.reach) + i;
  const float* a = s.attention.f32(lanes.replica) + (t * s.lanes + lanes.first + i) * s.window;
  dots(de, g, n, {s.p + at * n, count * n}, s.window);
  float mean = 0;
  for (int64_t j = 0; j < s.window; j++) {
    if (a[j] == 0.f) de[j] = 0;
    mean += a[j] * de[j];
  }
  for (int64_t j = 0; j < s.window; j++) de[j] = a[j] * (de[j] - mean);
  if (s.score_kind == Score::dot_product) mix(dh, s.hp, true, de, 1, {s.k + at * s.hp, count * s.hp}, s.window);
}

void recur_backward(void* self, int64_t task, Worker& worker) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Control& control = *s.control;
  const int64_t first = task % s.backward.segments * s.backward.truncate;
  const Lanes lanes = lanes_of(s, task / s.backward.segments);
  if (!control.active[lanes.replica]) return;
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, r = lanes.replica, state = count * s.hp;
  const int64_t end = smaller(control.frames, first + s.backward.truncate);
  float *dh = worker.scratch, *dc = dh + s.layers * state, *dx = dc + s.layers * state;  // dx [lane, hidden]
  clear(dh, 2 * s.layers * state);
  int64_t frames = 0;
  for (int64_t i = 0; i < count; i++) {
    const int64_t length = control.length[lanes.first + i];
    frames = larger(frames, length);
    for (int64_t t = larger(first, length); t < end; t++) {
      const int64_t row = row_of(s, lanes, t, s.frames) + i;
      clear(s.de + row * s.window, s.window);
      for (int64_t l = 0; l < s.layers; l++) clear(s.layer[l].gates + row * n, n);
    }
  }
  float* queried = dh + (s.layers - 1) * state;
  for (int64_t t = smaller(frames, end) - 1; t >= first; t--) {
    const int64_t row = row_of(s, lanes, t, s.frames), before = row_of(s, lanes, t, s.frames + 1);
    for (int64_t l = s.layers - 1; l >= 0; l--) {
      const Layer& layer = s.layer[l];
      float* gates = layer.gates + row * n;
      for (int64_t i = 0; i < count; i++) {
        const int64_t lane = lanes.first + i;
        if (t >= control.length[lane]) continue;
        float* from_above = dx + i * s.hidden;
        if (layer.scale) multiply(from_above, from_above, layer.scale + (row + i) * s.hidden, s.hidden);
        const float* dy = l == s.layers - 1 ? s.dy.f32(r) + (t * s.lanes + lane) * s.hidden : from_above;
        cell_backward(gates + i * n, s.hp, s.hidden, layer.c + (before + i) * s.hp, layer.tanh_c + (row + i) * s.hp, dy,
                      dh + l * state + i * s.hp, dc + l * state + i * s.hp);
      }
      multiply_rows(count, s.hidden, n, gates, n, layer.packed_hh_backward + r * packed_size(n, s.hidden), Start::zero,
                    nullptr, dh + l * state, s.hp);
      if (l > 0) {
        multiply_rows(count, s.hidden, n, gates, n, layer.packed_ih_backward + r * packed_size(n, s.hidden),
                      Start::zero, nullptr, dx, s.hidden);
        continue;
      }
      for (int64_t i = 0; i < count; i++) {
        if (t >= control.length[lanes.first + i]) continue;
        attend_backward(s, lanes, t, i, gates + i * n, queried + i * s.hp, s.de + (row + i) * s.window);
      }
    }
  }
}

// dP and dK of frame `at` of the reach, summed over t in order.
void gather_band(const Attentive& s, const Lanes& lanes, int64_t at) {
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, over = s.lanes * s.window;
  const int64_t first = larger(0, at - (s.window - 1)), frames = smaller(s.control->frames - 1, at) + 1 - first;
  for (int64_t i = 0; i < count; i++) {
    const int64_t to = row_of(s, lanes, at, s.reach) + i, row = row_of(s, lanes, first, s.frames) + i;
    // From frame to frame the weight of `at` moves one offset back.
    const float* a = s.attention.f32(lanes.replica) + first * over + (lanes.first + i) * s.window + at - first;
    mix(s.dp + to * n, n, false, a, over - 1, {s.layer[0].gates + row * n, count * n}, frames);
    if (s.score_kind != Score::dot_product) continue;
    const float* query = s.layer[s.layers - 1].h + (row_of(s, lanes, first, s.frames + 1) + i) * s.hp;
    mix(s.dk + to * s.hp, s.hp, false, s.de + row * s.window + at - first, count * s.window - 1, {query, count * s.hp},
        frames);
  }
}

// The band of some frames of a block of lanes, and dv.
void multiply_window_backward(void* self, int64_t task, Worker& worker) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Lanes lanes = lanes_of(s, task / s.steps);
  const int64_t count = lanes.last - lanes.first, n = 4 * s.hp, r = lanes.replica;
  const int64_t first = task % s.steps * s.block, last = smaller(first + s.block, reach_now(s));
  if (first >= last || !s.control->active[r]) return;
  for (int64_t at = first; at < last; at++) gather_band(s, lanes, at);
  if (!s.dv.data) return;
  const int64_t rows = (last - first) * count, from = row_of(s, lanes, first, s.reach);
  float* to = s.dv.f32(r) + (first * s.lanes + lanes.first) * s.width;
  float* dv = count < s.lanes ? worker.scratch : to;
  multiply_rows(rows, s.width, n, s.dp + from * n, n, s.layer[0].packed_ih_backward + r * packed_size(n, s.width),
                Start::zero, nullptr, dv, s.width);
  if (s.score_kind == Score::dot_product) {
    multiply_rows(rows, s.width, s.hidden, s.dk + from * s.hp, s.hp,
                  s.packed_score_backward + r * packed_size(s.hidden, s.width), Start::output, nullptr, dv, s.width);
  }
  if (dv == to) return;
  for (int64_t t = 0; t < last - first; t++) {
    copy(to + t * s.lanes * s.width, dv + t * count * s.width, count * s.width);
  }
}

void plan_layers(Plan& plan, Attentive* s) {
  const int64_t replicas = plan.control.replicas, rows = s->frames * s->lanes, n = 4 * s->hp;
  for (int64_t l = 0; l < s->layers; l++) {
    Layer& layer = s->layer[l];
    layer.op = s;
    layer.index = l;
    layer.input = s->call.input(l);
    layer.weights = s->call.weights[l];
    layer.packed_ih = plan.floats(replicas * packed_size(layer.input, n));
    layer.packed_hh = plan.floats(replicas * packed_size(s->hidden, n));
    layer.bias = plan.floats(replicas * n);
    layer.gates = plan.floats(replicas * rows * n);
    layer.h = plan.floats(replicas * (rows + s->lanes) * s->hp);
    layer.c = plan.floats(replicas * (rows + s->lanes) * s->hp);
    layer.tanh_c = plan.floats(replicas * rows * s->hp);
    if (l == s->layers - 1) continue;
    layer.out = plan.floats(replicas * rows * s->hidden);
    if (s->dropping.p > 0) layer.scale = plan.floats(replicas * rows * s->hidden);
  }
}

}  // namespace

void plan_attentive_lstm(Plan& plan, const Call& call) {
  Attentive* s = plan.make<Attentive>();
  const Control& control = plan.control;
  s->control = &control;
  s->call = read_attentive_lstm(plan, call);
  const AttentiveCall& read = s->call;
  s->hidden = read.hidden;
  s->layers = read.layers;
  s->left = read.left;
  s->right = read.right;
  s->score_kind = read.kind;
  s->dropping = {read.dropout, read.site};
  s->window = read.window();
  s->hp = padded_units(s->hidden);
  s->frames = read.frames;
  s->reach = read.frames + read.halo();
  s->lanes = read.lanes;
  s->v = read.v;
  s->width = read.width;
  s->valid = read.valid;
  s->score = read.score;
  s->y = read.y;
  s->state = read.state;
  s->attention = read.attention;
  s->rows = plan.list<int32_t>(4 * s->hp);
  s->columns = plan.list<int32_t>(4 * s->hidden);
  map_gates(s->rows, s->hidden, s->hp);
  map_rows(s->columns, s->hidden, s->hp);
  s->layer = plan.list<Layer>(s->layers);
  const int64_t replicas = control.replicas, all = s->reach * s->lanes;
  s->blocks = lane_blocks(s->lanes, replicas, plan.threads);
  s->most_lanes = divide_up(s->lanes, s->blocks);
  s->block = larger(1, kRowBlock / s->most_lanes);
  s->steps = divide_up(s->reach, s->block);
  s->p = plan.floats(replicas * all * 4 * s->hp);
  if (s->score_kind == Score::dot_product) {
    s->k = plan.floats(replicas * all * s->hp);
    s->packed_k = plan.floats(replicas * packed_size(s->width, s->hidden));
  }
  if (read.stream) s->seen = static_cast<uint8_t*>(plan.allocate(replicas * all));
  plan_layers(plan, s);

  plan.weight(s->score);
  for (int64_t l = 0; l < s->layers; l++) {
    prepares_from(plan, s->layer[l].weights);
    plan.prepare(replicas * divide_up(4 * s->hp / kPanel, kPanelBlock), pack, &s->layer[l]);
  }
  if (s->blocks > 1) plan.scratch(s->block * s->most_lanes * s->width * static_cast<int64_t>(sizeof(float)));
  if (read.stream) plan.stage(replicas * s->blocks, slide, s);
  plan.stage(replicas * s->blocks * s->steps, multiply_window, s);
  plan.stage(replicas * s->blocks, recur, s);
  if (call.count("slot")) plan.keep(call.integer("slot"), "attentive_lstm", s);
  plan.kernel("lane-blocked recurrence, K and P precomputed");
}

void plan_attentive_lstm_backward(Plan& plan, const Call& call) {
  Attentive* s = static_cast<Attentive*>(plan.take(call.integer("slot"), "attentive_lstm"));
  const int64_t replicas = plan.control.replicas, rows = s->frames * s->lanes, n = 4 * s->hp;
  const int64_t all = s->reach * s->lanes;
  s->backward = read_attentive_lstm_backward(plan, call, s->call);
  s->dy = s->backward.dy;
  s->dv = s->backward.dv;
  s->de = plan.floats(replicas * rows * s->window);
  s->dp = plan.floats(replicas * all * n);
  if (s->score_kind == Score::dot_product) s->dk = plan.floats(replicas * all * s->hp);
  for (int64_t l = 0; l < s->layers; l++) {
    Layer& layer = s->layer[l];
    layer.packed_hh_backward = plan.floats(replicas * packed_size(n, s->hidden));
    if (l || s->dv.data) layer.packed_ih_backward = plan.floats(replicas * packed_size(n, layer.input));
  }
  if (s->dv.data && s->score_kind == Score::dot_product) {
    s->packed_score_backward = plan.floats(replicas * packed_size(s->hidden, s->width));
  }
  if (s->blocks > 1) {
    s->row_map = map_frames(plan, s->lanes, s->blocks, s->frames);
    s->state_map = map_frames(plan, s->lanes, s->blocks, s->frames + 1);
    s->reach_map = map_frames(plan, s->lanes, s->blocks, s->reach);
  }
  plan.scratch((2 * s->layers * s->hp + s->hidden) * s->lanes * static_cast<int64_t>(sizeof(float)));
  if (s->dv.data && s->blocks > 1) {
    plan.scratch(s->block * s->most_lanes * s->width * static_cast<int64_t>(sizeof(float)));
  }
  plan.weight(s->score);
  for (int64_t l = 0; l < s->layers; l++) prepares_from(plan, s->layer[l].weights);
  plan.prepare(replicas * s->layers, pack_backward, s);
  plan.stage(replicas * s->blocks * s->backward.segments, recur_backward, s);
  plan.stage(replicas * s->blocks * s->steps, multiply_window_backward, s);

  const int64_t count = 1 + 3 * s->layers;
  WeightGradient* gradients = plan.list<WeightGradient>(count);
  WeightGradient& score = gradients[0];
  if (s->backward.dscore.data && s->score_kind == Score::dot_product) {
    score = {.m = s->hidden,
             .n = s->width,
             .a = s->dk,
             .a_stride = all * s->hp,
             .lda = s->hp,
             .b = s->v.f32(),
             .b_stride = s->v.stride,
             .ldb = s->width,
             .a_rows = s->reach_map,
             .out = s->backward.dscore,
             .halo = s->call.halo()};
  } else if (s->backward.dscore.data && s->score_kind == Score::fixed) {
    score = {.m = s->window,
             .n = 1,
             .a = s->de,
             .a_stride = rows * s->window,
             .lda = s->window,
             .a_rows = s->row_map,
             .out = s->backward.dscore};
  }
  for (int64_t l = 0; l < s->layers; l++) {
    const Layer& layer = s->layer[l];
    const LstmWeights& gradient = s->backward.gradients[l];
    WeightGradient* g = gradients + 1 + 3 * l;
    g[0] = g[1] = g[2] = {.m = 4 * s->hidden,
                          .columns = s->columns,
                          .a = layer.gates,
                          .a_stride = rows * n,
                          .lda = n,
                          .a_rows = s->row_map};
    g[0].n = g[0].ldb = layer.input;
    g[0].b = l ? s->layer[l - 1].out : s->v.f32();
    g[0].b_stride = l ? rows * s->hidden : s->v.stride;
    g[0].b_rows = l ? s->row_map : nullptr;
    if (l == 0) {
      g[0].a = s->dp;
      g[0].a_stride = all * n;
      g[0].a_rows = s->reach_map;
      g[0].halo = s->call.halo();
    }
    g[0].out = gradient.w_ih;
    g[1].n = s->hidden;
    g[1].ldb = s->hp;
    g[1].b = layer.h;
    g[1].b_stride = (rows + s->lanes) * s->hp;
    g[1].b_rows = s->state_map;
    g[1].out = gradient.w_hh;
    g[2].n = 1;
    g[2].out = gradient.b_ih;
    g[2].twin = gradient.b_hh;
  }
  plan_weight_gradients(plan, call, gradients, count, s->frames);
  plan.kernel("lane-blocked recurrence, deferred band and weight gradients");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

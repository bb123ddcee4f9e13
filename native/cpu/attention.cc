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

#include "operators/attention.h"

#include "cpu/cell.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"
#include "cpu/plan.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kRowBlock = 96;
constexpr int64_t kPanelBlock = 8;
constexpr int64_t kMostLanes = 12;

struct Attentive;

struct Layer {
  Attentive* op;
  int64_t index, input;
  LstmWeights weights;
  float *packed_ih, *packed_hh, *bias;  // per replica
  float *packed_ih_backward, *packed_hh_backward;
  float *gates, *h, *c, *tanh_c;  // as in lstm.cc, forward in time
  float *out, *scale;             // [T,B,H]: what the next layer sees; dropout's factors or null
};

struct Attentive {
  AttentiveCall call;
  const Control* control;
  int64_t hidden, hp, layers, frames, lanes, left, right, window, halo, width, blocks;  // width: of v
  Score score_kind;
  Dropping dropping;
  Tensor v, valid, score, y, state, attention;
  int32_t *rows, *columns;
  Layer* layer;
  float* packed_k;  // Wa, per replica
  float *p, *k;     // [left+T+right, B, 4 hp] and [.., hp]
  uint8_t* seen;    // [left+T+right, B]: a stream's `valid`; null where there is no stream
  // Backward.
  AttentiveBackwardCall backward;
  Tensor dy, dv;
  float *de, *dp, *dk;  // [T,B,window], like p, like k
  float* packed_score_backward;
};

struct Lanes {
  int64_t replica, first, last;
};

Lanes lanes_of(const Attentive& s, int64_t task) {
  const int64_t block = task % s.blocks;
  return {task / s.blocks, block * s.lanes / s.blocks, (block + 1) * s.lanes / s.blocks};
}

int64_t rows_now(const Attentive& s) { return s.control->frames ? (s.control->frames + s.halo) * s.lanes : 0; }

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
void slide(void* self, int64_t replica, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const int64_t all = (s.frames + s.halo) * s.lanes, by = s.frames * s.lanes, n = 4 * s.hp;
  float *p = s.p + replica * all * n, *k = s.k ? s.k + replica * all * s.hp : nullptr;
  uint8_t* seen = s.seen + replica * all;
  for (int64_t row = 0; row < all - by; row++) {
    copy(p + row * n, p + (row + by) * n, n);
    if (k) copy(k + row * s.hp, k + (row + by) * s.hp, s.hp);
    seen[row] = seen[row + by];
  }
  for (int64_t row = 0; row < by; row++) {
    seen[s.call.newest() * s.lanes + row] = s.valid.data ? s.valid.u8(replica)[row] : 1;
  }
}

// K and P of a block of rows of v.
void multiply_window(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const int64_t all = (s.frames + s.halo) * s.lanes, blocks = divide_up(all, kRowBlock), n = 4 * s.hp;
  const int64_t replica = task / blocks, first = task % blocks * kRowBlock;
  const int64_t rows = smaller(kRowBlock, (s.call.stream ? s.frames * s.lanes : rows_now(s)) - first);
  if (rows <= 0 || !s.control->active[replica]) return;
  const float* v = s.v.f32(replica) + first * s.width;
  const int64_t to = replica * all + s.call.newest() * s.lanes + first;
  multiply_rows(rows, n, s.width, v, s.width, s.layer[0].packed_ih + replica * packed_size(s.width, n), Start::zero,
                nullptr, s.p + to * n, n);
  if (s.score_kind != Score::dot_product) return;
  multiply_rows(rows, s.hidden, s.width, v, s.width, s.packed_k + replica * packed_size(s.width, s.hidden), Start::zero,
                nullptr, s.k + to * s.hp, s.hp);
}

void scale_dropout(void* self, int64_t task, Worker&) {
  Layer& layer = *static_cast<Layer*>(self);
  const Attentive& s = *layer.op;
  const int64_t replica = task / s.frames, t = task % s.frames;
  if (!s.control->active[replica] || t >= s.control->frames) return;
  const Dropping dropping = {s.dropping.p, s.dropping.site + static_cast<uint32_t>(layer.index)};
  dropout_frame(layer.scale + (replica * s.frames + t) * s.lanes * s.hidden, s.hidden, dropping, *s.control, replica,
                t);
}

// Whether offset j of the window of frame t is a frame that exists and is valid.
CIRCUMPLEX_INLINE bool present(const Attentive& s, int64_t replica, int64_t t, int64_t lane, int64_t j) {
  const int64_t frame = s.control->start[lane] + t + j - s.left;
  if (frame < 0 || frame >= s.control->total[lane] || (s.call.causal && j > s.left)) return false;
  if (s.seen) return s.seen[(replica * (s.frames + s.halo) + t + j) * s.lanes + lane];
  return !s.valid.data || s.valid.u8(replica)[(t + j) * s.lanes + lane];
}

// a [window]: the attention of frame t; 0 for absent frames, all 0 when none is present.
void attend(const Attentive& s, int64_t replica, int64_t t, int64_t lane, const float* query, float* a) {
  if (s.control->bypass) {
    for (int64_t j = 0; j < s.window; j++) a[j] = 0;
    a[s.left] = present(s, replica, t, lane, s.left) ? 1.f : 0.f;
    return;
  }
  const int64_t all = (s.frames + s.halo) * s.lanes;
  const float* k = s.k ? s.k + (replica * all + t * s.lanes + lane) * s.hp : nullptr;
  const float* logits = s.score_kind == Score::fixed ? s.score.f32(replica) : nullptr;
  constexpr float kAbsent = -__builtin_inff();
  float most = kAbsent;
  for (int64_t j = 0; j < s.window; j++) {
    a[j] = kAbsent;
    if (!present(s, replica, t, lane, j)) continue;
    a[j] = k ? dot(query, k + j * s.lanes * s.hp, s.hidden) : logits ? logits[j] : 0.f;
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

// to [4 hp] = bias + sum_j a[j] P(t + j - left)
void mix_window(const Attentive& s, const float* bias, const float* p, const float* a, float* to) {
  const int64_t n = 4 * s.hp, stride = s.lanes * n;
  for (int64_t u = 0; u < n; u += 2 * W) {
    V low = load(bias + u), high = load(bias + u + W);
    const float* from = p + u;
    for (int64_t j = 0; j < s.window; j++, from += stride) {
      if (a[j] == 0.f) continue;
      const V weight = set1(a[j]);
      low = fma(weight, load(from), low);
      high = fma(weight, load(from + W), high);
    }
    store(to + u, low);
    store(to + u + W, high);
  }
}

void start_lanes(const Attentive& s, const Layer& layer, const Lanes& lanes, float* h, float* c) {
  const float* saved = s.state.f32(lanes.replica) + layer.index * 2 * s.lanes * s.hidden;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    clear(h + lane * s.hp, s.hp);
    clear(c + lane * s.hp, s.hp);
    if (s.control->start[lane] == 0) continue;
    copy(h + lane * s.hp, saved + lane * s.hidden, s.hidden);
    copy(c + lane * s.hp, saved + (s.lanes + lane) * s.hidden, s.hidden);
  }
}

void finish_lanes(const Attentive& s, const Layer& layer, const Lanes& lanes, const float* h, const float* c) {
  float* saved = s.state.f32(lanes.replica) + layer.index * 2 * s.lanes * s.hidden;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t length = s.control->length[lane], slot = (length * s.lanes + lane) * s.hp;
    if (length == 0) continue;
    copy(saved + lane * s.hidden, h + slot, s.hidden);
    copy(saved + (s.lanes + lane) * s.hidden, c + slot, s.hidden);
  }
}

void recur(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Control& control = *s.control;
  const Lanes lanes = lanes_of(s, task);
  if (!control.active[lanes.replica]) return;
  const int64_t n = 4 * s.hp, row = s.lanes * s.hp, count = lanes.last - lanes.first, frames_all = s.frames * s.lanes;
  const int64_t r = lanes.replica;
  float* attention = s.attention.f32(r);
  float* y = s.y.f32(r);
  int64_t frames = 0;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t length = control.length[lane];
    frames = larger(frames, length);
    for (int64_t t = length; t < s.frames; t++) {
      clear(attention + (t * s.lanes + lane) * s.window, s.window);
      clear(y + (t * s.lanes + lane) * s.hidden, s.hidden);
    }
  }
  for (int64_t l = 0; l < s.layers; l++) {
    const Layer& layer = s.layer[l];
    start_lanes(s, layer, lanes, layer.h + r * (s.frames + 1) * row, layer.c + r * (s.frames + 1) * row);
  }
  const Layer& top = s.layer[s.layers - 1];
  const float* query = top.h + r * (s.frames + 1) * row;
  const float* p = s.p + r * (s.frames + s.halo) * s.lanes * n;
  for (int64_t t = 0; t < frames; t++) {
    for (int64_t l = 0; l < s.layers; l++) {
      const Layer& layer = s.layer[l];
      float* gates = layer.gates + (r * frames_all + t * s.lanes) * n;
      float* h = layer.h + (r * (s.frames + 1) + t) * row;
      float* c = layer.c + (r * (s.frames + 1) + t) * row;
      const float* bias = layer.bias + r * n;
      if (l == 0) {
        for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
          if (t >= control.length[lane]) {
            clear(gates + lane * n, n);
            continue;
          }
          float* a = attention + (t * s.lanes + lane) * s.window;
          attend(s, r, t, lane, query + t * row + lane * s.hp, a);
          mix_window(s, bias, p + (t * s.lanes + lane) * n, a, gates + lane * n);
        }
      } else {
        const float* below = s.layer[l - 1].out + (r * frames_all + t * s.lanes + lanes.first) * s.hidden;
        multiply_rows(count, n, s.hidden, below, s.hidden, layer.packed_ih + r * packed_size(s.hidden, n), Start::bias,
                      bias, gates + lanes.first * n, n);
      }
      multiply_rows(count, n, s.hidden, h + lanes.first * s.hp, s.hp, layer.packed_hh + r * packed_size(s.hidden, n),
                    Start::output, nullptr, gates + lanes.first * n, n);
      for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
        if (t >= control.length[lane]) continue;
        const int64_t at = lane * s.hp, frame = r * frames_all + t * s.lanes + lane;
        cell_forward(gates + lane * n, s.hp, c + at, c + row + at, layer.tanh_c + frame * s.hp, h + row + at);
        float* out = l == s.layers - 1 ? y + (t * s.lanes + lane) * s.hidden : layer.out + frame * s.hidden;
        copy(out, h + row + at, s.hidden);
        if (layer.scale) multiply(out, out, layer.scale + frame * s.hidden, s.hidden);
      }
    }
  }
  for (int64_t l = 0; l < s.layers; l++) {
    const Layer& layer = s.layer[l];
    finish_lanes(s, layer, lanes, layer.h + r * (s.frames + 1) * row, layer.c + r * (s.frames + 1) * row);
  }
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

// de [window] from g = dz of layer 0 at frame t; adds sum de K(s) to dh.
void attend_backward(const Attentive& s, int64_t replica, int64_t t, int64_t lane, const float* g, float* dh,
                     float* de) {
  if (s.control->bypass || s.score_kind == Score::uniform) {
    clear(de, s.window);
    return;
  }
  const int64_t n = 4 * s.hp, all = (s.frames + s.halo) * s.lanes, at = replica * all + t * s.lanes + lane;
  const float* a = s.attention.f32(replica) + (t * s.lanes + lane) * s.window;
  float mean = 0;
  for (int64_t j = 0; j < s.window; j++) {
    de[j] = a[j] == 0.f ? 0.f : dot(g, s.p + (at + j * s.lanes) * n, n);
    mean += a[j] * de[j];
  }
  for (int64_t j = 0; j < s.window; j++) de[j] = a[j] * (de[j] - mean);
  if (s.score_kind != Score::dot_product) return;
  for (int64_t u = 0; u < s.hp; u += W) {
    V sum = load(dh + u);
    for (int64_t j = 0; j < s.window; j++) {
      if (de[j] != 0.f) sum = fma(set1(de[j]), load(s.k + (at + j * s.lanes) * s.hp + u), sum);
    }
    store(dh + u, sum);
  }
}

void recur_backward(void* self, int64_t task, Worker& worker) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const Control& control = *s.control;
  const int64_t first = task % s.backward.segments * s.backward.truncate;
  const Lanes lanes = lanes_of(s, task / s.backward.segments);
  if (!control.active[lanes.replica]) return;
  const int64_t n = 4 * s.hp, row = s.lanes * s.hp, count = lanes.last - lanes.first, frames_all = s.frames * s.lanes;
  const int64_t r = lanes.replica, block = count * s.hp, end = smaller(control.frames, first + s.backward.truncate);
  float *dh = worker.scratch, *dc = dh + s.layers * block, *dx = dc + s.layers * block;  // dx [lane, hidden]
  clear(dh, 2 * s.layers * block);
  float* de = s.de + r * frames_all * s.window;
  int64_t frames = 0;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    frames = larger(frames, control.length[lane]);
    for (int64_t t = larger(first, control.length[lane]); t < end; t++) {
      clear(de + (t * s.lanes + lane) * s.window, s.window);
      for (int64_t l = 0; l < s.layers; l++) {
        clear(s.layer[l].gates + (r * frames_all + t * s.lanes + lane) * n, n);
      }
    }
  }
  for (int64_t t = smaller(frames, end) - 1; t >= first; t--) {
    for (int64_t l = s.layers - 1; l >= 0; l--) {
      const Layer& layer = s.layer[l];
      float* gates = layer.gates + (r * frames_all + t * s.lanes) * n;
      const float* c = layer.c + (r * (s.frames + 1) + t) * row;
      const bool last = l == s.layers - 1;
      for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
        if (t >= control.length[lane]) continue;
        const int64_t at = (lane - lanes.first) * s.hp, frame = r * frames_all + t * s.lanes + lane;
        float* dy = last ? s.dy.f32(r) + (t * s.lanes + lane) * s.hidden : dx + (lane - lanes.first) * s.hidden;
        if (layer.scale) multiply(dy, dy, layer.scale + frame * s.hidden, s.hidden);
        cell_backward(gates + lane * n, s.hp, s.hidden, c + lane * s.hp, layer.tanh_c + frame * s.hp, dy,
                      dh + l * block + at, dc + l * block + at);
      }
      multiply_rows(count, s.hidden, n, gates + lanes.first * n, n,
                    layer.packed_hh_backward + r * packed_size(n, s.hidden), Start::zero, nullptr, dh + l * block,
                    s.hp);
      if (l > 0) {
        multiply_rows(count, s.hidden, n, gates + lanes.first * n, n,
                      layer.packed_ih_backward + r * packed_size(n, s.hidden), Start::zero, nullptr, dx, s.hidden);
        continue;
      }
      for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
        if (t >= control.length[lane]) continue;
        attend_backward(s, r, t, lane, gates + lane * n, dh + (s.layers - 1) * block + (lane - lanes.first) * s.hp,
                        de + (t * s.lanes + lane) * s.window);
      }
    }
  }
}

// dP and dK of the rows of one frame of the window's reach, summed over t in order.
void gather_band(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const int64_t reach = s.frames + s.halo, replica = task / reach, at = task % reach, n = 4 * s.hp;
  const Control& control = *s.control;
  if (!control.active[replica] || !control.frames || at >= control.frames + s.halo) return;
  const Layer& bottom = s.layer[0];
  const Layer& top = s.layer[s.layers - 1];
  const int64_t first = larger(0, at - (s.window - 1)), last = smaller(control.frames - 1, at);
  for (int64_t lane = 0; lane < s.lanes; lane++) {
    float* dp = s.dp + ((replica * reach + at) * s.lanes + lane) * n;
    for (int64_t u = 0; u < n; u += 2 * W) {
      V low = zero(), high = zero();
      for (int64_t t = first; t <= last; t++) {
        const float a = s.attention.f32(replica)[(t * s.lanes + lane) * s.window + at - t];
        if (a == 0.f) continue;
        const float* g = bottom.gates + ((replica * s.frames + t) * s.lanes + lane) * n + u;
        low = fma(set1(a), load(g), low);
        high = fma(set1(a), load(g + W), high);
      }
      store(dp + u, low);
      store(dp + u + W, high);
    }
    if (s.score_kind != Score::dot_product) continue;
    float* dk = s.dk + ((replica * reach + at) * s.lanes + lane) * s.hp;
    for (int64_t u = 0; u < s.hp; u += W) {
      V sum = zero();
      for (int64_t t = first; t <= last; t++) {
        const float e = s.de[((replica * s.frames + t) * s.lanes + lane) * s.window + at - t];
        if (e == 0.f) continue;
        sum = fma(set1(e), load(top.h + ((replica * (s.frames + 1) + t) * s.lanes + lane) * s.hp + u), sum);
      }
      store(dk + u, sum);
    }
  }
}

void multiply_window_backward(void* self, int64_t task, Worker&) {
  const Attentive& s = *static_cast<const Attentive*>(self);
  const int64_t all = (s.frames + s.halo) * s.lanes, blocks = divide_up(all, kRowBlock), n = 4 * s.hp;
  const int64_t replica = task / blocks, first = task % blocks * kRowBlock;
  const int64_t rows = smaller(kRowBlock, rows_now(s) - first);
  if (rows <= 0 || !s.control->active[replica]) return;
  float* dv = s.dv.f32(replica) + first * s.width;
  multiply_rows(rows, s.width, n, s.dp + (replica * all + first) * n, n,
                s.layer[0].packed_ih_backward + replica * packed_size(n, s.width), Start::zero, nullptr, dv, s.width);
  if (s.score_kind != Score::dot_product) return;
  multiply_rows(rows, s.width, s.hidden, s.dk + (replica * all + first) * s.hp, s.hp,
                s.packed_score_backward + replica * packed_size(s.hidden, s.width), Start::output, nullptr, dv,
                s.width);
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
  s->halo = read.halo();
  s->window = read.window();
  s->hp = padded_units(s->hidden);
  s->frames = read.frames;
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
  const int64_t replicas = control.replicas, all = (s->frames + s->halo) * s->lanes;
  s->blocks = smaller(s->lanes, larger(divide_up(plan.threads, replicas), divide_up(s->lanes, kMostLanes)));
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
  if (read.stream) plan.stage(replicas, slide, s);
  plan.stage(replicas * divide_up(all, kRowBlock), multiply_window, s);
  for (int64_t l = 0; l < s->layers; l++) {
    if (s->layer[l].scale) plan.beside(replicas * s->frames, scale_dropout, &s->layer[l]);
  }
  plan.stage(replicas * s->blocks, recur, s);
  if (call.count("slot")) plan.keep(call.integer("slot"), "attentive_lstm", s);
  plan.kernel("lane-blocked recurrence, K and P precomputed");
}

void plan_attentive_lstm_backward(Plan& plan, const Call& call) {
  Attentive* s = static_cast<Attentive*>(plan.take(call.integer("slot"), "attentive_lstm"));
  const int64_t replicas = plan.control.replicas, rows = s->frames * s->lanes, n = 4 * s->hp;
  const int64_t all = (s->frames + s->halo) * s->lanes;
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
  plan.scratch((2 * s->layers * s->hp + s->hidden) * s->lanes * static_cast<int64_t>(sizeof(float)));
  plan.weight(s->score);
  for (int64_t l = 0; l < s->layers; l++) prepares_from(plan, s->layer[l].weights);
  plan.prepare(replicas * s->layers, pack_backward, s);
  plan.stage(replicas * s->blocks * s->backward.segments, recur_backward, s);
  plan.stage(replicas * (s->frames + s->halo), gather_band, s);
  if (s->dv.data) plan.stage(replicas * divide_up(all, kRowBlock), multiply_window_backward, s);

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
             .out = s->backward.dscore,
             .halo = s->halo};
  } else if (s->backward.dscore.data && s->score_kind == Score::fixed) {
    score = {
        .m = s->window, .n = 1, .a = s->de, .a_stride = rows * s->window, .lda = s->window, .out = s->backward.dscore};
  }
  for (int64_t l = 0; l < s->layers; l++) {
    const Layer& layer = s->layer[l];
    const LstmWeights& gradient = s->backward.gradients[l];
    WeightGradient* g = gradients + 1 + 3 * l;
    g[0] = g[1] = g[2] = {.m = 4 * s->hidden, .columns = s->columns, .a = layer.gates, .a_stride = rows * n, .lda = n};
    g[0].n = g[0].ldb = layer.input;
    g[0].b = l ? s->layer[l - 1].out : s->v.f32();
    g[0].b_stride = l ? rows * s->hidden : s->v.stride;
    if (l == 0) {
      g[0].a = s->dp;
      g[0].a_stride = all * n;
      g[0].halo = s->halo;
    }
    g[0].out = gradient.w_ih;
    g[1].n = s->hidden;
    g[1].ldb = s->hp;
    g[1].b = layer.h;
    g[1].b_stride = (rows + s->lanes) * s->hp;
    g[1].out = gradient.w_hh;
    g[2].n = 1;
    g[2].out = gradient.b_ih;
    g[2].twin = gradient.b_hh;
  }
  plan_weight_gradients(plan, call, gradients, count, s->frames);
  plan.kernel("lane-blocked recurrence, deferred band and weight gradients");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

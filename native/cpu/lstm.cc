// A stack of LSTM layers, uni- or bidirectional, with inverted dropout between layers (Hochreiter and Schmidhuber 1997;
// gates i, f, g, o and both biases as in PyTorch's nn.LSTM).
//
//   z(t) = W_ih x(t) + b_ih + b_hh + W_hh h(t-1)
//
// The input part is one product over the whole chunk; the recurrence then runs each block of lanes through all frames
// on one thread, without synchronisation. Backward: the recurrence turns stored gates into dz, and every weight
// gradient is a product over the chunk afterwards.
//
// A lane's chunk is its `length` first frames. Its forward state starts from `state`, or from zero where the lane's
// sequence starts; its backward direction starts from zero at the chunk's end. y is 0 beyond a lane's length.

#include "operators/lstm.h"

#include "cpu/cell.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"
#include "cpu/plan.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kRowBlock = 96;   // rows of an input product that one task computes
constexpr int64_t kPanelBlock = 8;  // panels that one task packs
constexpr int64_t kMostLanes = 12;  // lanes of a block when there is more work than threads

struct Layer;

// One direction of one layer. The pointers are replica 0's; strides are from replica to replica.
struct Direction {
  Layer* layer;
  bool reverse;
  LstmWeights weights;
  float *packed_ih, *packed_hh, *bias;
  float* gates;  // [T,B,4,hp]: pre-activations, then gates, then dz
  float* h;      // [T+1,B,hp]: slot t is the state before frame t (reverse: slot t + 1)
  float* c;
  float* tanh_c;     // [T,B,hp]
  int64_t position;  // in the list of layers and directions
};

struct Lstm {
  LstmCall call;
  const Control* control;
  int64_t hidden, hp, layers, directions, width, frames, lanes, blocks;  // width: of a layer's output
  Dropping dropping;
  Tensor x, y, state;
  int32_t *rows, *columns;  // maps between parameters and padded gates
  Layer* layer;             // [layers]
  Direction* direction;     // [layers * directions]
};

struct Layer {
  Lstm* lstm;
  int64_t index, input;  // width of the input
  const float* in;       // [T,B,input]; layer 0: x
  int64_t in_stride;
  float* out;  // [T,B,width]; the last layer's is y
  int64_t out_stride;
  float* scale;  // [T,B,width]: dropout on the way to the next layer, or null
};

struct Lanes {
  int64_t replica, direction, first, last;
};

Lanes lanes_of(const Lstm& s, int64_t task) {
  const int64_t block = task % s.blocks, rest = task / s.blocks;
  return {rest / s.directions, rest % s.directions, block * s.lanes / s.blocks, (block + 1) * s.lanes / s.blocks};
}

void pack(void* self, int64_t task, Worker&) {
  Direction& d = *static_cast<Direction*>(self);
  const Layer& layer = *d.layer;
  const Lstm& s = *layer.lstm;
  const int64_t n = 4 * s.hp, panels = n / kPanel, groups = divide_up(panels, kPanelBlock);
  const int64_t group = task % groups, replica = task / groups;
  if (!s.control->active[replica]) return;
  const int64_t first = group * kPanelBlock, last = smaller(panels, first + kPanelBlock);
  pack_transposed(d.packed_ih + replica * packed_size(layer.input, n), d.weights.w_ih.f32(replica), layer.input, n,
                  layer.input, s.rows, first, last);
  pack_transposed(d.packed_hh + replica * packed_size(s.hidden, n), d.weights.w_hh.f32(replica), s.hidden, n, s.hidden,
                  s.rows, first, last);
  if (group == 0)
    add_biases(d.bias + replica * n, d.weights.b_ih.f32(replica), d.weights.b_hh.f32(replica), s.hidden, s.hp);
}

void multiply_input(void* self, int64_t task, Worker&) {
  Direction& d = *static_cast<Direction*>(self);
  const Layer& layer = *d.layer;
  const Lstm& s = *layer.lstm;
  const int64_t blocks = divide_up(s.frames * s.lanes, kRowBlock);
  const int64_t replica = task / blocks, first = task % blocks * kRowBlock;
  const int64_t rows = smaller(kRowBlock, s.control->frames * s.lanes - first), n = 4 * s.hp;
  if (rows <= 0 || !s.control->active[replica]) return;
  multiply_rows(rows, n, layer.input, layer.in + replica * layer.in_stride + first * layer.input, layer.input,
                d.packed_ih + replica * packed_size(layer.input, n), Start::bias, d.bias + replica * n,
                d.gates + (replica * s.frames * s.lanes + first) * n, n);
}

void scale_dropout(void* self, int64_t task, Worker&) {
  Layer& layer = *static_cast<Layer*>(self);
  const Lstm& s = *layer.lstm;
  const int64_t replica = task / s.frames, t = task % s.frames;
  if (!s.control->active[replica] || t >= s.control->frames) return;
  const Dropping dropping = {s.dropping.p, s.dropping.site + static_cast<uint32_t>(layer.index)};
  dropout_frame(layer.scale + (replica * s.frames + t) * s.lanes * s.width, s.width, dropping, *s.control, replica, t);
}

// The initial states of a block of lanes.
void start_lanes(const Lstm& s, const Direction& d, const Lanes& lanes, float* h, float* c) {
  const Control& control = *s.control;
  const float* saved = s.state.f32(lanes.replica) + d.position * 2 * s.lanes * s.hidden;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t slot = ((d.reverse ? control.length[lane] : 0) * s.lanes + lane) * s.hp;
    clear(h + slot, s.hp);
    clear(c + slot, s.hp);
    if (d.reverse || control.start[lane] == 0 || control.length[lane] == 0) continue;
    copy(h + slot, saved + lane * s.hidden, s.hidden);
    copy(c + slot, saved + (s.lanes + lane) * s.hidden, s.hidden);
  }
}

void finish_lanes(const Lstm& s, const Direction& d, const Layer& layer, const Lanes& lanes, const float* h,
                  const float* c) {
  const Control& control = *s.control;
  float* saved = s.state.f32(lanes.replica) + d.position * 2 * s.lanes * s.hidden;
  float* out = layer.out + lanes.replica * layer.out_stride + (d.reverse ? s.hidden : 0);
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    for (int64_t t = control.length[lane]; t < s.frames; t++) clear(out + (t * s.lanes + lane) * s.width, s.hidden);
    if (control.length[lane] == 0) continue;
    const int64_t slot = ((d.reverse ? 0 : control.length[lane]) * s.lanes + lane) * s.hp;
    copy(saved + lane * s.hidden, h + slot, s.hidden);
    copy(saved + (s.lanes + lane) * s.hidden, c + slot, s.hidden);
  }
}

int64_t longest(const Control& control, const Lanes& lanes) {
  int64_t frames = 0;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) frames = larger(frames, control.length[lane]);
  return frames;
}

void recur(void* self, int64_t task, Worker&) {
  const Layer& layer = *static_cast<const Layer*>(self);
  const Lstm& s = *layer.lstm;
  const Control& control = *s.control;
  const Lanes lanes = lanes_of(s, task);
  if (!control.active[lanes.replica]) return;
  const Direction& d = s.direction[layer.index * s.directions + lanes.direction];
  const int64_t n = 4 * s.hp, row = s.lanes * s.hp, count = lanes.last - lanes.first;
  float* h = d.h + lanes.replica * (s.frames + 1) * row;
  float* c = d.c + lanes.replica * (s.frames + 1) * row;
  float* gates = d.gates + lanes.replica * s.frames * s.lanes * n;
  float* tanh_c = d.tanh_c + lanes.replica * s.frames * row;
  float* out = layer.out + lanes.replica * layer.out_stride + (d.reverse ? s.hidden : 0);
  const float* scale = layer.scale ? layer.scale + lanes.replica * s.frames * s.lanes * s.width : nullptr;
  const float* packed = d.packed_hh + lanes.replica * packed_size(s.hidden, n);
  start_lanes(s, d, lanes, h, c);
  const int64_t frames = longest(control, lanes);
  for (int64_t step = 0; step < frames; step++) {
    const int64_t t = d.reverse ? frames - 1 - step : step;
    const int64_t before = (d.reverse ? t + 1 : t) * row, now = (d.reverse ? t : t + 1) * row;
    multiply_rows(count, n, s.hidden, h + before + lanes.first * s.hp, s.hp, packed, Start::output, nullptr,
                  gates + (t * s.lanes + lanes.first) * n, n);
    for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
      if (t >= control.length[lane]) continue;
      const int64_t at = lane * s.hp, frame = t * s.lanes + lane;
      cell_forward(gates + frame * n, s.hp, c + before + at, c + now + at, tanh_c + frame * s.hp, h + now + at);
      float* y = out + frame * s.width;
      if (!scale) {
        copy(y, h + now + at, s.hidden);
        continue;
      }
      const float* factor = scale + frame * s.width + (d.reverse ? s.hidden : 0);
      multiply(y, h + now + at, factor, s.hidden);
    }
  }
  finish_lanes(s, d, layer, lanes, h, c);
}

// ---- backward ----

struct LayerBackward;

struct LstmBackward {
  Lstm* forward;
  LstmBackwardCall call;
  LayerBackward* layer;  // [layers]
};

struct LayerBackward {
  LstmBackward* lstm;
  Layer* layer;
  const float* dy;  // [T,B,width]
  int64_t dy_stride;
  float* dx;  // [T,B,input], or null
  int64_t dx_stride;
  float *packed_ih, *packed_hh;  // [direction][replica]
};

void pack_backward(void* self, int64_t task, Worker&) {
  LayerBackward& b = *static_cast<LayerBackward*>(self);
  const Layer& layer = *b.layer;
  const Lstm& s = *layer.lstm;
  const int64_t k = 4 * s.hp, replicas = s.control->replicas;
  const int64_t groups = divide_up(divide_up(layer.input, kPanel), kPanelBlock) + 1;
  const int64_t group = task % groups, replica = task / groups % replicas, direction = task / (groups * replicas);
  if (!s.control->active[replica]) return;
  const Direction& d = s.direction[layer.index * s.directions + direction];
  const int64_t copy_index = direction * replicas + replica;
  if (group == groups - 1) {
    pack_plain(b.packed_hh + copy_index * packed_size(k, s.hidden), d.weights.w_hh.f32(replica), s.hidden, s.hidden, k,
               s.rows, 0, divide_up(s.hidden, kPanel));
  } else if (b.dx) {
    const int64_t first = group * kPanelBlock, last = smaller(divide_up(layer.input, kPanel), first + kPanelBlock);
    pack_plain(b.packed_ih + copy_index * packed_size(k, layer.input), d.weights.w_ih.f32(replica), layer.input,
               layer.input, k, s.rows, first, last);
  }
}

void recur_backward(void* self, int64_t task, Worker& worker) {
  const LayerBackward& b = *static_cast<const LayerBackward*>(self);
  const Layer& layer = *b.layer;
  const Lstm& s = *layer.lstm;
  const Control& control = *s.control;
  const int64_t segments = b.lstm->call.segments, first = task % segments * b.lstm->call.truncate;
  const Lanes lanes = lanes_of(s, task / segments);
  if (!control.active[lanes.replica]) return;
  const Direction& d = s.direction[layer.index * s.directions + lanes.direction];
  const int64_t n = 4 * s.hp, row = s.lanes * s.hp, count = lanes.last - lanes.first;
  const float* c = d.c + lanes.replica * (s.frames + 1) * row;
  float* gates = d.gates + lanes.replica * s.frames * s.lanes * n;
  const float* tanh_c = d.tanh_c + lanes.replica * s.frames * row;
  const float* dy = b.dy + lanes.replica * b.dy_stride + (d.reverse ? s.hidden : 0);
  const float* packed = b.packed_hh + (lanes.direction * control.replicas + lanes.replica) * packed_size(n, s.hidden);
  float *dh = worker.scratch, *dc = dh + count * s.hp;
  clear(dh, 2 * count * s.hp);
  const int64_t end = smaller(control.frames, first + b.lstm->call.truncate);
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    for (int64_t t = larger(first, control.length[lane]); t < end; t++) clear(gates + (t * s.lanes + lane) * n, n);
  }
  const int64_t frames = smaller(longest(control, lanes), end) - first;
  for (int64_t step = 0; step < frames; step++) {
    const int64_t t = first + (d.reverse ? step : frames - 1 - step);
    const int64_t before = (d.reverse ? t + 1 : t) * row;
    for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
      if (t >= control.length[lane]) {  // a reverse lane that is over must not hand its gradient on
        clear(dh + (lane - lanes.first) * s.hp, s.hp);
        continue;
      }
      const int64_t frame = t * s.lanes + lane, at = (lane - lanes.first) * s.hp;
      cell_backward(gates + frame * n, s.hp, s.hidden, c + before + lane * s.hp, tanh_c + frame * s.hp,
                    dy + frame * s.width, dh + at, dc + at);
    }
    if (step == frames - 1) break;
    multiply_rows(count, s.hidden, n, gates + (t * s.lanes + lanes.first) * n, n, packed, Start::zero, nullptr, dh,
                  s.hp);
  }
}

void multiply_input_backward(void* self, int64_t task, Worker&) {
  const LayerBackward& b = *static_cast<const LayerBackward*>(self);
  const Layer& layer = *b.layer;
  const Lstm& s = *layer.lstm;
  const int64_t blocks = divide_up(s.frames * s.lanes, kRowBlock);
  const int64_t replica = task / blocks, first = task % blocks * kRowBlock;
  const int64_t rows = smaller(kRowBlock, s.control->frames * s.lanes - first), k = 4 * s.hp;
  if (rows <= 0 || !s.control->active[replica]) return;
  float* dx = b.dx + replica * b.dx_stride + first * layer.input;
  for (int64_t direction = 0; direction < s.directions; direction++) {
    const Direction& d = s.direction[layer.index * s.directions + direction];
    multiply_rows(rows, layer.input, k, d.gates + (replica * s.frames * s.lanes + first) * k, k,
                  b.packed_ih + (direction * s.control->replicas + replica) * packed_size(k, layer.input),
                  direction ? Start::output : Start::zero, nullptr, dx, layer.input);
  }
  if (layer.index == 0) return;
  const Layer& below = s.layer[layer.index - 1];
  if (!below.scale) return;
  const float* scale = below.scale + (replica * s.frames * s.lanes + first) * layer.input;
  multiply(dx, dx, scale, rows * layer.input);
}

void plan_layers(Plan& plan, const LstmCall& call, Lstm* s) {
  const int64_t replicas = plan.control.replicas, rows = s->frames * s->lanes, n = 4 * s->hp;
  for (int64_t l = 0; l < s->layers; l++) {
    Layer& layer = s->layer[l];
    const bool last = l == s->layers - 1;
    layer.lstm = s;
    layer.index = l;
    layer.input = l ? s->width : s->x.dims[2];
    layer.in = l ? s->layer[l - 1].out : s->x.f32();
    layer.in_stride = l ? rows * s->width : s->x.stride;
    layer.out = last ? s->y.f32() : plan.floats(replicas * rows * s->width);
    layer.out_stride = last ? s->y.stride : rows * s->width;
    if (!last && s->dropping.p > 0) layer.scale = plan.floats(replicas * rows * s->width);
    for (int64_t i = 0; i < s->directions; i++) {
      Direction& d = s->direction[l * s->directions + i];
      d.layer = &layer;
      d.position = l * s->directions + i;
      d.reverse = i == 1;
      d.weights = call.weights[d.position];
      d.packed_ih = plan.floats(replicas * packed_size(layer.input, n));
      d.packed_hh = plan.floats(replicas * packed_size(s->hidden, n));
      d.bias = plan.floats(replicas * n);
      d.gates = plan.floats(replicas * rows * n);
      d.h = plan.floats(replicas * (rows + s->lanes) * s->hp);
      d.c = plan.floats(replicas * (rows + s->lanes) * s->hp);
      d.tanh_c = plan.floats(replicas * rows * s->hp);
    }
  }
}

// Lanes split so that every thread has work; more lanes a block reuse the weights better.
int64_t lane_blocks(int64_t lanes, int64_t others, int64_t threads) {
  const int64_t wanted = larger(divide_up(threads, others), divide_up(lanes, kMostLanes));
  return smaller(lanes, wanted);
}

}  // namespace

void plan_lstm(Plan& plan, const Call& call) {
  Lstm* s = plan.make<Lstm>();
  const Control& control = plan.control;
  s->control = &control;
  const LstmCall read = read_lstm(plan, call);
  s->hidden = read.hidden;
  s->layers = read.layers;
  s->directions = read.directions;
  s->dropping = {read.dropout, read.site};
  s->hp = padded_units(s->hidden);
  s->width = read.width;
  s->frames = read.frames;
  s->lanes = read.lanes;
  s->x = read.x;
  s->y = read.y;
  s->state = read.state;
  s->call = read;
  s->rows = plan.list<int32_t>(4 * s->hp);
  s->columns = plan.list<int32_t>(4 * s->hidden);
  map_gates(s->rows, s->hidden, s->hp);
  map_rows(s->columns, s->hidden, s->hp);
  s->layer = plan.list<Layer>(s->layers);
  s->direction = plan.list<Direction>(s->layers * s->directions);
  s->blocks = lane_blocks(s->lanes, control.replicas * s->directions, plan.threads);
  plan_layers(plan, read, s);

  const int64_t replicas = control.replicas, panels = 4 * s->hp / kPanel;
  for (int64_t i = 0; i < s->layers * s->directions; i++) {
    prepares_from(plan, s->direction[i].weights);
    plan.prepare(replicas * divide_up(panels, kPanelBlock), pack, &s->direction[i]);
  }
  for (int64_t l = 0; l < s->layers; l++) {
    for (int64_t i = 0; i < s->directions; i++) {
      const int64_t tasks = replicas * divide_up(s->frames * s->lanes, kRowBlock);
      Direction* d = &s->direction[l * s->directions + i];
      i ? plan.beside(tasks, multiply_input, d) : plan.stage(tasks, multiply_input, d);
    }
    if (s->layer[l].scale) plan.beside(replicas * s->frames, scale_dropout, &s->layer[l]);
    plan.stage(replicas * s->directions * s->blocks, recur, &s->layer[l]);
  }
  if (call.count("slot")) plan.keep(call.integer("slot"), "lstm", s);
  plan.kernel("lane-blocked recurrence");
}

void plan_lstm_backward(Plan& plan, const Call& call) {
  LstmBackward* b = plan.make<LstmBackward>();
  Lstm* s = static_cast<Lstm*>(plan.take(call.integer("slot"), "lstm"));
  b->forward = s;
  b->call = read_lstm_backward(plan, call, s->call);
  const Tensor &dx = b->call.dx, &dy = b->call.dy;
  b->layer = plan.list<LayerBackward>(s->layers);
  const int64_t replicas = plan.control.replicas, rows = s->frames * s->lanes, k = 4 * s->hp;
  const int64_t directions = s->layers * s->directions;
  WeightGradient* gradients = plan.list<WeightGradient>(3 * directions);

  for (int64_t l = s->layers - 1; l >= 0; l--) {
    LayerBackward& layer = b->layer[l];
    layer.lstm = b;
    layer.layer = &s->layer[l];
    const bool last = l == s->layers - 1;
    layer.dy = last ? dy.f32() : b->layer[l + 1].dx;
    layer.dy_stride = last ? dy.stride : rows * s->width;
    const int64_t input = s->layer[l].input;
    layer.dx = l ? plan.floats(replicas * rows * input) : dx.f32();
    layer.dx_stride = l ? rows * input : dx.stride;
    layer.packed_hh = plan.floats(s->directions * replicas * packed_size(k, s->hidden));
    if (layer.dx) layer.packed_ih = plan.floats(s->directions * replicas * packed_size(k, input));
    const int64_t tasks = s->directions * replicas * (divide_up(divide_up(input, kPanel), kPanelBlock) + 1);
    for (int64_t i = 0; i < s->directions; i++) prepares_from(plan, s->direction[l * s->directions + i].weights);
    plan.prepare(tasks, pack_backward, &layer);
  }
  plan.scratch(2 * s->lanes * s->hp * static_cast<int64_t>(sizeof(float)));
  for (int64_t l = s->layers - 1; l >= 0; l--) {
    plan.stage(replicas * s->directions * s->blocks * b->call.segments, recur_backward, &b->layer[l]);
    if (b->layer[l].dx) plan.stage(replicas * divide_up(rows, kRowBlock), multiply_input_backward, &b->layer[l]);
  }
  for (int64_t i = 0; i < directions; i++) {
    const Direction& d = s->direction[i];
    const Layer& layer = *d.layer;
    const int64_t h_stride = (rows + s->lanes) * s->hp;
    const LstmWeights& gradient = b->call.gradients[i];
    const WeightGradient product = {4 * s->hidden, 0, s->columns, d.gates, rows * k, k, nullptr, 0, 0, {}, {}, 0,
                                    nullptr,       0, 0,          0,       nullptr};
    WeightGradient* g = gradients + 3 * i;
    g[0] = g[1] = g[2] = product;
    g[0].n = g[0].ldb = layer.input;
    g[0].b = layer.in;
    g[0].b_stride = layer.in_stride;
    g[0].out = gradient.w_ih;
    g[1].n = s->hidden;
    g[1].ldb = s->hp;
    g[1].b = d.reverse ? d.h + s->lanes * s->hp : d.h;
    g[1].b_stride = h_stride;
    g[1].out = gradient.w_hh;
    g[2].n = 1;
    g[2].out = gradient.b_ih;
    g[2].twin = gradient.b_hh;
  }
  plan_weight_gradients(plan, call, gradients, 3 * directions, s->frames);
  plan.kernel("lane-blocked recurrence, deferred weight gradients");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

// A stack of LSTM layers, uni- or bidirectional, with inverted dropout between layers (Hochreiter and Schmidhuber 1997;
// gates i, f, g, o and both biases as in PyTorch's nn.LSTM).
//
//   z(t) = W_ih x(t) + b_ih + b_hh + W_hh h(t-1)
//
// A block of lanes runs through all layers on one thread, some frames at a time: a product of their inputs, then the
// recurrence. So what one thread writes no other reads, and nothing waits. Backward the same way, last frames first:
// the recurrence turns stored gates into dz; every weight gradient is a product over the chunk afterwards.
//
// Where there are fewer blocks than threads, or two directions, the input products of a layer are shared out by rows
// instead, a stage before its recurrence.
//
// A lane's chunk is its `length` first frames. Its forward state starts from `state`, or from zero where the lane's
// sequence starts; its backward direction starts from zero at the chunk's end. y is 0 beyond a lane's length.

#include "operators/lstm.h"

#include "cpu/cell.h"
#include "cpu/dropout.h"
#include "cpu/gemm.h"
#include "cpu/lanes.h"
#include "cpu/plan.h"
#include "cpu/weight_gradient.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kRowBlock = 96;   // rows of an input product that are computed at a time
constexpr int64_t kPanelBlock = 8;  // panels that one task packs

struct Layer;

// One direction of one layer. The pointers are replica 0's; strides are from replica to replica.
struct Direction {
  Layer* layer;
  bool reverse;
  LstmWeights weights;
  float *packed_ih, *packed_hh, *bias;
  float* gates;  // [T,B,4,hp]: pre-activations, then gates, then dz
  float* h;      // [T+1,B,hp], compact [block+1,B,hp]: slot t is the state before frame t (reverse: slot t + 1)
  float* c;
  float* tanh_c;     // [T,B,hp]
  int64_t position;  // in the list of layers and directions
};

struct Lstm {
  LstmCall call;
  const Control* control;
  int64_t hidden, hp, layers, directions, width, frames, lanes, blocks;  // width: of a layer's output
  bool fused;                                                            // a task takes its lanes through all layers
  bool compact;  // fused, and no backward pass follows: h and c of a block of frames are kept, gates and tanh_c of none
  int64_t most_lanes, block;     // lanes of the largest block; frames that a fused task computes at a time
  int64_t room;                  // floats of such frames of x, where a block's lanes have others between them
  int32_t *row_map, *state_map;  // [T*B]: where the rows [frame, lane] of what is kept lie, of h; null: in their order
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
  return {rest / s.directions, rest % s.directions, first_lane(s.lanes, s.blocks, block),
          first_lane(s.lanes, s.blocks, block + 1)};
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

Dropping dropping_after(const Layer& layer) {
  return {layer.lstm->dropping.p, layer.lstm->dropping.site + static_cast<uint32_t>(layer.index)};
}

void scale_dropout(void* self, int64_t task, Worker&) {
  Layer& layer = *static_cast<Layer*>(self);
  const Lstm& s = *layer.lstm;
  const int64_t replica = task / s.frames, t = task % s.frames;
  if (!s.control->active[replica] || t >= s.control->frames) return;
  dropout_frame(layer.scale + (replica * s.frames + t) * s.lanes * s.width, s.width, dropping_after(layer), *s.control,
                replica, t);
}

// Of `frames` frames of all lanes, the row that holds frame t of a block's first lane; the block's other lanes follow.
// Fused, all rows of a block lie together (lanes.h).
int64_t row_of(const Lstm& s, const Lanes& lanes, int64_t t, int64_t frames) {
  return s.fused ? frames * lanes.first + t * (lanes.last - lanes.first) : t * s.lanes + lanes.first;
}

// The same among the rows of all replicas.
int64_t kept_row(const Lstm& s, const Lanes& lanes, int64_t t) {
  return lanes.replica * s.frames * s.lanes + row_of(s, lanes, t, s.frames);
}

// Where h and c of a block before frame t lie (reverse: of frame t), t counted from the first that is at hand.
int64_t state_at(const Lstm& s, const Lanes& lanes, int64_t t) {
  const int64_t slots = (s.compact ? s.block : s.frames) + 1;
  return (lanes.replica * slots * s.lanes + row_of(s, lanes, t, slots)) * s.hp;
}

// A block's output of layer `layer` at frame t: y lies as its readers want it.
float* out_of(const Lstm& s, const Layer& layer, const Lanes& lanes, int64_t t) {
  const int64_t row = layer.index == s.layers - 1 ? t * s.lanes + lanes.first : row_of(s, lanes, t, s.frames);
  return layer.out + lanes.replica * layer.out_stride + row * s.width + lanes.direction * s.hidden;
}

// The initial states of a block of lanes.
void start_lanes(const Lstm& s, const Direction& d, const Lanes& lanes) {
  const Control& control = *s.control;
  const float* saved = s.state.f32(lanes.replica) + d.position * 2 * s.lanes * s.hidden;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    const int64_t at = state_at(s, lanes, d.reverse ? control.length[lane] : 0) + (lane - lanes.first) * s.hp;
    clear(d.h + at, s.hp);
    clear(d.c + at, s.hp);
    if (d.reverse || control.start[lane] == 0 || control.length[lane] == 0) continue;
    copy(d.h + at, saved + lane * s.hidden, s.hidden);
    copy(d.c + at, saved + (s.lanes + lane) * s.hidden, s.hidden);
  }
}

// What a lane's last frame leaves for the chunk after this one.
void save_lane(const Lstm& s, const Direction& d, int64_t replica, int64_t lane, const float* h, const float* c) {
  float* saved = s.state.f32(replica) + d.position * 2 * s.lanes * s.hidden;
  copy(saved + lane * s.hidden, h, s.hidden);
  copy(saved + (s.lanes + lane) * s.hidden, c, s.hidden);
}

void clear_beyond(const Lstm& s, const Layer& layer, const Lanes& lanes) {
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    for (int64_t t = s.control->length[lane]; t < s.frames; t++) {
      clear(out_of(s, layer, lanes, t) + (lane - lanes.first) * s.width, s.hidden);
    }
  }
}

int64_t longest(const Control& control, const Lanes& lanes) {
  int64_t frames = 0;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) frames = larger(frames, control.length[lane]);
  return frames;
}

// Frames first .. last - 1 of a block of lanes. `z` [frame, lane, 4 hp] holds the products of their inputs, `stride`
// floats from frame to frame, and then the gates; `spare` [hp] takes what nobody asks for.
void recur_frames(const Lstm& s, const Layer& layer, const Direction& d, const Lanes& lanes, int64_t first,
                  int64_t last, float* z, int64_t stride, float* spare) {
  const Control& control = *s.control;
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, origin = s.compact ? first : 0;
  const Dropping dropping = dropping_after(layer);
  const float* packed = d.packed_hh + lanes.replica * packed_size(s.hidden, n);
  if (s.compact && first > 0) {
    const int64_t from = state_at(s, lanes, s.block), to = state_at(s, lanes, 0);
    copy(d.h + to, d.h + from, count * s.hp);
    copy(d.c + to, d.c + from, count * s.hp);
  }
  for (int64_t step = 0; step < last - first; step++) {
    const int64_t t = d.reverse ? last - 1 - step : first + step, row = kept_row(s, lanes, t);
    const int64_t before = state_at(s, lanes, t - origin + (d.reverse ? 1 : 0));
    const int64_t now = state_at(s, lanes, t - origin + (d.reverse ? 0 : 1));
    float *gates = z + (t - first) * stride, *out = out_of(s, layer, lanes, t);
    multiply_rows(count, n, s.hidden, d.h + before, s.hp, packed, Start::output, nullptr, gates, n);
    for (int64_t i = 0; i < count; i++) {
      const int64_t lane = lanes.first + i;
      if (t >= control.length[lane]) continue;
      float *h = d.h + now + i * s.hp, *c = d.c + now + i * s.hp, *y = out + i * s.width;
      cell_forward(gates + i * n, s.hp, d.c + before + i * s.hp, c, s.compact ? spare : d.tanh_c + (row + i) * s.hp, h);
      if (t == (d.reverse ? 0 : control.length[lane] - 1)) save_lane(s, d, lanes.replica, lane, h, c);
      if (!layer.scale) {
        copy(y, h, s.hidden);
        continue;
      }
      float* scale = layer.scale + (row + i) * s.width;
      if (s.fused) dropout_scale(scale, s.width, dropping, control, lanes.replica, lane, control.start[lane] + t);
      multiply(y, h, scale + lanes.direction * s.hidden, s.hidden);
    }
  }
}

// A layer's recurrence over the chunk; its input products are there.
void recur(void* self, int64_t task, Worker& worker) {
  const Layer& layer = *static_cast<const Layer*>(self);
  const Lstm& s = *layer.lstm;
  const Lanes lanes = lanes_of(s, task);
  if (!s.control->active[lanes.replica]) return;
  const Direction& d = s.direction[layer.index * s.directions + lanes.direction];
  const int64_t n = 4 * s.hp;
  start_lanes(s, d, lanes);
  recur_frames(s, layer, d, lanes, 0, longest(*s.control, lanes), d.gates + kept_row(s, lanes, 0) * n, s.lanes * n,
               worker.scratch);
  clear_beyond(s, layer, lanes);
}

// x of a block's frames, without other lanes between them.
const float* input_of(const Lstm& s, const Lanes& lanes, int64_t first, int64_t last, float* room) {
  const int64_t count = lanes.last - lanes.first, width = s.layer[0].input;
  const float* x = s.x.f32(lanes.replica) + (first * s.lanes + lanes.first) * width;
  if (count == s.lanes) return x;
  for (int64_t t = 0; t < last - first; t++) copy(room + t * count * width, x + t * s.lanes * width, count * width);
  return room;
}

// A block of lanes through all layers.
void run_lanes(void* self, int64_t task, Worker& worker) {
  const Lstm& s = *static_cast<const Lstm*>(self);
  const Lanes lanes = lanes_of(s, task);
  if (!s.control->active[lanes.replica]) return;
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first, frames = longest(*s.control, lanes);
  float *spare = worker.scratch, *room = spare + s.hp, *compact_z = room + s.room;
  for (int64_t l = 0; l < s.layers; l++) start_lanes(s, s.direction[l], lanes);
  for (int64_t first = 0; first < frames; first += s.block) {
    const int64_t last = smaller(frames, first + s.block), row = kept_row(s, lanes, first);
    for (int64_t l = 0; l < s.layers; l++) {
      const Layer& layer = s.layer[l];
      const Direction& d = s.direction[l];
      const float* in = l ? out_of(s, s.layer[l - 1], lanes, first) : input_of(s, lanes, first, last, room);
      float* z = s.compact ? compact_z : d.gates + row * n;
      multiply_rows((last - first) * count, n, layer.input, in, layer.input,
                    d.packed_ih + lanes.replica * packed_size(layer.input, n), Start::bias, d.bias + lanes.replica * n,
                    z, n);
      recur_frames(s, layer, d, lanes, first, last, z, count * n, spare);
    }
  }
  for (int64_t l = 0; l < s.layers; l++) clear_beyond(s, s.layer[l], lanes);
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
  float* dx;  // [T,B,input], or null: not wanted; fused, of a layer above the first: in a task's scratch
  int64_t dx_stride;
  float *packed_ih, *packed_hh;  // [direction][replica]; null: no dx
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
  } else if (b.packed_ih) {
    const int64_t first = group * kPanelBlock, last = smaller(divide_up(layer.input, kPanel), first + kPanelBlock);
    pack_plain(b.packed_ih + copy_index * packed_size(k, layer.input), d.weights.w_ih.f32(replica), layer.input,
               layer.input, k, s.rows, first, last);
  }
}

// The frames of the segment of a task.
struct Segment {
  int64_t first, end;  // of the chunk's frames
  int64_t last;        // the first beyond the longest lane
};

Segment segment_of(const LstmBackward& b, const Lanes& lanes, int64_t task) {
  const Control& control = *b.forward->control;
  const int64_t first = task % b.call.segments * b.call.truncate;
  const int64_t end = smaller(control.frames, first + b.call.truncate);
  return {first, end, larger(first, smaller(longest(control, lanes), end))};
}

// dz is 0 where a lane has no frame.
void clear_gates(const Lstm& s, const Direction& d, const Lanes& lanes, const Segment& segment) {
  const int64_t n = 4 * s.hp;
  for (int64_t lane = lanes.first; lane < lanes.last; lane++) {
    for (int64_t t = larger(segment.first, s.control->length[lane]); t < segment.end; t++) {
      clear(d.gates + (kept_row(s, lanes, t) + lane - lanes.first) * n, n);
    }
  }
}

// Frames first .. last - 1 of a segment. dy is that of frame `first`, `stride` floats from frame to frame; dh and dc
// [lane, hp] carry the state's gradient.
void recur_backward_frames(const LayerBackward& b, const Lanes& lanes, const Segment& segment, int64_t first,
                           int64_t last, const float* dy, int64_t stride, float* dh, float* dc) {
  const Layer& layer = *b.layer;
  const Lstm& s = *layer.lstm;
  const Direction& d = s.direction[layer.index * s.directions + lanes.direction];
  const int64_t n = 4 * s.hp, count = lanes.last - lanes.first;
  const float* packed =
      b.packed_hh + (lanes.direction * s.control->replicas + lanes.replica) * packed_size(n, s.hidden);
  for (int64_t step = 0; step < last - first; step++) {
    const int64_t t = d.reverse ? first + step : last - 1 - step, row = kept_row(s, lanes, t);
    const float *c = d.c + state_at(s, lanes, d.reverse ? t + 1 : t), *from = dy + (t - first) * stride;
    float* gates = d.gates + row * n;
    for (int64_t i = 0; i < count; i++) {
      const int64_t at = i * s.hp;
      if (t >= s.control->length[lanes.first + i]) {  // a reverse lane that is over must not hand its gradient on
        clear(dh + at, s.hp);
        continue;
      }
      cell_backward(gates + i * n, s.hp, s.hidden, c + at, d.tanh_c + (row + i) * s.hp, from + i * s.width, dh + at,
                    dc + at);
    }
    if (t == (d.reverse ? segment.last - 1 : segment.first)) break;
    multiply_rows(count, s.hidden, n, gates, n, packed, Start::zero, nullptr, dh, s.hp);
  }
}

// A layer's recurrence over a segment.
void recur_backward(void* self, int64_t task, Worker& worker) {
  const LayerBackward& b = *static_cast<const LayerBackward*>(self);
  const Lstm& s = *b.layer->lstm;
  const Lanes lanes = lanes_of(s, task / b.lstm->call.segments);
  if (!s.control->active[lanes.replica]) return;
  const Direction& d = s.direction[b.layer->index * s.directions + lanes.direction];
  const Segment segment = segment_of(*b.lstm, lanes, task);
  const int64_t count = lanes.last - lanes.first;
  float *dh = worker.scratch, *dc = dh + count * s.hp;
  clear(dh, 2 * count * s.hp);
  clear_gates(s, d, lanes, segment);
  const float* dy = b.dy + lanes.replica * b.dy_stride + (d.reverse ? s.hidden : 0);
  recur_backward_frames(b, lanes, segment, segment.first, segment.last,
                        dy + (segment.first * s.lanes + lanes.first) * s.width, s.lanes * s.width, dh, dc);
}

// dx [frame, lane, input] of a block's frames that have dz. The first layer's goes where it was asked for.
void multiply_frames_backward(const LayerBackward& b, const Lanes& lanes, int64_t first, int64_t last, float* dx) {
  const Layer& layer = *b.layer;
  const Lstm& s = *layer.lstm;
  const int64_t k = 4 * s.hp, count = lanes.last - lanes.first, row = kept_row(s, lanes, first);
  const int64_t size = count * layer.input;
  multiply_rows((last - first) * count, layer.input, k, s.direction[layer.index].gates + row * k, k,
                b.packed_ih + lanes.replica * packed_size(k, layer.input), Start::zero, nullptr, dx, layer.input);
  if (layer.index > 0) {
    const float* scale = s.layer[layer.index - 1].scale;
    if (scale) multiply(dx, dx, scale + row * layer.input, (last - first) * size);
    return;
  }
  float* to = b.dx + lanes.replica * b.dx_stride + (first * s.lanes + lanes.first) * layer.input;
  for (int64_t t = 0; t < last - first; t++) copy(to + t * s.lanes * layer.input, dx + t * size, size);
}

// A block of lanes back through all layers, over a segment.
void run_lanes_backward(void* self, int64_t task, Worker& worker) {
  const LstmBackward& b = *static_cast<const LstmBackward*>(self);
  const Lstm& s = *b.forward;
  const Lanes lanes = lanes_of(s, task / b.call.segments);
  if (!s.control->active[lanes.replica]) return;
  const Segment segment = segment_of(b, lanes, task);
  const int64_t count = lanes.last - lanes.first, state = count * s.hp;
  float *carried = worker.scratch, *dx = carried + 2 * s.layers * state;
  clear(carried, 2 * s.layers * state);
  for (int64_t l = 0; l < s.layers; l++) clear_gates(s, s.direction[l], lanes, segment);
  const LayerBackward &top = b.layer[s.layers - 1], &bottom = b.layer[0];
  for (int64_t last = segment.last, first; last > segment.first; last = first) {
    first = larger(segment.first, last - s.block);
    const float* dy = top.dy + lanes.replica * top.dy_stride + (first * s.lanes + lanes.first) * s.width;
    for (int64_t l = s.layers - 1; l >= 0; l--) {
      float* dh = carried + 2 * l * state;
      const bool is_top = l == s.layers - 1;
      recur_backward_frames(b.layer[l], lanes, segment, first, last, is_top ? dy : dx,
                            (is_top ? s.lanes : count) * s.width, dh, dh + state);
      if (b.layer[l].packed_ih) multiply_frames_backward(b.layer[l], lanes, first, last, dx);
    }
  }
  if (!bottom.dx) return;
  for (int64_t t = segment.last; t < segment.end; t++) {
    const int64_t input = s.layer[0].input;
    clear(bottom.dx + lanes.replica * bottom.dx_stride + (t * s.lanes + lanes.first) * input, count * input);
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
  const int64_t states = replicas * ((s->compact ? s->block : s->frames) + 1) * s->lanes * s->hp;
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
      d.h = plan.floats(states);
      d.c = plan.floats(states);
      if (s->compact) continue;
      d.gates = plan.floats(replicas * rows * n);
      d.tanh_c = plan.floats(replicas * rows * s->hp);
    }
  }
}

void plan_fused(Plan& plan, Lstm* s) {
  if (s->blocks > 1) s->room = s->block * s->most_lanes * round_up(s->layer[0].input, 16);
  if (s->blocks > 1 && !s->compact) {
    s->row_map = map_frames(plan, s->lanes, s->blocks, s->frames);
    s->state_map = map_frames(plan, s->lanes, s->blocks, s->frames + 1);
  }
  const int64_t z = s->compact ? s->block * s->most_lanes * 4 * s->hp : 0;
  plan.scratch((s->hp + s->room + z) * static_cast<int64_t>(sizeof(float)));
  plan.stage(plan.control.replicas * s->blocks, run_lanes, s);
}

void plan_layer_by_layer(Plan& plan, Lstm* s) {
  const int64_t replicas = plan.control.replicas;
  for (int64_t l = 0; l < s->layers; l++) {
    for (int64_t i = 0; i < s->directions; i++) {
      const int64_t tasks = replicas * divide_up(s->frames * s->lanes, kRowBlock);
      Direction* d = &s->direction[l * s->directions + i];
      i ? plan.beside(tasks, multiply_input, d) : plan.stage(tasks, multiply_input, d);
    }
    if (s->layer[l].scale) plan.beside(replicas * s->frames, scale_dropout, &s->layer[l]);
    plan.stage(replicas * s->directions * s->blocks, recur, &s->layer[l]);
  }
}

void plan_fused_backward(Plan& plan, LstmBackward* b) {
  const Lstm& s = *b->forward;
  const int64_t widest = larger(s.width, b->layer[0].dx ? s.layer[0].input : 0);
  const int64_t floats = s.most_lanes * (2 * s.layers * s.hp + s.block * round_up(widest, 16));
  plan.scratch(floats * static_cast<int64_t>(sizeof(float)));
  plan.stage(plan.control.replicas * s.blocks * b->call.segments, run_lanes_backward, b);
}

void plan_layer_by_layer_backward(Plan& plan, LstmBackward* b) {
  const Lstm& s = *b->forward;
  const int64_t replicas = plan.control.replicas;
  plan.scratch(2 * s.lanes * s.hp * static_cast<int64_t>(sizeof(float)));
  for (int64_t l = s.layers - 1; l >= 0; l--) {
    LayerBackward& layer = b->layer[l];
    plan.stage(replicas * s.directions * s.blocks * b->call.segments, recur_backward, &layer);
    if (layer.dx) plan.stage(replicas * divide_up(s.frames * s.lanes, kRowBlock), multiply_input_backward, &layer);
  }
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
  const int64_t replicas = control.replicas, panels = 4 * s->hp / kPanel;
  s->blocks = lane_blocks(s->lanes, replicas * s->directions, plan.threads);
  s->most_lanes = divide_up(s->lanes, s->blocks);
  s->block = smaller(s->frames, larger(1, kRowBlock / s->most_lanes));
  s->fused = s->directions == 1 && replicas * s->blocks >= plan.threads;
  s->compact = s->fused && !call.count("slot");
  plan_layers(plan, read, s);

  for (int64_t i = 0; i < s->layers * s->directions; i++) {
    prepares_from(plan, s->direction[i].weights);
    plan.prepare(replicas * divide_up(panels, kPanelBlock), pack, &s->direction[i]);
  }
  if (s->fused) {
    plan_fused(plan, s);
  } else {
    plan_layer_by_layer(plan, s);
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
    layer.dx = l == 0 ? dx.f32() : s->fused ? nullptr : plan.floats(replicas * rows * input);
    layer.dx_stride = l ? rows * input : dx.stride;
    layer.packed_hh = plan.floats(s->directions * replicas * packed_size(k, s->hidden));
    if (l || layer.dx) layer.packed_ih = plan.floats(s->directions * replicas * packed_size(k, input));
    const int64_t tasks = s->directions * replicas * (divide_up(divide_up(input, kPanel), kPanelBlock) + 1);
    for (int64_t i = 0; i < s->directions; i++) prepares_from(plan, s->direction[l * s->directions + i].weights);
    plan.prepare(tasks, pack_backward, &layer);
  }
  if (s->fused) {
    plan_fused_backward(plan, b);
  } else {
    plan_layer_by_layer_backward(plan, b);
  }
  for (int64_t i = 0; i < directions; i++) {
    const Direction& d = s->direction[i];
    const Layer& layer = *d.layer;
    const int64_t h_stride = (rows + s->lanes) * s->hp;
    const LstmWeights& gradient = b->call.gradients[i];
    WeightGradient* g = gradients + 3 * i;
    g[0] = g[1] = g[2] = {
        .m = 4 * s->hidden, .columns = s->columns, .a = d.gates, .a_stride = rows * k, .lda = k, .a_rows = s->row_map};
    g[0].n = g[0].ldb = layer.input;
    g[0].b = layer.in;
    g[0].b_rows = layer.index ? s->row_map : nullptr;
    g[0].b_stride = layer.in_stride;
    g[0].out = gradient.w_ih;
    g[1].n = s->hidden;
    g[1].ldb = s->hp;
    g[1].b = d.reverse ? d.h + s->lanes * s->hp : d.h;
    g[1].b_stride = h_stride;
    g[1].b_rows = s->state_map;
    g[1].out = gradient.w_hh;
    g[2].n = 1;
    g[2].out = gradient.b_ih;
    g[2].twin = gradient.b_hh;
  }
  plan_weight_gradients(plan, call, gradients, 3 * directions, s->frames);
  plan.kernel("lane-blocked recurrence, deferred weight gradients");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

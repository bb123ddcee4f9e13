#pragma once
#include "operators/rows.h"

namespace circumplex {

// The parameters of one direction of one layer, or their gradients (data = null: not wanted). Gates i, f, g, o.
struct LstmWeights {
  Tensor w_ih, w_hh, b_ih, b_hh;  // [4H, in], [4H, H], [4H], [4H]
};

// lstm           (x [T,B,D], per layer and direction: w_ih, w_hh, b_ih, b_hh)
//                -> (y [T,B,directions*H], state [layers*directions, 2, B, H] in and out: h, c)
// lstm_backward  (x, dy, the same weights) -> (dx or none, a gradient for each weight or none)
//                It consumes what the forward call with the same `slot` kept.
struct LstmCall {
  int64_t hidden, layers, directions, width, frames, lanes;  // width: of a layer's output; frames: of the chunk
  double dropout;                                            // between layers
  uint32_t site;
  Tensor x, y, state;
  LstmWeights* weights;  // [layers * directions]

  int64_t input(int64_t layer) const { return layer ? width : x.dims[2]; }
};

//                `truncate` (frames, 0: none) cuts the gradient of the state at every so many frames of the chunk.
struct LstmBackwardCall {
  int64_t truncate, segments;  // frames of a segment, and how many there are; the chunk, where it is not cut
  Tensor dy, dx;               // dx.data = null: not wanted
  LstmWeights* gradients;      // [layers * directions]
};

// The frames of a segment, read from the attribute `truncate`.
int64_t read_truncation(const Call& call, int64_t frames);
LstmCall read_lstm(Plan& plan, const Call& call);
LstmBackwardCall read_lstm_backward(Plan& plan, const Call& call, const LstmCall& forward);

}  // namespace circumplex

#pragma once
#include "operators/lstm.h"

namespace circumplex {

// What stands in the place of the attention's score: general dot product, the window's mean, a learned logit an offset.
enum class Score { dot_product = 0, uniform = 1, fixed = 2 };

// attentive_lstm (v [left+T+right,B,D], valid u8 [left+T+right,B] or none, Wa [H,D] | logits [window] | none,
//                 per layer: w_ih [4H,in], w_hh [4H,H], b_ih [4H], b_hh [4H])
//                -> (y [T,B,H], state [layers,2,B,H] in and out, attention [T,B,window])
//   `stream`: v and valid are [T,B,..], the T frames that are new since the chunk before, the last of them the last of
//   the window; the call keeps what it needs of those before. `causal`: the last of them is the window's centre, what
//   comes after does not exist. Forward only.
// attentive_lstm_backward (v, dy) -> (dv or none, the score's gradient or none, a gradient for each weight or none)
struct AttentiveCall {
  int64_t hidden, layers, frames, lanes, left, right, width;  // frames: of the chunk; width: of v
  Score kind;
  double dropout;  // between layers
  uint32_t site;
  bool stream, causal;
  Tensor v, valid, score, y, state, attention;  // valid.data = null: every frame is there
  LstmWeights* weights;                         // [layers]

  int64_t halo() const { return left + right; }
  int64_t window() const { return left + right + 1; }
  // Where in the window's reach the first frame of v lies.
  int64_t newest() const { return !stream ? 0 : causal ? left : halo(); }
  int64_t input(int64_t layer) const { return layer ? hidden : width; }
};

struct AttentiveBackwardCall {
  int64_t truncate, segments;  // as for the plain LSTM
  Tensor dy, dv, dscore;       // data = null: not wanted
  LstmWeights* gradients;      // [layers]
};

AttentiveCall read_attentive_lstm(Plan& plan, const Call& call);
AttentiveBackwardCall read_attentive_lstm_backward(Plan& plan, const Call& call, const AttentiveCall& forward);

}  // namespace circumplex

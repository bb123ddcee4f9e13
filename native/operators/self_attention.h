#pragma once
#include "operators/rows.h"

namespace circumplex {

// Scaled dot-product attention of a chunk's frames on each other, for each lane and head on its own. A row of x is
// [q, k, v], each [heads, size]; with s_tj = q_t k_j / sqrt(size),
//   p_tj = exp(s_tj) / sum_i exp(s_ti),  y_t = sum_j p_tj v_j,
// over the frames j of the lane's valid ones that are not missing. With none y is 0, as it is beyond the lane's valid
// frames. A missing frame still asks.
//
// The weights are not kept: `statistics` holds the largest score m and 1 / sum_j exp(s_tj - m) of every frame and head,
// from which the backward call computes them again. With D_t = dy_t y_t and ds_tj = p_tj (dy_t v_j - D_t) / sqrt(size):
//   dq_t = sum_j ds_tj k_j,  dk_j = sum_t ds_tj q_t,  dv_j = sum_t p_tj dy_t.
struct SelfAttentionCall {
  Rows rows;          // of y, or of dx
  Tensor x;           // [T, B, 3 heads size]
  Tensor valid;       // [T, B]; data = null: no frame is missing
  Tensor y;           // [T, B, heads size]
  Tensor statistics;  // [T, B, heads, 2]
  Tensor dy, dx;
  int64_t heads, size, width;  // width = heads size
  float scale;                 // 1 / sqrt(size)
};

// A thread of a GPU's kernel keeps so many features of a head, for each of 32.
constexpr int64_t kMostHeadSize = 128;

SelfAttentionCall read_self_attention(Plan& plan, const Call& call);
SelfAttentionCall read_self_attention_backward(Plan& plan, const Call& call);

}  // namespace circumplex

#pragma once
// The names of all operators, for the table of each device.

// clang-format off
#define CIRCUMPLEX_OPERATORS(OP) \
  OP(gather) OP(scatter) OP(any_valid) OP(concat) OP(concat_backward) OP(linear) OP(linear_backward) OP(dropout) \
  OP(dropout_backward) OP(lstm) OP(lstm_backward) OP(attentive_lstm) OP(attentive_lstm_backward) \
  OP(dimension_fusion) OP(dimension_fusion_backward) OP(stream_mix) OP(stream_mix_backward) OP(mse) \
  OP(mse_backward) OP(ccc) OP(ccc_backward) OP(adam) OP(clip) OP(fill) OP(accumulate) OP(add) OP(add_backward) \
  OP(mul) OP(mul_backward) OP(exp) OP(exp_backward) OP(tanh) OP(tanh_backward) OP(sigmoid) OP(sigmoid_backward) \
  OP(relu) OP(relu_backward) OP(softmax) OP(softmax_backward) OP(layer_norm) OP(layer_norm_backward) \
  OP(self_attention) OP(self_attention_backward) OP(sum) OP(sum_backward) OP(mean) OP(mean_backward)
// clang-format on

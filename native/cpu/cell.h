#pragma once
// One frame of one lane of an LSTM layer. Gates are i, f, g, o, each padded to `hp` units:
//   i, f, o = sigmoid(z), g = tanh(z), c = f c' + i g, h = o tanh(c).

#include "cpu/math.h"
#include "cpu/plan.h"
#include "operators/lstm.h"

namespace circumplex::CIRCUMPLEX_ISA {

CIRCUMPLEX_INLINE void prepares_from(Plan& plan, const LstmWeights& w) {
  plan.weight(w.w_ih);
  plan.weight(w.w_hh);
  plan.weight(w.b_ih);
  plan.weight(w.b_hh);
}

// Units of a layer padded so that every panel is full; padded units stay exactly 0.
CIRCUMPLEX_INLINE int64_t padded_units(int64_t hidden) { return round_up(hidden, 2 * W); }

// gates [4][hp]: pre-activations in, gates out.
CIRCUMPLEX_INLINE void cell_forward(float* gates, int64_t hp, const float* c_before, float* c, float* tanh_c,
                                    float* h) {
  for (int64_t u = 0; u < hp; u += W) {
    const V i = sigmoid(load(gates + u));
    const V f = sigmoid(load(gates + hp + u));
    const V g = tanh(load(gates + 2 * hp + u));
    const V o = sigmoid(load(gates + 3 * hp + u));
    const V now = fma(f, load(c_before + u), i * g);
    const V squashed = tanh(now);
    store(gates + u, i);
    store(gates + hp + u, f);
    store(gates + 2 * hp + u, g);
    store(gates + 3 * hp + u, o);
    store(c + u, now);
    store(tanh_c + u, squashed);
    store(h + u, o * squashed);
  }
}

// gates [4][hp]: gates in, dz out. `dc` [hp] carries the cell's gradient from the following frame to the one before.
// `dy` may be shorter than hp: it holds `hidden` values; `dh` [hp] comes through the recurrence.
CIRCUMPLEX_INLINE void cell_backward(float* gates, int64_t hp, int64_t hidden, const float* c_before,
                                     const float* tanh_c, const float* dy, const float* dh, float* dc) {
  const V one = set1(1.f);
  for (int64_t u = 0; u < hp; u += W) {
    const V i = load(gates + u), f = load(gates + hp + u), g = load(gates + 2 * hp + u), o = load(gates + 3 * hp + u);
    const V t = load(tanh_c + u);
    const V d = load_n(dy + u, static_cast<int>(smaller(W, hidden - u))) + load(dh + u);
    const V cell = fma(d * o, fnma(t, t, one), load(dc + u));
    store(gates + u, (cell * g) * (i * (one - i)));
    store(gates + hp + u, (cell * load(c_before + u)) * (f * (one - f)));
    store(gates + 2 * hp + u, (cell * i) * fnma(g, g, one));
    store(gates + 3 * hp + u, (d * t) * (o * (one - o)));
    store(dc + u, cell * f);
  }
}

// Column of an operand padded by gate -> row of the parameter [4 * hidden, ...], -1 for a padded unit.
CIRCUMPLEX_INLINE void map_gates(int32_t* rows, int64_t hidden, int64_t hp) {
  for (int64_t g = 0; g < 4; g++) {
    for (int64_t u = 0; u < hp; u++) rows[g * hp + u] = u < hidden ? static_cast<int32_t>(g * hidden + u) : -1;
  }
}

// Row of the parameter -> column of the padded operand.
CIRCUMPLEX_INLINE void map_rows(int32_t* columns, int64_t hidden, int64_t hp) {
  for (int64_t g = 0; g < 4; g++) {
    for (int64_t u = 0; u < hidden; u++) columns[g * hidden + u] = static_cast<int32_t>(g * hp + u);
  }
}

CIRCUMPLEX_INLINE void add_biases(float* sum, const float* ih, const float* hh, int64_t hidden, int64_t hp) {
  for (int64_t g = 0; g < 4; g++) {
    for (int64_t u = 0; u < hp; u++) sum[g * hp + u] = u < hidden ? ih[g * hidden + u] + hh[g * hidden + u] : 0.f;
  }
}

CIRCUMPLEX_INLINE void copy(float* to, const float* from, int64_t n) {
  for (int64_t i = 0; i < n; i += W) {
    const int left = static_cast<int>(smaller(W, n - i));
    store_n(to + i, load_n(from + i, left), left);
  }
}

// to = from * factor, element by element; `to` may be `from`.
CIRCUMPLEX_INLINE void multiply(float* to, const float* from, const float* factor, int64_t n) {
  for (int64_t i = 0; i < n; i += W) {
    const int left = static_cast<int>(smaller(W, n - i));
    store_n(to + i, load_n(from + i, left) * load_n(factor + i, left), left);
  }
}

CIRCUMPLEX_INLINE void clear(float* to, int64_t n) {
  for (int64_t i = 0; i < n; i += W) store_n(to + i, zero(), static_cast<int>(smaller(W, n - i)));
}

}  // namespace circumplex::CIRCUMPLEX_ISA

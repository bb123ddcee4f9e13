// The attentive LSTM (cpu/attention.cc has the equations). K = V Wa' and P = V W_ih' of the whole chunk are products;
// score, softmax, context and both layers are one kernel; its backward kernel leaves dz and de, from which the band
// sums dP and dK and then all gradients follow.
//
// The top layer's state is part of the bottom layer's input, so a step costs two exchanges, one a layer. The rows of K
// and P that a window needs come ahead of their use into a ring in shared memory.

#include <vector>

#include "cuda/gemm.h"
#include "cuda/recurrence.cuh"
#include "cuda/rows.h"
#include "operators/attention.h"

namespace circumplex::cuda {
namespace {

constexpr int kMostWindow = 32;  // of a resident kernel: one offset a lane of a warp
constexpr int kAhead = 2;        // frames that the ring is ahead

// What a kernel knows of the attention.
struct Attention {
  Array<const uint8_t> valid;  // [left+T+right,B], or null
  Array<const float> logits;   // [window], or null
  Array<const float> p;        // [left+T+right,B,4,H]
  Array<const float> k;        // [left+T+right,B,H], or null
  Array<float> weights;        // [T,B,window]
  Array<float> de;             // [T,B,window], or null; likewise the scores' gradients
  int32_t left, right, window;
};

struct Attentive {
  Recurrence r;
  Attention attention;
  Global<const Cell> cells;  // of a streamed kernel: any number of layers
  int32_t layers;
};

// Whether offset j of the window of frame t is a frame that exists and is valid.
CIRCUMPLEX_DEVICE bool present(const Chunk& chunk, const Attention& a, int64_t replica, int t, int lane_index, int j) {
  const int frame = chunk.start[lane_index] + t + j - a.left;
  if (frame < 0 || frame >= chunk.total[lane_index]) return false;
  return !a.valid.data || a.valid.of(replica)[int64_t{t + j} * chunk.lanes + lane_index] != 0;
}

constexpr float kAbsent = -INFINITY;

CIRCUMPLEX_DEVICE float largest_of_warp(float v) {
  for (int mask = 16; mask > 0; mask /= 2) {
    const float other = shuffle_xor(v, mask);
    v = other > v ? other : v;
  }
  return v;
}

// Lane j's weight from its score, kAbsent where there is none.
CIRCUMPLEX_DEVICE float softmax_of_warp(float score) {
  const float most = largest_of_warp(score);
  const float e = score == kAbsent ? 0.f : exp(score - most);
  const float sum = sum_warp(e);
  return most == kAbsent ? 0.f : divide(e, sum);
}

// ---- resident: two layers ----

// Shared memory of a lane: h of the lower layer, what the upper one sees of it, h of the upper layer, each [2][W];
// c of every thread's unit in both layers; scores; the ring's rows: K [W], P of the block's own units [4][32],
// presence.
template <int CL>
struct ForwardRing {
  static constexpr int kWidth = kUnits * CL;
  static constexpr int kPRow = 4 * kUnits + 4;  // no bank conflicts when eight threads read eight rows
  static constexpr int kFixed = 6 * kWidth + 2 * kThreads + kMostWindow;
  static constexpr int kRow = kWidth + kPRow + 4;
  static constexpr int kAside = CL == 4 ? 12 : 0;
  using Upper = Weights<4, kWidth, kAside>;
  static constexpr int64_t kFirst = kHeaderBytes + Upper::kAsideBytes;

  Shared<float> base;
  int rows;
  CIRCUMPLEX_DEVICE ForwardRing(int slot, int window)
      : base(shared<float>(kFirst) + int64_t{slot} * (kFixed + (window + kAhead) * kRow)), rows(window + kAhead) {}
  CIRCUMPLEX_DEVICE Shared<float> lower(int at) const { return base + (at & 1) * kWidth; }
  CIRCUMPLEX_DEVICE Shared<float> between(int at) const { return base + (2 + (at & 1)) * kWidth; }
  CIRCUMPLEX_DEVICE Shared<float> upper(int at) const { return base + (4 + (at & 1)) * kWidth; }
  CIRCUMPLEX_DEVICE Shared<float> cell(int layer) const { return base + 6 * kWidth + layer * kThreads + thread(); }
  CIRCUMPLEX_DEVICE Shared<float> scores() const { return base + 6 * kWidth + 2 * kThreads; }
  CIRCUMPLEX_DEVICE Shared<float> row(int at) const { return base + kFixed + at % rows * kRow; }
  CIRCUMPLEX_DEVICE Shared<float> k(int at) const { return row(at); }
  CIRCUMPLEX_DEVICE Shared<float> p(int at) const { return row(at) + kWidth; }
  CIRCUMPLEX_DEVICE Shared<float> there(int at) const { return row(at) + kWidth + kPRow; }
  static int64_t bytes(int64_t window) { return (kFixed + (window + kAhead) * kRow) * 4; }
};

template <int CL>
CIRCUMPLEX_KERNEL(kThreads)
attend(const CIRCUMPLEX_PARAMETER Attentive a) {
  using Ring = ForwardRing<CL>;
  constexpr int kWidth = kUnits * CL;
  const Chunk& chunk = a.r.chunk;
  const Attention& att = a.attention;
  const int rank = CL > 1 ? cluster_rank() : 0, group = block_x() / CL;
  const int64_t replica = group / a.r.groups;
  const Slots slots = slots_of(a.r, group % a.r.groups);
  if (!chunk.active[replica] || slots.count <= 0) return;
  const int part = thread() % kParts, unit = thread() / kParts, u = rank * kUnits + unit, gate = part & 3;
  const int hidden = a.r.hidden, window = att.window;
  const bool mine = u < hidden, bypass = chunk.now[0].bypass != 0;
  const Cell& lower = a.r.cell[0];
  const Cell& upper = a.r.cell[1];
  const Shared<Barrier> barriers = shared<Barrier>(0);  // of a slot: the lower layer's, the upper layer's
  constexpr int kLowerBytes = 2 * kWidth * 4, kUpperBytes = kWidth * 4;

  Weights<4, kWidth> recurrent, input;
  typename Ring::Upper above;
  above.aside = shared<float>(kHeaderBytes);
  const Global<const float> recurrent_weight = lower.w_hh.of(replica), input_weight = upper.w_ih.of(replica);
  const Global<const float> above_weight = upper.w_hh.of(replica);
  each_element<4, kWidth>([&](int row, int n, int k) {
    const bool inside = mine && k < hidden;
    const int64_t at = (int64_t{row} * hidden + u) * hidden + k;
    recurrent.set(row, n, inside ? recurrent_weight[at] : 0.f);
    input.set(row, n, inside ? input_weight[at] : 0.f);
    above.set(row, n, inside ? above_weight[at] : 0.f);
  });
  const int64_t of_gate = int64_t{gate} * hidden + u;
  float lower_bias = 0.f, upper_bias = 0.f;
  if (mine) {
    lower_bias = lower.b_ih.of(replica)[of_gate] + lower.b_hh.of(replica)[of_gate];
    upper_bias = upper.b_ih.of(replica)[of_gate] + upper.b_hh.of(replica)[of_gate];
  }

  // Row `at` of the ring: K of all units, P of the block's own, and whether it counts.
  const auto bring = [&](const Ring& ring, int s, int at) {
    const int length = slot_lengths()[s], lane_index = slots.lane(s);
    if (at < length + window - 1) {
      const int64_t row = int64_t{at} * chunk.lanes + lane_index;
      if (att.k.data) {
        for (int i = thread(); i < hidden; i += kThreads) {
          copy_async4(ring.k(at) + i, att.k.of(replica) + (row * hidden + i));
        }
      }
      for (int i = thread(); i < 4 * kUnits; i += kThreads) {
        const int own = rank * kUnits + i % kUnits;
        if (own >= hidden) continue;
        copy_async4(ring.p(at) + i, att.p.of(replica) + (row * 4 * hidden + int64_t{i / kUnits} * hidden + own));
      }
      if (thread() == 0) ring.there(at)[0] = present(chunk, att, replica, 0, lane_index, at) ? 1.f : 0.f;
    }
    copy_commit();
  };

  int steps = 0;
  for (int s = 0; s < slots.count; s++) {
    const Ring ring(s, window);
    const int lane_index = slots.lane(s), length = chunk.length[lane_index];
    steps = length > steps ? length : steps;
    ring.cell(0)[0] = start_lane<CL>(chunk, lower, hidden, replica, lane_index, u, part == 0, ring.lower(0));
    ring.cell(1)[0] = start_lane<CL>(chunk, upper, hidden, replica, lane_index, u, part == 0, ring.upper(0));
    // What is not brought (padded units, a window's rows beyond the lane) must not be poison.
    for (int i = thread(); i < ring.rows * Ring::kRow; i += kThreads) ring.row(0)[i] = 0.f;
    if (thread() != 0) continue;
    slot_lengths()[s] = length;
    if constexpr (CL > 1) {
      barrier_initialise(barriers + 2 * s, 1);
      barrier_initialise(barriers + (2 * s + 1), 1);
      barrier_expect(barriers + 2 * s, kLowerBytes);
      barrier_expect(barriers + (2 * s + 1), kUpperBytes);
    }
  }
  sync_block();
  for (int s = 0; s < slots.count; s++) {
    const Ring ring(s, window);
    for (int at = 0; at < window + kAhead - 1; at++) bring(ring, s, at);
  }
  copy_wait<0>();
  if constexpr (CL > 1) {
    if (thread() == 0) fence_barriers();
    sync_cluster();
  } else {
    sync_block();
  }

  for (int t = 0; t < steps; t++) {
    // The lower layer, and the attention that feeds it.
    for (int s = 0; s < slots.count; s++) {
      const Ring ring(s, window);
      const int length = slot_lengths()[s], lane_index = slots.lane(s);
      if (t >= length) continue;
      float sum[4] = {};
      multiply(sum, recurrent, ring.lower(t));
      if (CL > 1 && t > 0) {
        barrier_wait(barriers + (2 * s + 1), (t - 1) & 1);
        if (thread() == 0 && t < length - 1) barrier_expect(barriers + (2 * s + 1), kUpperBytes);
      }
      bring(ring, s, t + window + kAhead - 1);

      for (int j = warp(); j < window; j += kThreads / 32) {
        float score = 0.f;
        if (att.k.data && !bypass) {
          for (int k = lane(); k < kWidth; k += 32) score = fma(ring.upper(t)[k], ring.k(t + j)[k], score);
          score = sum_warp(score);
        } else if (att.logits.data) {
          score = att.logits.of(replica)[j];
        }
        const bool counts = ring.there(t + j)[0] != 0.f && (!bypass || j == att.left);
        if (lane() == 0) ring.scores()[j] = counts ? score : kAbsent;
      }
      copy_wait<kAhead - 1>();
      sync_block();
      const float weight = softmax_of_warp(lane() < window ? static_cast<float>(ring.scores()[lane()]) : kAbsent);
      const int64_t row = int64_t{t} * chunk.lanes + lane_index;
      if (rank == 0 && warp() == 0 && lane() < window) att.weights.of(replica)[row * window + lane()] = weight;
      for (int first = 0; first < window; first += kParts) {
        const int j = first + part;
        const float share = shuffle(weight, j & 31);
        if (j >= window || share == 0.f) continue;
        const Shared<float> p = ring.p(t + j) + unit;
        CIRCUMPLEX_UNROLL
        for (int g = 0; g < 4; g++) sum[g] = fma(share, p[g * kUnits], sum[g]);
      }

      const float value = activate(fold_sums(sum) + lower_bias, gate == 2);
      const Gates gates = gather_gates(value);
      const float c = fma(gates.f, ring.cell(0)[0], gates.i * gates.g), h = gates.o * tanh(c);
      ring.cell(0)[0] = c;
      float scale = 1.f;
      if (mine && lower.scale.data) scale = lower.scale.of(replica)[row * hidden + u];
      const float out = h * scale;
      if (mine && part < 4) {
        const int64_t after = (row + chunk.lanes) * hidden + u;
        lower.gates.of(replica)[row * 4 * hidden + of_gate] = value;
        if (gate == 0) lower.h.of(replica)[after] = h;
        if (gate == 1) lower.c.of(replica)[after] = c;
        if (gate == 2) lower.out.of(replica)[row * hidden + u] = out;
      }
      // Half of a unit's threads send h, the other half what the upper layer sees of it.
      if (gate < CL) {
        send<CL>((part < 4 ? ring.lower(t + 1) : ring.between(t + 1)) + u, gate, part < 4 ? h : out, barriers + 2 * s);
      }
    }
    if constexpr (CL == 1) sync_block();
    // The upper layer.
    for (int s = 0; s < slots.count; s++) {
      const Ring ring(s, window);
      const int length = slot_lengths()[s];
      if (t >= length) continue;
      float sum[4] = {};
      multiply(sum, above, ring.upper(t));
      if constexpr (CL > 1) {
        barrier_wait(barriers + 2 * s, t & 1);
        if (thread() == 0 && t < length - 1) barrier_expect(barriers + 2 * s, kLowerBytes);
      }
      multiply(sum, input, ring.between(t + 1));
      const float value = activate(fold_sums(sum) + upper_bias, gate == 2);
      const Gates gates = gather_gates(value);
      const float c = fma(gates.f, ring.cell(1)[0], gates.i * gates.g), h = gates.o * tanh(c);
      ring.cell(1)[0] = c;
      if (mine && part < 4) {
        const int64_t row = int64_t{t} * chunk.lanes + slots.lane(s), after = (row + chunk.lanes) * hidden + u;
        upper.gates.of(replica)[row * 4 * hidden + of_gate] = value;
        if (gate == 0) upper.h.of(replica)[after] = h;
        if (gate == 1) upper.c.of(replica)[after] = c;
        if (gate == 2) upper.out.of(replica)[row * hidden + u] = h;
      }
      if constexpr (CL > 1) sync_warp();  // a send says that all threads of its unit have read what they had to
      if (part < CL && t < length - 1) send<CL>(ring.upper(t + 1) + u, part, h, barriers + (2 * s + 1));
    }
    if constexpr (CL == 1) sync_block();
  }

  for (int s = 0; s < slots.count; s++) {
    const int lane_index = slots.lane(s), length = slot_lengths()[s];
    // The state that the lane's next chunk starts from.
    for (int layer = 0; mine && part < 2 && length > 0 && layer < 2; layer++) {
      const Cell& cell = a.r.cell[layer];
      const Global<float> from = gate == 0 ? cell.h.of(replica) : cell.c.of(replica);
      cell.state.of(replica)[(int64_t{gate} * chunk.lanes + lane_index) * hidden + u] =
          from[(int64_t{length} * chunk.lanes + lane_index) * hidden + u];
    }
    for (int t = length + part; mine && t < chunk.most_frames; t += kParts) {
      upper.out.of(replica)[(int64_t{t} * chunk.lanes + lane_index) * hidden + u] = 0.f;
      lower.out.of(replica)[(int64_t{t} * chunk.lanes + lane_index) * hidden + u] = 0.f;
    }
    if (rank != 0) continue;
    for (int i = thread(); i < (chunk.most_frames - length) * window; i += kThreads) {
      const int64_t row = int64_t{length + i / window} * chunk.lanes + lane_index;
      att.weights.of(replica)[row * window + i % window] = 0.f;
    }
  }
}

// Shared memory of a lane: dz of the lower and of the upper layer, each [2][4][W]; every thread's dc in both layers;
// the block's own dz of the lower layer [4][32]; what each block adds to da, [CL][window]; the weights and the scores'
// gradients of one frame; the ring's rows: K of the block's own units [32], P of them [4][32].
template <int CL>
struct BackwardRing {
  static constexpr int kWidth = 4 * kUnits * CL;
  static constexpr int kKRow = kUnits + 4;
  static constexpr int kFixed = 4 * kWidth + 2 * kThreads + 4 * kUnits + CL * kMostWindow;
  static constexpr int kRow = kKRow + 4 * kUnits;
  static constexpr int kAside = CL == 4 ? 24 : 0;
  using Upper = Weights<1, kWidth, kAside>;
  static constexpr int64_t kFirst = kHeaderBytes + Upper::kAsideBytes;

  Shared<float> base;
  int rows;
  CIRCUMPLEX_DEVICE BackwardRing(int slot, int window)
      : base(shared<float>(kFirst) + int64_t{slot} * (kFixed + (window + kAhead) * kRow)), rows(window + kAhead) {}
  CIRCUMPLEX_DEVICE Shared<float> dz(int layer, int at) const { return base + (2 * layer + (at & 1)) * kWidth; }
  CIRCUMPLEX_DEVICE Shared<float> dc(int layer) const { return base + 4 * kWidth + layer * kThreads + thread(); }
  CIRCUMPLEX_DEVICE Shared<float> own() const { return base + 4 * kWidth + 2 * kThreads; }
  CIRCUMPLEX_DEVICE Shared<float> share(int rank) const { return own() + 4 * kUnits + rank * kMostWindow; }
  CIRCUMPLEX_DEVICE Shared<float> row(int at) const { return base + kFixed + at % rows * kRow; }
  CIRCUMPLEX_DEVICE Shared<float> k(int at) const { return row(at); }
  CIRCUMPLEX_DEVICE Shared<float> p(int at) const { return row(at) + kKRow; }
  static int64_t bytes(int64_t window) { return (kFixed + (window + kAhead) * kRow) * 4; }
};

template <int CL>
CIRCUMPLEX_KERNEL(kThreads)
attend_backward(const CIRCUMPLEX_PARAMETER Attentive a) {
  using Ring = BackwardRing<CL>;
  constexpr int kWidth = Ring::kWidth;
  const Chunk& chunk = a.r.chunk;
  const Attention& att = a.attention;
  const int rank = CL > 1 ? cluster_rank() : 0, group = block_x() / CL;
  const int64_t replica = group / a.r.groups;
  const Slots slots = slots_of(a.r, group % a.r.groups);
  const Segment segment = segment_of(a.r);
  if (!chunk.active[replica] || slots.count <= 0 || segment.first >= segment.end) return;
  const int part = thread() % kParts, unit = thread() / kParts, u = rank * kUnits + unit, gate = part & 3;
  const int hidden = a.r.hidden, window = att.window;
  const Cell& lower = a.r.cell[0];
  const Cell& upper = a.r.cell[1];
  const bool mine = u < hidden, scored = (att.k.data || att.logits.data) && chunk.now[0].bypass == 0;
  const Shared<Barrier> barriers = shared<Barrier>(0);  // of a slot: the upper layer's, the lower layer's
  constexpr int kUpperBytes = kWidth * 4;
  const int lower_bytes = kWidth * 4 + (scored ? CL * window * 4 : 0);

  Weights<1, kWidth> recurrent, input;
  typename Ring::Upper above;
  above.aside = shared<float>(kHeaderBytes);
  const Global<const float> recurrent_weight = lower.w_hh.of(replica), input_weight = upper.w_ih.of(replica);
  const Global<const float> above_weight = upper.w_hh.of(replica);
  each_element<1, kWidth>([&](int, int n, int k) {
    const int of_gate = k / (kWidth / 4), other = k % (kWidth / 4);
    const bool inside = mine && other < hidden;
    const int64_t at = (int64_t{of_gate} * hidden + other) * hidden + u;
    recurrent.set(0, n, inside ? recurrent_weight[at] : 0.f);
    input.set(0, n, inside ? input_weight[at] : 0.f);
    above.set(0, n, inside ? above_weight[at] : 0.f);
  });

  const auto bring = [&](const Ring& ring, int s, int at) {
    if (at >= 0 && scored) {
      const int64_t row = int64_t{segment.first + at} * chunk.lanes + slots.lane(s);
      for (int i = thread(); i < 5 * kUnits; i += kThreads) {
        const int own = rank * kUnits + i % kUnits, block = i / kUnits;
        if (own >= hidden) continue;
        if (block < 4) {
          copy_async4(ring.p(at) + i, att.p.of(replica) + ((row * 4 + block) * hidden + own));
        } else if (att.k.data) {
          copy_async4(ring.k(at) + i % kUnits, att.k.of(replica) + (row * hidden + own));
        }
      }
    }
    copy_commit();
  };

  int steps = 0;
  for (int s = 0; s < slots.count; s++) {
    const Ring ring(s, window);
    const int length = segment.frames(chunk.length[slots.lane(s)]);
    steps = length > steps ? length : steps;
    for (int layer = 0; layer < 2; layer++) {
      for (int k = thread(); k < kWidth; k += kThreads) ring.dz(layer, length)[k] = 0.f;
      ring.dc(layer)[0] = 0.f;
    }
    for (int i = thread(); i < ring.rows * Ring::kRow; i += kThreads) ring.row(0)[i] = 0.f;
    if (thread() != 0) continue;
    slot_lengths()[s] = length;
    if constexpr (CL > 1) {
      barrier_initialise(barriers + 2 * s, 1);
      barrier_initialise(barriers + (2 * s + 1), 1);
      barrier_expect(barriers + 2 * s, kUpperBytes);
      barrier_expect(barriers + (2 * s + 1), lower_bytes);
    }
  }
  sync_block();
  for (int s = 0; s < slots.count; s++) {
    const Ring ring(s, window);
    const int length = slot_lengths()[s];
    for (int at = length + window - 2; at > length - 1 - kAhead; at--) bring(ring, s, length > 0 ? at : -1);
  }
  if constexpr (CL > 1) {
    if (thread() == 0) fence_barriers();
    sync_cluster();
  }

  const int64_t of_gate = int64_t{gate} * hidden + u;
  // The gradient of frame t's scores, lane j's of every warp, once all blocks' shares of da have arrived.
  const auto score_gradient = [&](const Ring& ring, int64_t row) {
    float weight = 0.f, da = 0.f;
    if (lane() < window) {
      weight = att.weights.of(replica)[row * window + lane()];
      for (int r = 0; r < CL; r++) da += ring.share(r)[lane()];
    }
    da = weight == 0.f ? 0.f : da;
    const float mean = sum_warp(weight * da), de = weight * (da - mean);
    if (rank == 0 && warp() == 0 && lane() < window) att.de.of(replica)[row * window + lane()] = de;
    return de;
  };
  struct Saved {
    float value, c, c_before;  // the thread's gate; c after and before the frame
  };
  const auto saved_of = [&](const Cell& cell, int64_t row) {
    if (!mine) return Saved{0.f, 0.f, 0.f};
    const Saved saved = {cell.gates.of(replica)[row * 4 * hidden + of_gate],
                         cell.c.of(replica)[(row + chunk.lanes) * hidden + u], cell.c.of(replica)[row * hidden + u]};
    return saved;
  };

  for (int step = 0; step < steps; step++) {
    // The upper layer; its state was the query of the frame after.
    for (int s = 0; s < slots.count; s++) {
      const Ring ring(s, window);
      const int t = slot_lengths()[s] - 1 - step;
      if (t < 0) continue;
      const int64_t row = int64_t{segment.first + t} * chunk.lanes + slots.lane(s);
      const Saved saved = saved_of(upper, row);
      const float from_above = mine ? static_cast<float>(upper.dy.of(replica)[row * hidden + u]) : 0.f;
      float sum = 0.f;
      multiply(&sum, above, ring.dz(1, t + 1));
      if (step > 0) {
        if constexpr (CL > 1) {
          barrier_wait(barriers + (2 * s + 1), (step - 1) & 1);
          if (thread() == 0) barrier_expect(barriers + (2 * s + 1), lower_bytes);
        }
        if (scored) {
          const float de = score_gradient(ring, row + chunk.lanes);
          for (int first = 0; att.k.data && first < window; first += kParts) {
            const int j = first + part;
            const float share = shuffle(de, j & 31);
            if (j < window && share != 0.f) sum = fma(share, ring.k(t + 1 + j)[unit], sum);
          }
        }
      }
      const Gates gates = gather_gates(saved.value);
      const float dh = sum_parts(sum) + from_above;
      float dc = ring.dc(1)[0];
      const float dz = gate_gradient(gate, gates, saved.c_before, tanh(saved.c), dh, dc);
      ring.dc(1)[0] = dc;
      sync_warp();  // all threads of the unit have read what is written, and sent, next
      if (mine && part < 4) upper.gates.of(replica)[row * 4 * hidden + of_gate] = dz;
      for (int r = part >> 2; r < CL; r += 2) {
        send<CL>(ring.dz(1, t) + (gate * (kWidth / 4) + u), r, dz, barriers + 2 * s);
      }
    }
    if constexpr (CL == 1) sync_block();
    // The lower layer, and what its input's gradient says of each offset.
    for (int s = 0; s < slots.count; s++) {
      const Ring ring(s, window);
      const int t = slot_lengths()[s] - 1 - step;
      if (t < 0) continue;
      const int64_t row = int64_t{segment.first + t} * chunk.lanes + slots.lane(s);
      const Saved saved = saved_of(lower, row);
      float scale = 1.f;
      if (mine && lower.scale.data) scale = lower.scale.of(replica)[row * hidden + u];
      float sum = 0.f, through = 0.f;
      multiply(&sum, recurrent, ring.dz(0, t + 1));
      if constexpr (CL > 1) {
        barrier_wait(barriers + 2 * s, step & 1);
        if (thread() == 0 && t > 0) barrier_expect(barriers + 2 * s, kUpperBytes);
      }
      bring(ring, s, t - kAhead);
      multiply(&through, input, ring.dz(1, t));
      const Gates gates = gather_gates(saved.value);
      const float dh = sum_parts(fma(scale, through, sum));
      float dc = ring.dc(0)[0];
      const float dz = gate_gradient(gate, gates, saved.c_before, tanh(saved.c), dh, dc);
      ring.dc(0)[0] = dc;
      sync_warp();
      if (mine && part < 4) lower.gates.of(replica)[row * 4 * hidden + of_gate] = dz;
      for (int r = part >> 2; r < CL; r += 2) {
        send<CL>(ring.dz(0, t) + (gate * (kWidth / 4) + u), r, dz, barriers + (2 * s + 1));
      }
      if (part < 4) ring.own()[gate * kUnits + unit] = dz;
      copy_wait<kAhead - 1>();
      sync_block();
      for (int j = warp(); scored && j < window; j += kThreads / 32) {
        const Shared<const float> p(ring.p(t + j));
        float da = 0.f;
        CIRCUMPLEX_UNROLL
        for (int g = 0; g < 4; g++) da = fma(ring.own()[g * kUnits + lane()], p[g * kUnits + lane()], da);
        da = sum_warp(da);
        if (lane() < CL) send<CL>(ring.share(rank) + j, lane(), da, barriers + (2 * s + 1));
      }
    }
    if constexpr (CL == 1) sync_block();
  }

  for (int s = 0; s < slots.count; s++) {
    const Ring ring(s, window);
    const int length = slot_lengths()[s], lane_index = slots.lane(s);
    if (length > 0) {
      if constexpr (CL > 1) barrier_wait(barriers + (2 * s + 1), (length - 1) & 1);
      if (scored) score_gradient(ring, int64_t{segment.first} * chunk.lanes + lane_index);
    }
    const int beyond = segment.first + length;
    for (int t = beyond; mine && part < 4 && t < segment.end; t++) {
      const int64_t at = (int64_t{t} * chunk.lanes + lane_index) * 4 * hidden + of_gate;
      lower.gates.of(replica)[at] = 0.f;
      upper.gates.of(replica)[at] = 0.f;
    }
    if (rank != 0 || !att.de.data) continue;
    const int unscored = scored ? beyond : segment.first;
    for (int i = thread(); i < (segment.end - unscored) * window; i += kThreads) {
      const int64_t row = int64_t{unscored + i / window} * chunk.lanes + lane_index;
      att.de.of(replica)[row * window + i % window] = 0.f;
    }
  }
}

// ---- streamed: a block a lane, any number of layers and units, any window ----

// Shared memory: h [layers][2][H], c [layers][H], what the layer above sees [H], scores [window].
CIRCUMPLEX_KERNEL(kThreads) attend_streamed(const CIRCUMPLEX_PARAMETER Attentive a) {
  const Chunk& chunk = a.r.chunk;
  const Attention& att = a.attention;
  const int64_t replica = block_x() / chunk.lanes, lanes = chunk.lanes;
  const int lane_index = static_cast<int>(block_x() % lanes), hidden = a.r.hidden, window = att.window;
  const int length = chunk.length[lane_index];
  if (!chunk.active[replica]) return;
  const bool bypass = chunk.now[0].bypass != 0, resume = chunk.start[lane_index] != 0 && length != 0;
  const Shared<float> h = shared<float>(0), c = h + 2 * a.layers * hidden, below = c + a.layers * hidden;
  const Shared<float> scores = below + hidden;
  for (int l = 0; l < a.layers; l++) {
    const Cell cell = a.cells[l];
    const Global<float> saved = cell.state.of(replica) + int64_t{lane_index} * hidden;
    for (int u = thread(); u < hidden; u += kThreads) {
      const float h0 = resume ? static_cast<float>(saved[u]) : 0.f;
      const float c0 = resume ? static_cast<float>(saved[lanes * hidden + u]) : 0.f;
      h[2 * l * hidden + u] = h0;
      c[l * hidden + u] = c0;
      cell.h.of(replica)[int64_t{lane_index} * hidden + u] = h0;
      cell.c.of(replica)[int64_t{lane_index} * hidden + u] = c0;
    }
  }
  sync_block();
  for (int t = 0; t < length; t++) {
    const int64_t row = int64_t{t} * lanes + lane_index;
    const Shared<float> query = h + (2 * (a.layers - 1) + (t & 1)) * hidden;
    for (int j = warp(); j < window; j += kThreads / 32) {
      float score = 0.f;
      if (att.k.data && !bypass) {
        const Global<const float> k = att.k.of(replica) + (row + j * lanes) * hidden;
        for (int i = lane(); i < hidden; i += 32) score = fma(query[i], k[i], score);
        score = sum_warp(score);
      } else if (att.logits.data) {
        score = att.logits.of(replica)[j];
      }
      const bool counts = present(chunk, att, replica, t, lane_index, j) && (!bypass || j == att.left);
      if (lane() == 0) scores[j] = counts ? score : kAbsent;
    }
    sync_block();
    float most = kAbsent;
    for (int j = 0; j < window; j++) most = scores[j] > most ? static_cast<float>(scores[j]) : most;
    float sum = 0.f;
    for (int j = 0; j < window; j++) sum += scores[j] == kAbsent ? 0.f : exp(scores[j] - most);
    sync_block();
    for (int j = thread(); j < window; j += kThreads) {
      const float weight = scores[j] == kAbsent ? 0.f : divide(exp(scores[j] - most), sum);
      scores[j] = weight;
      att.weights.of(replica)[row * window + j] = weight;
    }
    sync_block();
    for (int l = 0; l < a.layers; l++) {
      const Cell cell = a.cells[l];
      const Shared<float> before = h + (2 * l + (t & 1)) * hidden, now = h + (2 * l + ((t + 1) & 1)) * hidden;
      const Global<const float> recurrent = cell.w_hh.of(replica), input = cell.w_ih.of(replica);
      for (int u = warp(); u < hidden; u += kThreads / 32) {
        float all[4] = {};
        for (int k = lane(); k < hidden; k += 32) {
          for (int g = 0; g < 4; g++) {
            const int64_t at = (int64_t{g} * hidden + u) * hidden + k;
            all[g] = fma(recurrent[at], before[k], all[g]);
            if (l > 0) all[g] = fma(input[at], below[k], all[g]);
          }
        }
        for (int j = lane(); l == 0 && j < window; j += 32) {
          if (scores[j] == 0.f) continue;
          for (int g = 0; g < 4; g++) {
            const int64_t at = ((row + j * lanes) * 4 + g) * hidden + u;
            all[g] = fma(scores[j], att.p.of(replica)[at], all[g]);
          }
        }
        for (int g = 0; g < 4; g++) all[g] = sum_warp(all[g]);
        const int gate = lane() & 3;
        const int64_t of_gate = int64_t{gate} * hidden + u;
        const float product = gate == 0 ? all[0] : gate == 1 ? all[1] : gate == 2 ? all[2] : all[3];
        const float bias = cell.b_ih.of(replica)[of_gate] + cell.b_hh.of(replica)[of_gate];
        const float value = activate(product + bias, gate == 2);
        const Gates gates = gather_gates(value);
        const float c_now = fma(gates.f, c[l * hidden + u], gates.i * gates.g), h_now = gates.o * tanh(c_now);
        sync_warp();  // all have read c
        if (lane() < 4) cell.gates.of(replica)[row * 4 * hidden + of_gate] = value;
        if (lane() != 0) continue;
        const int64_t after = (row + lanes) * hidden + u;
        float out = h_now;
        if (cell.scale.data) out = h_now * cell.scale.of(replica)[row * hidden + u];
        c[l * hidden + u] = c_now;
        now[u] = h_now;
        cell.h.of(replica)[after] = h_now;
        cell.c.of(replica)[after] = c_now;
        cell.out.of(replica)[row * hidden + u] = out;
        if (t < length - 1) continue;
        const Global<float> saved = cell.state.of(replica) + int64_t{lane_index} * hidden + u;
        saved[0] = h_now;
        saved[lanes * hidden] = c_now;
      }
      sync_block();
      for (int u = thread(); l < a.layers - 1 && u < hidden; u += kThreads) {
        below[u] = cell.out.of(replica)[row * hidden + u];
      }
      sync_block();
    }
  }
  for (int64_t i = thread(); i < int64_t{chunk.most_frames - length} * hidden; i += kThreads) {
    const int64_t row = (length + i / hidden) * lanes + lane_index;
    for (int l = 0; l < a.layers; l++) {
      const Cell cell = a.cells[l];
      cell.out.of(replica)[row * hidden + i % hidden] = 0.f;
    }
  }
  for (int64_t i = thread(); i < int64_t{chunk.most_frames - length} * window; i += kThreads) {
    att.weights.of(replica)[((length + i / window) * lanes + lane_index) * window + i % window] = 0.f;
  }
}

// Shared memory: dz [4][H], dh and dc [layers][H], the gradient of the layer's input [H], da [window].
CIRCUMPLEX_KERNEL(kThreads) attend_backward_streamed(const CIRCUMPLEX_PARAMETER Attentive a) {
  const Chunk& chunk = a.r.chunk;
  const Attention& att = a.attention;
  const int64_t replica = block_x() / chunk.lanes, lanes = chunk.lanes;
  const int lane_index = static_cast<int>(block_x() % lanes), hidden = a.r.hidden, window = att.window;
  const Segment segment = segment_of(a.r);
  const int length = segment.frames(chunk.length[lane_index]), beyond = segment.first + length;
  if (!chunk.active[replica]) return;
  const bool scored = (att.k.data || att.logits.data) && chunk.now[0].bypass == 0;
  const Shared<float> dz = shared<float>(0), dh = dz + 4 * hidden, dc = dh + a.layers * hidden;
  const Shared<float> dx = dc + a.layers * hidden, da = dx + hidden;
  for (int i = thread(); i < a.layers * hidden; i += kThreads) dh[i] = dc[i] = 0.f;
  sync_block();
  for (int t = beyond - 1; t >= segment.first; t--) {
    const int64_t row = int64_t{t} * lanes + lane_index;
    for (int l = a.layers - 1; l >= 0; l--) {
      const Cell cell = a.cells[l];
      const Global<float> z = cell.gates.of(replica) + row * 4 * hidden;
      for (int u = thread(); u < hidden; u += kThreads) {
        const Gates gates = {z[u], z[hidden + u], z[2 * int64_t{hidden} + u], z[3 * int64_t{hidden} + u]};
        const float tanh_c = tanh(cell.c.of(replica)[(row + lanes) * hidden + u]);
        const float c_before = cell.c.of(replica)[row * hidden + u];
        float up =
            l == a.layers - 1 ? static_cast<float>(cell.dy.of(replica)[row * hidden + u]) : static_cast<float>(dx[u]);
        if (cell.scale.data) up *= cell.scale.of(replica)[row * hidden + u];
        const float d = dh[l * hidden + u] + up, carried = dc[l * hidden + u];
        float next = carried;
        for (int gate = 0; gate < 4; gate++) {
          next = carried;
          const float gradient = gate_gradient(gate, gates, c_before, tanh_c, d, next);
          dz[gate * hidden + u] = gradient;
          z[int64_t{gate} * hidden + u] = gradient;
        }
        dc[l * hidden + u] = next;
      }
      sync_block();
      const Global<const float> recurrent = cell.w_hh.of(replica), input = cell.w_ih.of(replica);
      for (int u = thread(); u < hidden; u += kThreads) {
        float own[2] = {}, under[2] = {};
        for (int k = 0; k < 4 * hidden; k++) {
          const int64_t at = int64_t{k} * hidden + u;
          own[k & 1] = fma(recurrent[at], dz[k], own[k & 1]);
          if (l > 0) under[k & 1] = fma(input[at], dz[k], under[k & 1]);
        }
        dh[l * hidden + u] = own[0] + own[1];
        dx[u] = under[0] + under[1];
      }
      sync_block();
    }
    if (!scored) continue;
    for (int j = warp(); j < window; j += kThreads / 32) {
      const float weight = att.weights.of(replica)[row * window + j];
      float sum = 0.f;
      for (int k = lane(); weight != 0.f && k < 4 * hidden; k += 32) {
        sum = fma(dz[k], att.p.of(replica)[(row + j * lanes) * 4 * hidden + k], sum);
      }
      sum = sum_warp(sum);
      if (lane() == 0) da[j] = sum;
    }
    sync_block();
    float mean = 0.f;
    for (int j = 0; j < window; j++) mean = fma(att.weights.of(replica)[row * window + j], da[j], mean);
    for (int u = thread(); att.k.data && u < hidden; u += kThreads) {
      float sum = dh[(a.layers - 1) * hidden + u];
      for (int j = 0; j < window; j++) {
        const float de = att.weights.of(replica)[row * window + j] * (da[j] - mean);
        if (de != 0.f) sum = fma(de, att.k.of(replica)[(row + j * lanes) * hidden + u], sum);
      }
      dh[(a.layers - 1) * hidden + u] = sum;
    }
    for (int j = thread(); j < window; j += kThreads) {
      att.de.of(replica)[row * window + j] = att.weights.of(replica)[row * window + j] * (da[j] - mean);
    }
  }
  for (int64_t i = thread(); i < int64_t{segment.end - beyond} * 4 * hidden; i += kThreads) {
    const int64_t row = (beyond + i / (4 * hidden)) * lanes + lane_index;
    for (int l = 0; l < a.layers; l++) {
      const Cell cell = a.cells[l];
      cell.gates.of(replica)[row * 4 * hidden + i % (4 * hidden)] = 0.f;
    }
  }
  if (!att.de.data) return;
  const int first = scored ? beyond : segment.first;
  for (int64_t i = thread(); i < int64_t{segment.end - first} * window; i += kThreads) {
    att.de.of(replica)[((first + i / window) * lanes + lane_index) * window + i % window] = 0.f;
  }
}

// ---- the band: dP(s) = sum_t a(t, s) dz(t), dK(s) = sum_t de(t, s) h_top(t-1) ----

struct Band {
  Chunk chunk;
  int32_t hidden, window;
  Array<const float> weights, de;  // [T,B,window]
  Array<const float> dz, h;        // [T,B,4 H], [T+1,B,H] of the top layer
  Array<float> dp, dk;             // like P and K; dk null: not wanted
};

// A block a row of P.
CIRCUMPLEX_KERNEL(128) gather_band(const CIRCUMPLEX_PARAMETER Band b) {
  const Chunk& chunk = b.chunk;
  const int64_t replica = block_y(), lanes = chunk.lanes, hidden = b.hidden, window = b.window;
  const int64_t row = block_x(), at = row / lanes, lane_index = row % lanes;
  const int frames = chunk.now[0].frames;
  if (!chunk.active[replica] || !frames || at >= frames + window - 1) return;
  const int first = at > window - 1 ? static_cast<int>(at - (window - 1)) : 0;
  const int last = at < frames - 1 ? static_cast<int>(at) : frames - 1;
  const Global<const float> weights = b.weights.of(replica), dz = b.dz.of(replica), h = b.h.of(replica);
  for (int64_t n = thread(); n < (b.dk.data ? 5 : 4) * hidden; n += threads()) {
    const bool key = n >= 4 * hidden;
    float sum = 0.f;
    for (int t = first; t <= last; t++) {
      const int64_t frame = t * lanes + lane_index;
      const float share = key ? b.de.of(replica)[frame * window + (at - t)] : weights[frame * window + (at - t)];
      if (share == 0.f) continue;
      sum = fma(share, key ? h[frame * hidden + (n - 4 * hidden)] : dz[frame * 4 * hidden + n], sum);
    }
    if (key) {
      b.dk.of(replica)[row * hidden + (n - 4 * hidden)] = sum;
    } else {
      b.dp.of(replica)[row * 4 * hidden + n] = sum;
    }
  }
}

// ---- planning ----

struct Planned {
  AttentiveCall call;
  int cluster;  // 0: streamed
  Cell* cells;  // [layers]
  Attention attention;
};

struct Resident {
  int cluster;
  Kernel kernel[2];  // forward, backward
  int64_t first[2];  // shared memory before the lanes
  int64_t (*lane_bytes[2])(int64_t window);
};

template <int CL>
Resident resident() {
  return {CL,
          {kernel_of("attend", &attend<CL>), kernel_of("attend_backward", &attend_backward<CL>)},
          {ForwardRing<CL>::kFirst, BackwardRing<CL>::kFirst},
          {&ForwardRing<CL>::bytes, &BackwardRing<CL>::bytes}};
}

const Resident& resident_for(int cluster) {
  static const Resident all[] = {resident<1>(), resident<2>(), resident<4>()};
  return all[cluster == 1 ? 0 : cluster == 2 ? 1 : 2];
}

int64_t streamed_bytes(const AttentiveCall& c, bool backward) {
  return ((backward ? 5 + 2 * c.layers : 1 + 3 * c.layers) * c.hidden + c.window()) * 4;
}

// `segments` 0: forward.
void launch_recurrence(Plan& plan, const Planned& s, int64_t truncate, int64_t segments) {
  const AttentiveCall& c = s.call;
  const bool backward = segments > 0;
  Attentive a = {};
  a.r.chunk = plan.chunk;
  a.r.hidden = static_cast<int32_t>(c.hidden);
  a.r.truncate = static_cast<int32_t>(truncate);
  a.attention = s.attention;
  a.layers = static_cast<int32_t>(c.layers);
  Grid grid;
  grid.threads = kThreads;
  grid.z = backward ? static_cast<int>(segments) : 1;
  if (!s.cluster) {
    a.r.groups = static_cast<int32_t>(c.lanes);
    a.cells = table(plan, s.cells, c.layers);
    grid.x = static_cast<int>(c.lanes * plan.control.replicas);
    grid.shared = streamed_bytes(c, backward);
    plan.launch(backward ? kernel_of("attend_backward_streamed", &attend_backward_streamed)
                         : kernel_of("attend_streamed", &attend_streamed),
                grid, a);
    return;
  }
  for (int l = 0; l < 2; l++) a.r.cell[l] = s.cells[l];
  const Resident& r = resident_for(s.cluster);
  const int64_t bytes = r.lane_bytes[backward](c.window());
  const int64_t held = (plan.gpu.shared_per_block - r.first[backward]) / bytes;
  a.r.groups = groups_for(plan, s.cluster, grid.z, held < kMostSlots ? held : kMostSlots);
  grid.cluster = s.cluster;
  grid.x = static_cast<int>(plan.control.replicas * a.r.groups * s.cluster);
  grid.shared = r.first[backward] + divide_up(c.lanes, a.r.groups) * bytes;
  plan.launch(r.kernel[backward], grid, a);
}

void name_kernel(Plan& plan, const Planned& s) {
  const AttentiveCall& c = s.call;
  plan.kernel(s.cluster                  ? "resident recurrence, K and P precomputed"
              : c.layers != 2            ? "streamed recurrence: other than two layers"
              : c.window() > kMostWindow ? "streamed recurrence: a window of more than 32 frames"
              : c.hidden > 128           ? "streamed recurrence: more than 128 units"
                                         : "streamed recurrence: this GPU has no clusters (compute capability 9.0)");
}

}  // namespace

void plan_attentive_lstm(Plan& plan, const Call& call) {
  Planned& s = *plan.make<Planned>();
  s.call = read_attentive_lstm(plan, call);
  const AttentiveCall& c = s.call;
  if (c.stream) call.refuse("a stream runs on the CPU");
  const int64_t h = c.hidden, rows = c.frames * c.lanes, states = rows + c.lanes, all = rows + c.halo() * c.lanes;
  const bool resident = c.layers == 2 && h <= 128 && c.window() <= kMostWindow;
  s.cluster = resident ? cluster_for(plan.gpu, h, 2) : 0;
  if (!s.cluster && streamed_bytes(c, true) > plan.gpu.shared_per_block) {
    call.refuse("this GPU's shared memory does not hold a frame of so many units, layers or offsets");
  }
  s.cells = plan.list<Cell>(c.layers);
  Attention& a = s.attention;
  a.valid = array<const uint8_t>(c.valid);
  if (c.kind == Score::fixed) a.logits = array<const float>(c.score);
  const Array<float> p = values(plan, all * 4 * h),
                     k = c.kind == Score::dot_product ? values(plan, all * h) : Array<float>{};
  a.p = reading(p);
  a.k = reading(k);
  a.weights = array<float>(c.attention);
  a.left = static_cast<int32_t>(c.left);
  a.right = static_cast<int32_t>(c.right);
  a.window = static_cast<int32_t>(c.window());

  const Array<const float> v = array<const float>(c.v);
  std::vector<Product> inputs = {forward_product(v, c.width, c.weights[0].w_ih, p, 4 * h, all, c.halo())};
  if (k.data) inputs.push_back(forward_product(v, c.width, c.score, k, h, all, c.halo()));
  plan_products(plan, inputs);
  for (int64_t l = 0; l < c.layers; l++) {
    const bool last = l == c.layers - 1;
    Cell& cell = s.cells[l];
    const LstmWeights& w = c.weights[l];
    cell.w_ih = array<const float>(w.w_ih);
    cell.w_hh = array<const float>(w.w_hh);
    cell.b_ih = array<const float>(w.b_ih);
    cell.b_hh = array<const float>(w.b_hh);
    cell.gates = values(plan, rows * 4 * h);
    cell.h = values(plan, states * h);
    cell.c = values(plan, states * h);
    cell.out = last ? array<float>(c.y) : values(plan, rows * h);
    cell.out_row = h;
    cell.state = {Global<float>(c.state.f32() + l * 2 * c.lanes * h), c.state.stride};
    if (last || c.dropout == 0) continue;
    const Array<float> scale = values(plan, rows * h);
    cell.scale = reading(scale);
    plan_scale(plan, scale, h, c.dropout, c.site + static_cast<uint32_t>(l));
  }
  launch_recurrence(plan, s, 0, 0);
  if (call.count("slot")) plan.keep(call.integer("slot"), "attentive_lstm", &s);
  name_kernel(plan, s);
}

void plan_attentive_lstm_backward(Plan& plan, const Call& call) {
  Planned& s = *static_cast<Planned*>(plan.take(call.integer("slot"), "attentive_lstm"));
  const AttentiveCall& c = s.call;
  const AttentiveBackwardCall b = read_attentive_lstm_backward(plan, call, c);
  const int64_t h = c.hidden, rows = c.frames * c.lanes, all = rows + c.halo() * c.lanes, window = c.window();
  s.cells[c.layers - 1].dy = array<const float>(b.dy);
  const Array<float> dp = values(plan, all * 4 * h);
  const Array<float> dk = c.kind == Score::dot_product ? values(plan, all * h) : Array<float>{};
  s.attention.de = values(plan, rows * window);
  launch_recurrence(plan, s, b.truncate, b.segments);

  Grid grid;
  grid.x = static_cast<int>(all);
  grid.y = static_cast<int>(plan.control.replicas);
  grid.threads = 128;
  plan.launch(kernel_of("gather_band", &gather_band), grid,
              Band{plan.chunk, static_cast<int32_t>(h), static_cast<int32_t>(window), reading(s.attention.weights),
                   reading(s.attention.de), reading(s.cells[0].gates), reading(s.cells[c.layers - 1].h), dp, dk});

  std::vector<Product> products;
  if (b.dv.data) {
    Product from_p = input_gradient(reading(dp), 4 * h, c.weights[0].w_ih, array<float>(b.dv), c.width, all, c.halo());
    plan_products(plan, {from_p});
    if (dk.data) {
      Product from_k = input_gradient(reading(dk), h, c.score, array<float>(b.dv), c.width, all, c.halo());
      from_k.add = true;
      products.push_back(from_k);
    }
  }
  const Array<const float> v = array<const float>(c.v);
  if (b.dscore.data && dk.data) {
    products.push_back(weight_gradient(reading(dk), h, h, v, c.width, c.width, b.dscore, all, c.halo()));
  } else if (b.dscore.data) {
    products.push_back(weight_gradient(reading(s.attention.de), window, window, {}, 0, 1, b.dscore, rows, 0));
  }
  for (int64_t l = 0; l < c.layers; l++) {
    const LstmWeights& g = b.gradients[l];
    const Array<const float> dz = reading(s.cells[l].gates);
    if (g.w_ih.data && l == 0) {
      products.push_back(weight_gradient(reading(dp), 4 * h, 4 * h, v, c.width, c.width, g.w_ih, all, c.halo()));
    } else if (g.w_ih.data) {
      products.push_back(weight_gradient(dz, 4 * h, 4 * h, reading(s.cells[l - 1].out), h, h, g.w_ih, rows, 0));
    }
    if (g.w_hh.data) {
      products.push_back(weight_gradient(dz, 4 * h, 4 * h, reading(s.cells[l].h), h, h, g.w_hh, rows, 0));
    }
    if (!g.b_ih.data && !g.b_hh.data) continue;
    Product bias = weight_gradient(dz, 4 * h, 4 * h, {}, 0, 1, g.b_ih.data ? g.b_ih : g.b_hh, rows, 0);
    if (g.b_ih.data && g.b_hh.data) bias.twin = array<float>(g.b_hh);
    products.push_back(bias);
  }
  if (!products.empty()) plan_products(plan, products);
  name_kernel(plan, s);
}

}  // namespace circumplex::cuda

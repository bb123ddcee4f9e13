// A stack of LSTM layers (cpu/lstm.cc has the equations): one product over the whole chunk for the input, then the
// recurrence as one kernel, then the gradients of the weights as products over the chunk.
//
// Two layers of up to 128 units run in one kernel, the upper one frame behind the lower, so that a step costs one
// exchange. Else a layer (both of its directions) is a kernel of its own, resident up to 256 units, streamed above, and
// where clusters are needed and the GPU has none.

#include <vector>

#include "cuda/dropout.cuh"
#include "cuda/gemm.h"
#include "cuda/recurrence.cuh"
#include "cuda/rows.h"

namespace circumplex::cuda {
namespace {

// ---- resident ----

// Vectors in shared memory, for each lane of the cluster: the lower layer's h, what the upper layer sees of it, the
// upper layer's h, each [2][32 CL], and c of every thread's unit. Slot t & 1 holds the state before frame t.
template <int CL, int LAYERS>
struct ForwardMemory {
  static constexpr int kWidth = kUnits * CL;
  static constexpr int kAside = CL == 4 && LAYERS == 2 ? 4 : 0;
  using Upper = Weights<4, kWidth, kAside>;  // weights of the upper layer's own h
  static constexpr int64_t kFirst = kHeaderBytes + Upper::kAsideBytes;
  static constexpr int kFloats = (LAYERS == 2 ? 6 : 2) * kWidth + kThreads;
  CIRCUMPLEX_DEVICE static Shared<float> of(int slot) { return shared<float>(kFirst) + int64_t{slot} * kFloats; }
  CIRCUMPLEX_DEVICE static Shared<float> lower(int slot, int at) { return of(slot) + (at & 1) * kWidth; }
  CIRCUMPLEX_DEVICE static Shared<float> between(int slot, int at) { return of(slot) + (2 + (at & 1)) * kWidth; }
  CIRCUMPLEX_DEVICE static Shared<float> upper(int slot, int at) { return of(slot) + (4 + (at & 1)) * kWidth; }
  CIRCUMPLEX_DEVICE static Shared<float> cell(int slot) { return of(slot) + (LAYERS == 2 ? 6 : 2) * kWidth + thread(); }
};

// Notes the lanes' lengths and makes their barriers ready, then waits for the whole cluster. Returns the steps that the
// longest lane needs.
template <int CL, int LAYERS>
CIRCUMPLEX_DEVICE int open_slots(const Chunk& chunk, const Slots& slots, const Segment& segment, int bytes) {
  int steps = 0;
  for (int s = 0; s < slots.count; s++) {
    const int length = segment.frames(chunk.length[slots.lane(s)]);
    if (length > 0 && length + LAYERS - 1 > steps) steps = length + LAYERS - 1;
    if (thread() != 0) continue;
    slot_lengths()[s] = length;
    if (CL > 1) {
      barrier_initialise(shared<Barrier>(0) + s, 1);
      barrier_expect(shared<Barrier>(0) + s, bytes);
    }
  }
  if constexpr (CL > 1) {
    if (thread() == 0) fence_barriers();
    sync_cluster();
  } else {
    sync_block();
  }
  return steps;
}

template <int CL, int LAYERS>
CIRCUMPLEX_KERNEL(kThreads)
recur(const CIRCUMPLEX_PARAMETER Recurrence a) {
  using Memory = ForwardMemory<CL, LAYERS>;
  constexpr int kWidth = kUnits * CL;
  const Chunk& chunk = a.chunk;
  const int rank = CL > 1 ? cluster_rank() : 0, group = block_x() / CL;
  const int64_t replica = group / a.groups;
  const Slots slots = slots_of(a, group % a.groups);
  if (!chunk.active[replica] || slots.count <= 0) return;
  const int part = thread() % kParts, u = rank * kUnits + thread() / kParts, gate = part & 3;
  const int layer = LAYERS == 2 ? part >> 2 : 0;
  const bool mine = u < a.hidden;
  const Cell& lower = a.cell[LAYERS == 2 ? 0 : block_y()];
  const Cell& upper = a.cell[LAYERS - 1 + (LAYERS == 2 ? 0 : block_y())];
  const Cell& own = layer ? upper : lower;
  const int hidden = a.hidden;
  const int64_t lanes = chunk.lanes;
  const Shared<Barrier> barriers = shared<Barrier>(0);
  constexpr int kBytes = (LAYERS == 2 ? 3 : 1) * kWidth * 4;       // that a block gets of one step
  constexpr int kFirstBytes = (LAYERS == 2 ? 2 : 1) * kWidth * 4;  // of the first: the upper layer has not begun

  // Weights: rows i, f, g, o of the unit.
  Weights<4, kWidth> recurrent, input;
  typename Memory::Upper above;
  const Global<const float> recurrent_weight = lower.w_hh.of(replica);
  float bias = 0.f;
  if constexpr (LAYERS == 2) {
    const Global<const float> input_weight = upper.w_ih.of(replica), above_weight = upper.w_hh.of(replica);
    above.aside = shared<float>(kHeaderBytes);
    each_element<4, kWidth>([&](int row, int n, int k) {
      const bool present = mine && k < hidden;
      const int64_t at = (int64_t{row} * hidden + u) * hidden + k;
      recurrent.set(row, n, present ? recurrent_weight[at] : 0.f);
      input.set(row, n, present ? input_weight[at] : 0.f);
      above.set(row, n, present ? above_weight[at] : 0.f);
    });
    const int64_t at = int64_t{gate} * hidden + u;
    if (mine) bias = upper.b_ih.of(replica)[at] + upper.b_hh.of(replica)[at];
  } else {
    each_element<4, kWidth>([&](int row, int n, int k) {
      const int64_t at = (int64_t{row} * hidden + u) * hidden + k;
      recurrent.set(row, n, mine && k < hidden ? recurrent_weight[at] : 0.f);
    });
  }

  for (int s = 0; s < slots.count; s++) {
    const int lane = slots.lane(s);
    const float below = start_lane<CL>(chunk, lower, hidden, replica, lane, u, part == 0, Memory::lower(s, 0));
    float c = below;
    if constexpr (LAYERS == 2) {
      const float top = start_lane<CL>(chunk, upper, hidden, replica, lane, u, part == 0, Memory::upper(s, 0));
      if (layer) c = top;
    }
    Memory::cell(s)[0] = c;
  }
  const int steps = open_slots<CL, LAYERS>(chunk, slots, {0, chunk.most_frames}, kFirstBytes);

  // A thread has its gate of a frame, and one more value to write: h, c or what goes out.
  const int64_t at = int64_t{gate} * hidden + u, side = own.reverse ? hidden : 0;
  const Global<float> gate_values = own.gates.of(replica) + at;
  const Global<float> more = gate == 0   ? own.h.of(replica) + u
                             : gate == 1 ? own.c.of(replica) + u
                                         : own.out.of(replica) + (side + u);
  const int more_row = gate < 2 ? hidden : static_cast<int>(own.out_row);
  const int more_offset = gate < 2 && !own.reverse ? static_cast<int>(lanes) : 0;  // rows
  const bool writes = mine && (LAYERS == 2 || part < 4);
  const bool reverse = own.reverse;

  // What a thread takes from global memory for one frame of its layer, a step ahead of its use.
  struct Inputs {
    float before, scale;  // what the input adds; dropout's factor of the lower layer's h
  };
  const auto frame_of = [&](int step, int length) {
    const int t = LAYERS == 2 ? step - layer : reverse ? length - 1 - step : step;
    return t >= 0 && t < length ? t : -1;
  };
  const auto fetch = [&](int step, int s) {
    Inputs in = {bias, 1.f};
    const int t = frame_of(step, slot_lengths()[s]);
    if (!mine || t < 0 || layer) return in;
    const int row = t * chunk.lanes + slots.lane(s);
    in.before = gate_values[int64_t{row} * (4 * hidden)];
    if (lower.scale.data) in.scale = lower.scale.of(replica)[row * lower.out_row + side + u];
    return in;
  };

  Inputs next = fetch(0, 0);
  for (int step = 0; step < steps; step++) {
    for (int s = 0; s < slots.count; s++) {
      const Inputs in = next;
      next = s + 1 < slots.count ? fetch(step, s + 1) : fetch(step + 1, 0);
      const int length = slot_lengths()[s], last = length + LAYERS - 2;
      if (length == 0 || step > last) continue;
      const Shared<Barrier> barrier = barriers + s;
      if (CL > 1 && step > 0) {
        barrier_wait(barrier, (step - 1) & 1);
        if (thread() == 0 && step < last) barrier_expect(barrier, kBytes);
      }

      float z;
      if constexpr (LAYERS == 2) {
        float sum[8] = {};
        multiply(sum, recurrent, Memory::lower(s, step));
        multiply(sum + 4, input, lower.scale.data ? Memory::between(s, step) : Memory::lower(s, step));
        multiply(sum + 4, above, Memory::upper(s, step + 1));
        z = fold_sums(sum);
      } else {
        float sum[4] = {};
        multiply(sum, recurrent, Memory::lower(s, step));
        z = fold_sums(sum);
      }
      const float value = activate(z + in.before, gate == 2);
      const Gates gates = gather_gates(value);
      const float c = fma(gates.f, Memory::cell(s)[0], gates.i * gates.g);
      const float h = gates.o * tanh(c);

      sync_warp();  // all threads of the unit have read what is written, and sent, next
      const int t = frame_of(step, length);
      if (t >= 0) {
        Memory::cell(s)[0] = c;
        const int row = t * chunk.lanes + slots.lane(s);
        if (writes) gate_values[int64_t{row} * (4 * hidden)] = value;
        if (writes && gate < 3)
          more[int64_t{row + more_offset} * more_row] = gate == 1 ? c : gate == 2 ? h * in.scale : h;
      }
      if (step < last && (layer == 0 || step > 0)) {  // before its first frame, the upper layer's start stays
        if constexpr (LAYERS == 2) {
          const Shared<float> to = (layer ? Memory::upper(s, step) : Memory::lower(s, step + 1)) + u;
          for (int r = gate; r < CL; r += 4) {
            send<CL>(to, r, h, barrier);
            if (!layer) send<CL>(Memory::between(s, step + 1) + u, r, h * in.scale, barrier);
          }
        } else if (part < CL) {
          send<CL>(Memory::lower(s, step + 1) + u, part, h, barrier);
        }
      }
      if constexpr (CL == 1) sync_block();
    }
  }

  for (int s = 0; s < slots.count && writes; s++) {
    const int lane = slots.lane(s), length = slot_lengths()[s];
    // The state that the lane's next chunk starts from.
    if (gate < 2 && length > 0) {
      const int final = (reverse ? 0 : length - 1) * chunk.lanes + lane + more_offset;
      own.state.of(replica)[(gate * lanes + lane) * hidden + u] = more[int64_t{final} * more_row];
    }
    // Nothing is left of an earlier chunk beyond a lane's last frame.
    for (int t = length; gate == 2 && t < chunk.most_frames; t++) {
      more[(int64_t{t} * lanes + lane) * more_row] = 0.f;
    }
  }
}

// For each lane: the gates' gradients of the lower and of the upper layer, each [2][4][32 CL], and every thread's dc.
// Slot n & 1 holds what step n - 1 found.
template <int CL, int LAYERS>
struct BackwardMemory {
  static constexpr int kWidth = 4 * kUnits * CL;
  static constexpr int kAside = CL == 4 && LAYERS == 2 ? 12 : 0;
  using Upper = Weights<1, kWidth, kAside>;           // weights of the upper layer's own h
  using Lower = Weights<1, kWidth, CL == 8 ? 8 : 0>;  // of the lower layer's
  static constexpr int64_t kFirst = kHeaderBytes + Upper::kAsideBytes + Lower::kAsideBytes;
  static constexpr int kFloats = LAYERS * 2 * kWidth + kThreads;
  CIRCUMPLEX_DEVICE static Shared<float> of(int slot) { return shared<float>(kFirst) + int64_t{slot} * kFloats; }
  CIRCUMPLEX_DEVICE static Shared<float> dz(int layer, int slot, int at) {
    return of(slot) + (2 * layer + (at & 1)) * kWidth;
  }
  CIRCUMPLEX_DEVICE static Shared<float> dc(int slot) { return of(slot) + LAYERS * 2 * kWidth + thread(); }
};

template <int CL, int LAYERS>
CIRCUMPLEX_KERNEL(kThreads)
recur_backward(const CIRCUMPLEX_PARAMETER Recurrence a) {
  using Memory = BackwardMemory<CL, LAYERS>;
  constexpr int kWidth = Memory::kWidth;
  const Chunk& chunk = a.chunk;
  const int rank = CL > 1 ? cluster_rank() : 0, group = block_x() / CL;
  const int64_t replica = group / a.groups;
  const Slots slots = slots_of(a, group % a.groups);
  const Segment segment = segment_of(a);
  if (!chunk.active[replica] || slots.count <= 0 || segment.first >= segment.end) return;
  const int part = thread() % kParts, u = rank * kUnits + thread() / kParts, gate = part & 3;
  const int layer = LAYERS == 2 ? part >> 2 : 0;
  const bool mine = u < a.hidden;
  const Cell& lower = a.cell[LAYERS == 2 ? 0 : block_y()];
  const Cell& upper = a.cell[LAYERS - 1 + (LAYERS == 2 ? 0 : block_y())];
  const Cell& own = layer ? upper : lower;
  const int hidden = a.hidden;
  const int64_t lanes = chunk.lanes;
  const Shared<Barrier> barriers = shared<Barrier>(0);
  constexpr int kBytes = LAYERS * kWidth * 4;

  typename Memory::Lower recurrent;
  Weights<1, kWidth> input;
  typename Memory::Upper above;
  // Column u of each weight [4 H, H], over the four gates' padded units.
  const Global<const float> recurrent_weight = lower.w_hh.of(replica);
  const Global<const float> input_weight = upper.w_ih.of(replica), above_weight = upper.w_hh.of(replica);
  recurrent.aside = above.aside = shared<float>(kHeaderBytes);  // one of them has its weights in registers
  each_element<1, kWidth>([&](int, int n, int k) {
    const int of_gate = k / (kWidth / 4), unit = k % (kWidth / 4);
    const bool present = mine && unit < hidden;
    const int64_t at = (int64_t{of_gate} * hidden + unit) * hidden + u;
    recurrent.set(0, n, present ? recurrent_weight[at] : 0.f);
    if constexpr (LAYERS == 2) {
      input.set(0, n, present ? input_weight[at] : 0.f);
      above.set(0, n, present ? above_weight[at] : 0.f);
    }
  });
  for (int s = 0; s < slots.count; s++) {
    for (int l = 0; l < LAYERS; l++) {
      for (int k = thread(); k < kWidth; k += kThreads) Memory::dz(l, s, 0)[k] = 0.f;
    }
    Memory::dc(s)[0] = 0.f;
  }
  const int steps = open_slots<CL, LAYERS>(chunk, slots, segment, kBytes);

  const int64_t at = int64_t{gate} * hidden + u, side = own.reverse ? hidden : 0;
  const Global<float> gate_values = own.gates.of(replica) + at;
  const Global<const float> cells = Global<const float>(own.c.of(replica)) + u;
  const Global<const float> above_values = own.dy.data ? own.dy.of(replica) + (side + u) : own.dy.data;
  const bool writes = mine && (LAYERS == 2 || part < 4), reverse = own.reverse;
  const int out_row = static_cast<int>(own.out_row);

  struct Inputs {
    float value, c, c_before, dy, scale;  // the thread's gate, c after and before the frame, the gradient from above
  };
  // The upper layer is a frame ahead, on the way down.
  const auto frame_of = [&](int step, int length) {
    const int t = LAYERS == 2 ? length - step - layer : reverse ? step : length - 1 - step;
    return t >= 0 && t < length ? t : -1;
  };
  const auto fetch = [&](int step, int s) {
    Inputs in = {0.f, 0.f, 0.f, 0.f, 1.f};
    const int length = slot_lengths()[s], lane = slots.lane(s), t = frame_of(step, length);
    // Dropout's factor of the lower layer, for all threads of the unit.
    if (LAYERS == 2 && mine && lower.scale.data && step > 0 && step <= length) {
      in.scale = lower.scale.of(replica)[(int64_t{segment.first + length - step} * lanes + lane) * lower.out_row + u];
    }
    if (!mine || t < 0) return in;
    const int row = (segment.first + t) * chunk.lanes + lane;
    in.value = gate_values[int64_t{row} * (4 * hidden)];
    in.c = cells[int64_t{reverse ? row : row + chunk.lanes} * hidden];
    in.c_before = cells[int64_t{reverse ? row + chunk.lanes : row} * hidden];
    if (above_values) in.dy = above_values[int64_t{row} * out_row];
    return in;
  };

  Inputs next = fetch(0, 0);
  for (int step = 0; step < steps; step++) {
    for (int s = 0; s < slots.count; s++) {
      const Inputs in = next;
      next = s + 1 < slots.count ? fetch(step, s + 1) : fetch(step + 1, 0);
      const int length = slot_lengths()[s], last = length + LAYERS - 2;
      if (length == 0 || step > last) continue;
      const float tanh_c = tanh(in.c);
      const Gates gates = gather_gates(in.value);
      const Shared<Barrier> barrier = barriers + s;
      if (CL > 1 && step > 0) {
        barrier_wait(barrier, (step - 1) & 1);
        if (thread() == 0 && step < last) barrier_expect(barrier, kBytes);
      }

      float dh;
      if constexpr (LAYERS == 2) {
        float from_above = 0.f, through = 0.f, top = 0.f;
        multiply(&through, input, Memory::dz(1, s, step));
        multiply(&from_above, recurrent, Memory::dz(0, s, step));
        multiply(&top, above, Memory::dz(1, s, step));
        const float bottom = fma(in.scale, through, from_above);
        // Threads 0..3 of the unit go on with the lower layer, 4..7 with the upper one.
        const float other = shuffle_xor(layer ? bottom : top, 4);
        dh = (layer ? top : bottom) + other;
        dh += shuffle_xor(dh, 2);
        dh += shuffle_xor(dh, 1);
      } else {
        float sum = 0.f;
        multiply(&sum, recurrent, Memory::dz(0, s, step));
        dh = sum_parts(sum);
      }
      dh += in.dy;
      sync_warp();
      const int t = frame_of(step, length);
      float dz = 0.f;
      if (t >= 0) {
        float dc = Memory::dc(s)[0];
        dz = gate_gradient(gate, gates, in.c_before, tanh_c, dh, dc);
        Memory::dc(s)[0] = dc;
        if (writes) gate_values[int64_t{(segment.first + t) * chunk.lanes + slots.lane(s)} * (4 * hidden)] = dz;
      }
      if (step < last) {
        const Shared<float> to = Memory::dz(layer, s, step + 1) + gate * (kWidth / 4) + u;
        if constexpr (LAYERS == 2) {
          for (int r = 0; r < CL; r++) send<CL>(to, r, dz, barrier);
        } else {
          for (int r = part >> 2; r < CL; r += 2) send<CL>(to, r, dz, barrier);
        }
      }
      if constexpr (CL == 1) sync_block();
    }
  }

  // Frames that a lane does not have carry no gradient.
  for (int s = 0; s < slots.count; s++) {
    for (int t = segment.first + slot_lengths()[s]; writes && t < segment.end; t++) {
      gate_values[int64_t{t * chunk.lanes + slots.lane(s)} * (4 * hidden)] = 0.f;
    }
  }
}

// ---- streamed: a block a lane, one layer; along the grid's y its directions ----

CIRCUMPLEX_KERNEL(kThreads) recur_streamed(const CIRCUMPLEX_PARAMETER Recurrence a) {
  const Chunk& chunk = a.chunk;
  const Cell& cell = a.cell[block_y()];
  const int64_t replica = block_x() / chunk.lanes, lanes = chunk.lanes;
  const int lane_index = static_cast<int>(block_x() % lanes), hidden = a.hidden, length = chunk.length[lane_index];
  if (!chunk.active[replica]) return;
  const Shared<float> h = shared<float>(0), c = h + 2 * hidden;  // h [2][H], c [H]
  const bool resume = !cell.reverse && chunk.start[lane_index] != 0 && length != 0;
  const Global<float> saved = cell.state.of(replica) + int64_t{lane_index} * hidden;
  const int64_t first = ((cell.reverse ? int64_t{length} : 0) * lanes + lane_index) * hidden;
  for (int u = thread(); u < hidden; u += kThreads) {
    const float h0 = resume ? static_cast<float>(saved[u]) : 0.f;
    const float c0 = resume ? static_cast<float>(saved[lanes * hidden + u]) : 0.f;
    h[u] = h0;
    c[u] = c0;
    cell.h.of(replica)[first + u] = h0;
    cell.c.of(replica)[first + u] = c0;
  }
  sync_block();
  const Global<const float> weight = cell.w_hh.of(replica);
  for (int step = 0; step < length; step++) {
    const int t = cell.reverse ? length - 1 - step : step;
    const int64_t row = int64_t{t} * lanes + lane_index, after = (cell.reverse ? row : row + lanes) * hidden;
    const Shared<float> before = h + (step & 1) * hidden, now = h + ((step + 1) & 1) * hidden;
    // A warp a unit; its lanes share out the sum over k.
    for (int u = warp(); u < hidden; u += kThreads / 32) {
      float sum[4] = {};
      for (int k = lane(); k < hidden; k += 32) {
        const float x = before[k];
        CIRCUMPLEX_UNROLL
        for (int g = 0; g < 4; g++) {
          sum[g] = fma(load_read_only(weight + ((int64_t{g} * hidden + u) * hidden + k)), x, sum[g]);
        }
      }
      const Global<float> z = cell.gates.of(replica) + row * 4 * hidden + u;
      const int gate = lane() & 3;
      const float all[4] = {sum_warp(sum[0]), sum_warp(sum[1]), sum_warp(sum[2]), sum_warp(sum[3])};
      const float product = gate == 0 ? all[0] : gate == 1 ? all[1] : gate == 2 ? all[2] : all[3];
      const float value = activate(z[int64_t{gate} * hidden] + product, gate == 2);
      const Gates gates = gather_gates(value);
      const float c_now = fma(gates.f, c[u], gates.i * gates.g), h_now = gates.o * tanh(c_now);
      sync_warp();  // all have read what is written next
      if (lane() < 4) z[int64_t{gate} * hidden] = value;
      if (lane() == 0) {
        c[u] = c_now;
        now[u] = h_now;
        cell.h.of(replica)[after + u] = h_now;
        cell.c.of(replica)[after + u] = c_now;
        const int64_t at = row * cell.out_row + (cell.reverse ? hidden : 0) + u;
        cell.out.of(replica)[at] = cell.scale.data ? h_now * cell.scale.of(replica)[at] : h_now;
        if (step == length - 1) {
          saved[u] = h_now;
          saved[lanes * hidden + u] = c_now;
        }
      }
    }
    sync_block();
  }
  for (int64_t i = thread(); i < int64_t{chunk.most_frames - length} * hidden; i += kThreads) {
    const int64_t row = (length + i / hidden) * lanes + lane_index;
    cell.out.of(replica)[row * cell.out_row + (cell.reverse ? hidden : 0) + i % hidden] = 0.f;
  }
}

CIRCUMPLEX_KERNEL(kThreads) recur_backward_streamed(const CIRCUMPLEX_PARAMETER Recurrence a) {
  const Chunk& chunk = a.chunk;
  const Cell& cell = a.cell[block_y()];
  const int64_t replica = block_x() / chunk.lanes, lanes = chunk.lanes;
  const int lane_index = static_cast<int>(block_x() % lanes), hidden = a.hidden;
  const Segment segment = segment_of(a);
  const int length = segment.frames(chunk.length[lane_index]);
  if (!chunk.active[replica]) return;
  const Shared<float> dz = shared<float>(0), dh = dz + 4 * hidden, dc = dh + hidden;  // [4][H], [H], [H]
  for (int u = thread(); u < hidden; u += kThreads) dh[u] = dc[u] = 0.f;
  const Global<const float> weight = cell.w_hh.of(replica);
  for (int step = 0; step < length; step++) {
    const int t = segment.first + (cell.reverse ? step : length - 1 - step);
    const int64_t row = int64_t{t} * lanes + lane_index, before = cell.reverse ? row + lanes : row;
    const int64_t after = cell.reverse ? row : row + lanes;
    const Global<float> z = cell.gates.of(replica) + row * 4 * hidden;
    for (int u = thread(); u < hidden; u += kThreads) {
      const Gates gates = {z[u], z[hidden + u], z[2 * int64_t{hidden} + u], z[3 * int64_t{hidden} + u]};
      const float tanh_c = tanh(cell.c.of(replica)[after * hidden + u]);
      const float c_before = cell.c.of(replica)[before * hidden + u];
      const float d = dh[u] + cell.dy.of(replica)[row * cell.out_row + (cell.reverse ? hidden : 0) + u];
      float carried = dc[u];
      for (int gate = 0; gate < 4; gate++) {
        float next = dc[u];
        const float gradient = gate_gradient(gate, gates, c_before, tanh_c, d, next);
        carried = next;
        dz[gate * hidden + u] = gradient;
        z[int64_t{gate} * hidden + u] = gradient;
      }
      dc[u] = carried;
    }
    sync_block();
    for (int u = thread(); u < hidden; u += kThreads) {
      float sum[4] = {};
      for (int k = 0; k < 4 * hidden; k++) {
        sum[k & 3] = fma(load_read_only(weight + (int64_t{k} * hidden + u)), dz[k], sum[k & 3]);
      }
      dh[u] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    sync_block();
  }
  const int first = segment.first + length;
  for (int64_t i = thread(); i < int64_t{segment.end - first} * 4 * hidden; i += kThreads) {
    const int64_t row = (first + i / (4 * hidden)) * lanes + lane_index;
    cell.gates.of(replica)[row * 4 * hidden + i % (4 * hidden)] = 0.f;
  }
}

// ---- dropout between layers ----

struct Scale {
  Chunk chunk;
  Array<float> scale;  // [T,B,width]
  int64_t width;
  Mask mask;
};

// A thread four units of a frame.
CIRCUMPLEX_KERNEL(kRowThreads) draw_scale(const CIRCUMPLEX_PARAMETER Scale s) {
  const Chunk& chunk = s.chunk;
  const int64_t replica = block_y(), quads = (s.width + 3) / 4;
  if (!chunk.active[replica]) return;
  const int64_t used = int64_t{chunk.now[0].frames} * chunk.lanes * quads;
  for (int64_t i = grid_thread(); i < used; i += int64_t{blocks_x()} * threads()) {
    const int64_t row = i / quads, quad = i % quads;
    if (!valid_row(chunk, row)) continue;
    const int64_t lane = row % chunk.lanes, frame = chunk.start[lane] + row / chunk.lanes;
    const Draws draws =
        philox(chunk.seed[replica], s.mask.site, chunk.now[0].epoch, static_cast<uint32_t>(chunk.sequence[lane]),
               static_cast<uint32_t>(frame), static_cast<uint32_t>(quad));
    const Global<float> to = s.scale.of(replica) + row * s.width;
    for (int64_t at = 4 * quad; at < 4 * quad + 4 && at < s.width; at++) {
      to[at] = scale_of(s.mask, draws.unit[at % 4]);
    }
  }
}

struct Rescale {
  Chunk chunk;
  Array<float> values;
  Array<const float> scale;
  int64_t width;
};

// The gradient on its way down through dropout.
CIRCUMPLEX_KERNEL(kRowThreads) rescale(const CIRCUMPLEX_PARAMETER Rescale s) {
  const Chunk& chunk = s.chunk;
  const int64_t replica = block_y(), used = int64_t{chunk.now[0].frames} * chunk.lanes * s.width;
  if (!chunk.active[replica]) return;
  for (int64_t i = grid_thread(); i < used; i += int64_t{blocks_x()} * threads())
    s.values.of(replica)[i] *= s.scale.of(replica)[i];
}

void plan_rescale(Plan& plan, const Array<float>& gradient, const Array<float>& scale, int64_t width) {
  const int64_t count = plan.chunk.most_frames * int64_t{plan.chunk.lanes} * width;
  plan.launch(kernel_of("dropout_rescale", &rescale), values_grid(count, plan.control.replicas),
              Rescale{plan.chunk, gradient, reading(scale), width});
}

// ---- planning ----

struct Stack {
  LstmCall call;
  int cluster;          // blocks a resident kernel's cluster has; 0: streamed
  bool fused;           // both layers in one kernel
  Cell* cells;          // [layers * directions]
  Array<float>* scale;  // [layers]: dropout's factors, or null
};

template <int CL, int LAYERS>
struct Kernels {
  static Kernel forward() { return kernel_of("recur", &recur<CL, LAYERS>); }
  static Kernel backward() { return kernel_of("recur_backward", &recur_backward<CL, LAYERS>); }
};

struct Resident {
  int cluster, layers;
  Kernel kernel[2];                 // forward, backward
  int64_t first[2], lane_bytes[2];  // of shared memory: before the lanes, and for each lane
};

template <int CL, int LAYERS>
Resident resident() {
  using K = Kernels<CL, LAYERS>;
  using F = ForwardMemory<CL, LAYERS>;
  using B = BackwardMemory<CL, LAYERS>;
  return {CL, LAYERS, {K::forward(), K::backward()}, {F::kFirst, B::kFirst}, {F::kFloats * 4, B::kFloats * 4}};
}

const Resident& resident_for(int cluster, int layers) {
  static const Resident all[] = {resident<1, 1>(), resident<1, 2>(), resident<2, 1>(), resident<2, 2>(),
                                 resident<4, 1>(), resident<4, 2>(), resident<8, 1>()};
  for (const Resident& r : all) {
    if (r.cluster == cluster && r.layers == layers) return r;
  }
  return all[0];
}

// One launch for `cells` (the layers of a fused stack, or the directions of a layer).
// `segments` 0: forward.
void launch_recurrence(Plan& plan, const Stack& s, const Cell* cells, int count, int64_t truncate, int64_t segments) {
  const bool backward = segments > 0;
  Recurrence a = {};
  a.chunk = plan.chunk;
  a.hidden = static_cast<int32_t>(s.call.hidden);
  a.truncate = static_cast<int32_t>(truncate);
  for (int i = 0; i < count; i++) a.cell[i] = cells[i];
  Grid grid;
  grid.threads = kThreads;
  grid.y = s.fused ? 1 : count;
  grid.z = backward ? static_cast<int>(segments) : 1;
  if (!s.cluster) {
    grid.x = static_cast<int>(s.call.lanes * plan.control.replicas);
    grid.shared = (backward ? 6 : 3) * s.call.hidden * 4;
    a.groups = static_cast<int32_t>(s.call.lanes);
    plan.launch(backward ? kernel_of("recur_backward_streamed", &recur_backward_streamed)
                         : kernel_of("recur_streamed", &recur_streamed),
                grid, a);
    return;
  }
  const Resident& r = resident_for(s.cluster, s.fused ? 2 : 1);
  const int64_t bytes = r.lane_bytes[backward];
  const int64_t held = (plan.gpu.shared_per_block - r.first[backward]) / bytes;
  const int64_t most = held < kMostSlots ? held : kMostSlots;
  a.groups = groups_for(plan, s.cluster, grid.y * grid.z, most);
  grid.cluster = s.cluster;
  grid.x = static_cast<int>(plan.control.replicas * a.groups * s.cluster);
  grid.shared = r.first[backward] + divide_up(s.call.lanes, a.groups) * bytes;
  plan.launch(r.kernel[backward], grid, a);
}

void name_kernel(Plan& plan, const Stack& s) {
  if (!s.cluster) {
    plan.kernel(s.call.hidden > 256 ? "streamed recurrence: more than 256 units"
                                    : "streamed recurrence: this GPU has no clusters (compute capability 9.0)");
  } else if (s.fused) {
    plan.kernel("resident recurrence of two layers");
  } else {
    plan.kernel("resident recurrence, a layer at a time");
  }
}

}  // namespace

void plan_scale(Plan& plan, const Array<float>& scale, int64_t width, double dropout, uint32_t site) {
  const int64_t quads = plan.chunk.most_frames * int64_t{plan.chunk.lanes} * divide_up(width, 4);
  plan.launch(kernel_of("dropout_scale", &draw_scale), values_grid(quads, plan.control.replicas),
              Scale{plan.chunk, scale, width, mask_of({dropout, site})});
}

void plan_lstm(Plan& plan, const Call& call) {
  Stack& s = *plan.make<Stack>();
  s.call = read_lstm(plan, call);
  const LstmCall& c = s.call;
  const int64_t rows = c.frames * c.lanes, states = rows + c.lanes, h = c.hidden;
  s.fused = c.layers == 2 && c.directions == 1 && cluster_for(plan.gpu, h, 2) > 0;
  s.cluster = cluster_for(plan.gpu, h, s.fused ? 2 : 1);
  s.cells = plan.list<Cell>(c.layers * c.directions);
  s.scale = plan.list<Array<float>>(c.layers);
  for (int64_t l = 0; l < c.layers; l++) {
    const bool last = l == c.layers - 1;
    const Array<float> out = last ? array<float>(c.y) : values(plan, rows * c.width);
    if (!last && c.dropout > 0) s.scale[l] = values(plan, rows * c.width);
    for (int64_t d = 0; d < c.directions; d++) {
      const int64_t at = l * c.directions + d;
      const LstmWeights& w = c.weights[at];
      Cell& cell = s.cells[at];
      cell.w_ih = array<const float>(w.w_ih);
      cell.w_hh = array<const float>(w.w_hh);
      cell.b_ih = array<const float>(w.b_ih);
      cell.b_hh = array<const float>(w.b_hh);
      cell.gates = values(plan, rows * 4 * h);
      cell.h = values(plan, states * h);
      cell.c = values(plan, states * h);
      cell.out = out;
      cell.out_row = c.width;
      cell.scale = reading(s.scale[l]);
      cell.state = {Global<float>(c.state.f32() + at * 2 * c.lanes * h), c.state.stride};
      cell.reverse = d == 1;
    }
  }
  for (int64_t l = 0; l < c.layers; l++) {
    const Cell* cells = s.cells + l * c.directions;
    if (s.fused && l > 0) break;
    std::vector<Product> inputs;
    for (int64_t d = 0; d < c.directions; d++) {
      const LstmWeights& w = c.weights[l * c.directions + d];
      const Array<const float> x = l ? reading(cells[-1].out) : array<const float>(c.x);
      Product p = forward_product(x, c.input(l), w.w_ih, cells[d].gates, 4 * h, rows, 0);
      p.bias = cells[d].b_ih;
      p.second_bias = cells[d].b_hh;
      inputs.push_back(p);
    }
    plan_products(plan, inputs);
    if (s.scale[l].data) plan_scale(plan, s.scale[l], c.width, c.dropout, c.site + static_cast<uint32_t>(l));
    launch_recurrence(plan, s, cells, s.fused ? 2 : static_cast<int>(c.directions), 0, 0);
  }
  if (call.count("slot")) plan.keep(call.integer("slot"), "lstm", &s);
  name_kernel(plan, s);
}

void plan_lstm_backward(Plan& plan, const Call& call) {
  Stack& s = *static_cast<Stack*>(plan.take(call.integer("slot"), "lstm"));
  const LstmCall& c = s.call;
  const LstmBackwardCall b = read_lstm_backward(plan, call, c);
  const int64_t rows = c.frames * c.lanes, h = c.hidden, n = c.directions;
  Array<const float> dy = array<const float>(b.dy);
  for (int64_t l = c.layers - 1; l >= 0; l--) {
    Cell* cells = s.cells + l * n;
    for (int64_t d = 0; d < n; d++) cells[d].dy = dy;
    if (!s.fused) {
      launch_recurrence(plan, s, cells, static_cast<int>(n), b.truncate, b.segments);
    } else if (l == 1) {
      cells[-1].dy = {};
      launch_recurrence(plan, s, s.cells, 2, b.truncate, b.segments);
    }
    if (l == 0 ? !b.dx.data : s.fused) continue;
    // The gradient of the layer's input; dropout's factors are those of the layer below.
    const Array<float> dx = l ? values(plan, rows * c.width) : array<float>(b.dx);
    for (int64_t d = 0; d < n; d++) {
      Product p = input_gradient(reading(cells[d].gates), 4 * h, c.weights[l * n + d].w_ih, dx, c.input(l), rows, 0);
      p.add = d > 0;
      plan_products(plan, {p});
    }
    if (l && s.scale[l - 1].data) plan_rescale(plan, dx, s.scale[l - 1], c.width);
    dy = reading(dx);
  }
  std::vector<Product> gradients;
  for (int64_t i = 0; i < c.layers * n; i++) {
    const Cell& cell = s.cells[i];
    const LstmWeights& g = b.gradients[i];
    const int64_t l = i / n, input = c.input(l);
    const Array<const float> dz = reading(cell.gates);
    const Array<const float> x = l ? reading(s.cells[(l - 1) * n].out) : array<const float>(c.x);
    const Array<const float> before = {Global<const float>(cell.h.data) + (cell.reverse ? c.lanes * h : 0),
                                       cell.h.stride};
    if (g.w_ih.data) gradients.push_back(weight_gradient(dz, 4 * h, 4 * h, x, input, input, g.w_ih, rows, 0));
    if (g.w_hh.data) gradients.push_back(weight_gradient(dz, 4 * h, 4 * h, before, h, h, g.w_hh, rows, 0));
    if (!g.b_ih.data && !g.b_hh.data) continue;
    Product p = weight_gradient(dz, 4 * h, 4 * h, {}, 0, 1, g.b_ih.data ? g.b_ih : g.b_hh, rows, 0);
    if (g.b_ih.data && g.b_hh.data) p.twin = array<float>(g.b_hh);
    gradients.push_back(p);
  }
  if (!gradients.empty()) plan_products(plan, gradients);
  name_kernel(plan, s);
}

}  // namespace circumplex::cuda

#include "cpu/dropout.h"

#include "cpu/cell.h"
#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int64_t kCounters = 16;  // Philox blocks at a time, four units each
constexpr int64_t kUnits = 4 * kCounters;

struct Key {
  uint32_t seed, site, epoch, sequence;
};

// Philox 4x32-10 of the counters (epoch, sequence, frame, first + i): a plain loop, which the compiler vectorises.
void philox(uint32_t (&out)[4][kCounters], Key key, uint32_t frame, uint32_t first) {
  uint32_t c0[kCounters], c1[kCounters], c2[kCounters], c3[kCounters];
  for (int64_t i = 0; i < kCounters; i++) {
    c0[i] = key.epoch;
    c1[i] = key.sequence;
    c2[i] = frame;
    c3[i] = first + static_cast<uint32_t>(i);
  }
  uint32_t k0 = key.seed, k1 = key.site;
  for (int round = 0; round < 10; round++) {
#pragma GCC unroll 1  // or the loop is peeled away before the vectoriser sees it
    for (int64_t i = 0; i < kCounters; i++) {
      const uint64_t a = uint64_t{0xd2511f53u} * c0[i], b = uint64_t{0xcd9e8d57u} * c2[i];
      const uint32_t x1 = c1[i], x3 = c3[i];
      c0[i] = static_cast<uint32_t>(b >> 32) ^ x1 ^ k0;
      c1[i] = static_cast<uint32_t>(b);
      c2[i] = static_cast<uint32_t>(a >> 32) ^ x3 ^ k1;
      c3[i] = static_cast<uint32_t>(a);
    }
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  for (int64_t i = 0; i < kCounters; i++) {
    out[0][i] = c0[i];
    out[1][i] = c1[i];
    out[2][i] = c2[i];
    out[3][i] = c3[i];
  }
}

void drop(void* self, int64_t task, Worker& worker) {
  const DropoutCall& d = *static_cast<const DropoutCall*>(self);
  const Control& control = *d.rows.control;
  const Block block = block_of(d.rows, task);
  const int64_t units = d.rows.width;
  for (int64_t row = block.first; row < block.last; row++) {
    const int64_t lane = row % control.lanes, frame = control.start[lane] + row / control.lanes - d.left;
    dropout_scale(worker.scratch, units, d.dropping, control, block.replica, lane, frame);
    multiply(d.to.f32(block.replica) + row * units, d.from.f32(block.replica) + row * units, worker.scratch, units);
  }
}

void plan_drop(Plan& plan, const DropoutCall& call) {
  plan.scratch(call.rows.width * static_cast<int64_t>(sizeof(float)));
  plan.stage(tasks_of(call.rows), drop, plan.make(call));
  plan.kernel("philox 4x32-10");
}

}  // namespace

void dropout_scale(float* scale, int64_t units, Dropping dropping, const Control& control, int64_t replica,
                   int64_t lane, int64_t frame) {
  const Key key = {control.seed[replica], dropping.site, control.epoch, static_cast<uint32_t>(control.sequence[lane])};
  const double p = dropping.p;
  const uint32_t threshold = p < 1 ? static_cast<uint32_t>(p * 4294967296.0) : 0;  // drop u < threshold
  const float kept = p < 1 ? static_cast<float>(1 / (1 - p)) : 0.f;
  uint32_t random[4][kCounters];
  float group[kUnits];
  for (int64_t at = 0; at < units; at += kUnits) {
    philox(random, key, static_cast<uint32_t>(frame), static_cast<uint32_t>(at / 4));
    for (int64_t i = 0; i < kCounters; i++) {
      for (int64_t j = 0; j < 4; j++) group[4 * i + j] = random[j][i] < threshold ? 0.f : kept;
    }
    copy(scale + at, group, smaller(kUnits, units - at));
  }
}

void dropout_frame(float* scale, int64_t units, Dropping dropping, const Control& control, int64_t replica, int64_t t) {
  for (int64_t lane = 0; lane < control.lanes; lane++) {
    if (t >= control.length[lane]) continue;
    dropout_scale(scale + lane * units, units, dropping, control, replica, lane, control.start[lane] + t);
  }
}

void plan_dropout(Plan& plan, const Call& call) { plan_drop(plan, read_dropout(plan, call)); }
void plan_dropout_backward(Plan& plan, const Call& call) { plan_drop(plan, read_dropout_backward(plan, call)); }

}  // namespace circumplex::CIRCUMPLEX_ISA

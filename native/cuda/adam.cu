#include <cmath>

#include "cuda/rows.h"
#include "operators/adam.h"

namespace circumplex::cuda {
namespace {

constexpr int64_t kRun = 2048;
constexpr int kThreads = 256;

struct Run {  // a part of a segment, a block's work
  int64_t segment, offset, size;
};

// What a step of a segment multiplies and divides by.
struct Factors {
  float rate, correction;
  int32_t moves;  // 0: the segment stands still
};

struct Adam {
  Chunk chunk;
  Array<const float> gradient;
  Array<const double> gate;
  Array<float> parameters, first, second;
  Array<int32_t> steps;
  double beta1, beta2;
  float epsilon;
  int64_t segment_count;
  Global<const AdamSegment> segments;
  Global<const Run> runs;
  Array<Factors> factors;  // [segment]
};

// base^n by squaring, as the CPU has it.
CIRCUMPLEX_DEVICE double power(double base, int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, base *= base) {
    if (n & 1) result *= base;
  }
  return result;
}

// Counts the steps; a thread a segment.
CIRCUMPLEX_KERNEL(kThreads) count(const CIRCUMPLEX_PARAMETER Adam a) {
  const int64_t replica = block_y();
  if (!a.chunk.active[replica]) return;
  const bool gated = a.gate.of(replica)[1] == 0;
  const int32_t bypass = a.chunk.now[0].bypass;
  const double rate = static_cast<double>(a.chunk.learning_rate[replica]);
  for (int64_t i = grid_thread(); i < a.segment_count; i += int64_t{blocks_x()} * threads()) {
    const AdamSegment segment = a.segments[i];
    Factors f = {0.f, 0.f, segment.size > 0 && !gated && !(segment.bypassed && bypass)};
    if (f.moves) {
      const int32_t t = a.steps.of(replica)[i] + 1;
      a.steps.of(replica)[i] = t;
      f.rate = static_cast<float>(-(rate / (1 - power(a.beta1, t))));
      f.correction = static_cast<float>(::sqrt(1 - power(a.beta2, t)));
    }
    a.factors.of(replica)[i] = f;
  }
}

// A block a run, in the arithmetic of cpu/adam.cc.
CIRCUMPLEX_KERNEL(kThreads) step(const CIRCUMPLEX_PARAMETER Adam a) {
  const int64_t replica = block_y();
  if (!a.chunk.active[replica]) return;
  const Run run = a.runs[block_x()];
  const Factors f = a.factors.of(replica)[run.segment];
  if (!f.moves) return;
  const float weight1 = static_cast<float>(1 - a.beta1), beta1 = static_cast<float>(a.beta1);
  const float weight2 = static_cast<float>(1 - a.beta2), beta2 = static_cast<float>(a.beta2);
  const bool far = a.beta1 > 0.5;  // as torch.lerp
  const Global<const float> gradient = a.gradient.of(replica) + run.offset;
  const Global<float> parameters = a.parameters.of(replica) + run.offset;
  const Global<float> first = a.first.of(replica) + run.offset, second = a.second.of(replica) + run.offset;
  for (int64_t i = thread(); i < run.size; i += threads()) {
    const float g = gradient[i], before = first[i];
    const float m = far ? before + weight1 * (g - before) : g - (g - before) * beta1;
    const float v = second[i] * beta2 + weight2 * g * g;
    const float denominator = divide(square_root(v), f.correction) + a.epsilon;
    first[i] = m;
    second[i] = v;
    parameters[i] = parameters[i] + divide(f.rate * m, denominator);
  }
}

}  // namespace

void plan_adam(Plan& plan, const Call& call) {
  const AdamCall read = read_adam(plan, call);
  const int64_t replicas = plan.control.replicas, segments = read.segment_count;
  int64_t runs = 0;
  for (int64_t i = 0; i < segments; i++) runs += divide_up(read.segments[i].size, kRun);
  Run* const first = plan.list<Run>(runs);
  Run* next = first;
  for (int64_t i = 0; i < segments; i++) {
    const AdamSegment& s = read.segments[i];
    for (int64_t at = 0; at < s.size; at += kRun) {
      *next++ = {i, s.offset + at, s.size - at < kRun ? s.size - at : kRun};
    }
  }
  Factors* factors = static_cast<Factors*>(plan.allocate(replicas * segments * static_cast<int64_t>(sizeof(Factors))));
  const Adam a = {plan.chunk,
                  array<const float>(read.gradient),
                  array<const double>(read.gate),
                  array<float>(read.parameters),
                  array<float>(read.first),
                  array<float>(read.second),
                  array<int32_t>(read.steps),
                  read.beta1,
                  read.beta2,
                  static_cast<float>(read.epsilon),
                  segments,
                  table(plan, read.segments, segments),
                  table(plan, first, runs),
                  {Global<Factors>(factors), segments}};
  Grid grid = values_grid(segments, replicas);
  plan.launch(kernel_of("adam_count", &count), grid, a);
  grid.x = static_cast<int>(runs);
  if (runs) plan.launch(kernel_of("adam", &step), grid, a);
  plan.kernel("one pass over a flat block");
}

}  // namespace circumplex::cuda

#include "operators/adam.h"

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Run {  // a part of a segment, a task's work
  int64_t segment, offset, size;
};

struct Adam : AdamCall {
  Run* runs = nullptr;
  int64_t run_count = 0;
};

// base^n by squaring: the same bits on every processor, which libm's pow does not promise.
double power(double base, int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, base *= base) {
    if (n & 1) result *= base;
  }
  return result;
}

bool stands_still(const Adam& a, int64_t replica, const AdamSegment& segment) {
  const Control& control = *a.control;
  return !segment.size || !control.active[replica] || a.gate.f64(replica)[1] == 0 ||
         (segment.bypassed && control.bypass);
}

void step(void* self, int64_t task, Worker&) {
  const Adam& a = *static_cast<const Adam*>(self);
  const int64_t replica = task / a.run_count;
  const Run& run = a.runs[task % a.run_count];
  if (stands_still(a, replica, a.segments[run.segment])) return;

  const int64_t t = int64_t{a.steps.i32(replica)[run.segment]} + 1;
  const double step_size = static_cast<double>(a.control->learning_rate[replica]) / (1 - power(a.beta1, t));
  const V rate = set1(static_cast<float>(-step_size));
  const V correction = set1(static_cast<float>(__builtin_sqrt(1 - power(a.beta2, t))));
  const V epsilon = set1(static_cast<float>(a.epsilon));
  const V weight1 = set1(static_cast<float>(1 - a.beta1)), beta1 = set1(static_cast<float>(a.beta1));
  const V beta2 = set1(static_cast<float>(a.beta2)), weight2 = set1(static_cast<float>(1 - a.beta2));

  const float* gradient = a.gradient.f32(replica) + run.offset;
  float* parameters = a.parameters.f32(replica) + run.offset;
  float* first = a.first.f32(replica) + run.offset;
  float* second = a.second.f32(replica) + run.offset;
  for (int64_t i = 0; i < run.size; i += W) {
    const int left = static_cast<int>(smaller(W, run.size - i));
    const V g = load_n(gradient + i, left);
    const V before = load_n(first + i, left);
    const V m = a.beta1 > 0.5 ? before + weight1 * (g - before) : g - (g - before) * beta1;  // as torch.lerp
    const V v = load_n(second + i, left) * beta2 + weight2 * g * g;
    const V denominator = sqrt(v) / correction + epsilon;
    store_n(first + i, m, left);
    store_n(second + i, v, left);
    store_n(parameters + i, load_n(parameters + i, left) + rate * m / denominator, left);
  }
}

void count(void* self, int64_t replica, Worker&) {
  const Adam& a = *static_cast<const Adam*>(self);
  for (int64_t i = 0; i < a.segment_count; i++) {
    if (!stands_still(a, replica, a.segments[i])) a.steps.i32(replica)[i]++;
  }
}

void cut_segments(Plan& plan, Adam& a) {
  for (int64_t i = 0; i < a.segment_count; i++) a.run_count += divide_up(a.segments[i].size, kBlockValues);
  a.runs = plan.list<Run>(a.run_count);
  Run* next = a.runs;
  for (int64_t i = 0; i < a.segment_count; i++) {
    const AdamSegment& s = a.segments[i];
    for (int64_t at = 0; at < s.size; at += kBlockValues) {
      *next++ = {i, s.offset + at, smaller(kBlockValues, s.size - at)};
    }
  }
}

}  // namespace

void plan_adam(Plan& plan, const Call& call) {
  Adam& a = *plan.make<Adam>({read_adam(plan, call)});
  cut_segments(plan, a);
  plan.stage(plan.control.replicas * a.run_count, step, &a);
  plan.stage(plan.control.replicas, count, &a);
  plan.kernel("one pass over a flat block");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

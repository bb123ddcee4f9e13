// Adam (Kingma and Ba 2015) over a flat block of parameters, in the arithmetic of torch.optim.Adam:
//   m += (1 - beta1) (g - m),   v = beta2 v + (1 - beta2) g^2,
//   p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon).
// Each segment of the block (a tensor) counts its own steps t; one that stands still neither steps nor decays.

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

struct Segment {
  int64_t offset, size;  // size 0: frozen
  bool bypassed;         // stands still while attention is bypassed
};

struct Run {  // a part of a segment, a task's work
  int64_t segment, offset, size;
};

struct Adam {
  const Control* control;
  Tensor gradient, gate, parameters, first, second, steps;
  double beta1, beta2, epsilon;
  Segment* segments;
  Run* runs;
  int64_t segment_count, run_count;
};

// base^n by squaring: the same bits on every processor, which libm's pow does not promise.
double power(double base, int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, base *= base) {
    if (n & 1) result *= base;
  }
  return result;
}

bool stands_still(const Adam& a, int64_t replica, const Segment& segment) {
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

void read_segments(Plan& plan, const Call& call, Adam& a) {
  const int64_t size = a.parameters.dims[0];
  a.segment_count = call.count("segments") / 3;
  if (call.count("segments") % 3) call.refuse("segments is a list of offset, size, bypassed");
  a.segments = static_cast<Segment*>(plan.allocate(a.segment_count * static_cast<int64_t>(sizeof(Segment))));
  int64_t end = 0;
  for (int64_t i = 0; i < a.segment_count; i++) {
    Segment& s = a.segments[i];
    s.offset = static_cast<int64_t>(call.element("segments", 3 * i));
    s.size = static_cast<int64_t>(call.element("segments", 3 * i + 1));
    s.bypassed = call.element("segments", 3 * i + 2) != 0;
    if (s.offset < end || s.size < 0 || s.size > size - s.offset) {
      call.refuse("segments must lie inside the parameters, in order and apart");
    }
    end = s.offset + s.size;
    a.run_count += divide_up(s.size, kBlockValues);
  }
}

void cut_segments(Plan& plan, Adam& a) {
  a.runs = static_cast<Run*>(plan.allocate(a.run_count * static_cast<int64_t>(sizeof(Run))));
  Run* next = a.runs;
  for (int64_t i = 0; i < a.segment_count; i++) {
    const Segment& s = a.segments[i];
    for (int64_t at = 0; at < s.size; at += kBlockValues) {
      *next++ = {i, s.offset + at, smaller(kBlockValues, s.size - at)};
    }
  }
}

}  // namespace

void plan_adam(Plan& plan, const Call& call) {
  Adam& a = *plan.make<Adam>();
  a.control = &plan.control;
  a.gradient = call.input(0, "gradient", Type::f32, 1);
  a.gate = call.input(1, "gate", Type::f64, 1, 2);
  const int64_t size = a.gradient.dims[0];
  a.parameters = replicated(plan, call, call.output(0, "parameters", Type::f32, 1, size));
  a.first = replicated(plan, call, call.output(1, "first", Type::f32, 1, size));
  a.second = replicated(plan, call, call.output(2, "second", Type::f32, 1, size));
  a.beta1 = call.number("beta1");
  a.beta2 = call.number("beta2");
  a.epsilon = call.number("epsilon");
  if (!(a.beta1 >= 0 && a.beta1 < 1 && a.beta2 >= 0 && a.beta2 < 1 && a.epsilon >= 0)) {
    call.refuse("beta1 and beta2 lie in [0, 1), epsilon is not negative");
  }
  read_segments(plan, call, a);
  cut_segments(plan, a);
  a.steps = replicated(plan, call, call.output(3, "steps", Type::i32, 1, a.segment_count));
  plan.stage(plan.control.replicas * a.run_count, step, &a);
  plan.stage(plan.control.replicas, count, &a);
  plan.kernel("one pass over a flat block");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

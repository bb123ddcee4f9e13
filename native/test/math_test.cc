// The largest error of exp, sigmoid and tanh against float64, in units of the last place, over dense samples; and what
// they give at the edges. The functions are reached through the operators, as everything else reaches them.

#include <cmath>
#include <limits>

#include "harness.h"

namespace circumplex::test {
namespace {

constexpr int64_t kLanes = 64, kWidth = 1024;

// f of many values, by the operator of that name.
std::vector<float> apply(const std::string& place, const char* name, const std::vector<float>& x) {
  const int64_t block = kLanes * kWidth;
  ProgramDescription description{1, kLanes, 1, {}, {}};
  for (int i = 0; i < 2; i++) description.buffers.push_back({Type::f32, true, {1, kLanes, kWidth}, nullptr});
  description.calls.push_back({name, {0}, {1}, {}});
  Program program(device(place, 1), description);
  std::vector<int32_t> schedule;
  for (int64_t lane = 0; lane < kLanes; lane++) schedule.insert(schedule.end(), {0, 0, 1, 1});
  const std::atomic<bool> stop{false};
  std::vector<float> y(x.size());
  for (size_t at = 0; at < x.size(); at += size_t(block)) {
    const size_t count = std::min(size_t(block), x.size() - at);
    program.write(0, 0, x.data() + at, count * sizeof(float));
    program.run(
        schedule, {{0.f}, {1}, {0}}, nullptr, stop, [](int64_t) {}, 0, 1);
    program.read(1, 0, y.data() + at, count * sizeof(float));
  }
  return y;
}

double unit_in_last_place(double value) { return std::ldexp(1.0, std::max(std::ilogb(value), -126) - 23); }

struct Function {
  const char* name;
  double (*exact)(double);
  float lowest, highest;
  double bound;  // ulp
};

const Function kFunctions[] = {
    {"exp", [](double x) { return std::exp(x); }, -87.3f, 88.72f, 1.1},
    {"sigmoid", [](double x) { return 1 / (1 + std::exp(-x)); }, -86.9f, 90.f, 2.5},
    {"tanh", [](double x) { return std::tanh(x); }, -25.f, 25.f, 2.5},
};

// Evenly spaced values, and the same number by their logarithm on both sides of zero.
std::vector<float> samples(float lowest, float highest) {
  constexpr int kCount = 1 << 21;
  std::vector<float> x;
  for (int i = 0; i <= kCount; i++) x.push_back(static_cast<float>(lowest + (double(highest) - lowest) * i / kCount));
  for (int i = 0; i <= kCount; i++) {
    const double magnitude = std::exp2(-30 + 36.5 * i / kCount);
    if (magnitude <= highest) x.push_back(static_cast<float>(magnitude));
    if (-magnitude >= lowest) x.push_back(static_cast<float>(-magnitude));
  }
  return x;
}

void accuracy(const std::string& place, const Function& f) {
  const std::vector<float> x = samples(f.lowest, f.highest), y = apply(place, f.name, x);
  double worst = 0;
  float where = 0;
  for (size_t i = 0; i < x.size(); i++) {
    const double want = f.exact(x[i]), error = std::abs(y[i] - want) / unit_in_last_place(want);
    if (!(error <= worst)) worst = error, where = x[i];
  }
  std::printf("%-7s %-8s %zu values, largest error %.3f ulp at %.9g\n", place.c_str(), f.name, x.size(), worst, where);
  CHECK(worst <= f.bound, "%s %s: %.3f ulp at %.9g", place.c_str(), f.name, worst, where);
}

void edges(const std::string& place) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  struct Edge {
    const char* name;
    float x, y;
  };
  const Edge table[] = {
      {"exp", 0, 1},       {"exp", -0.f, 1},    {"exp", 88.73f, inf},  {"exp", 1e30f, inf}, {"exp", inf, inf},
      {"exp", -103.1f, 0}, {"exp", -1e30f, 0},  {"exp", -inf, 0},      {"exp", nan, nan},   {"sigmoid", 0, 0.5f},
      {"sigmoid", 100, 1}, {"sigmoid", inf, 1}, {"sigmoid", nan, nan}, {"tanh", 0, 0},      {"tanh", 50, 1},
      {"tanh", -50, -1},   {"tanh", inf, 1},    {"tanh", -inf, -1},    {"tanh", nan, nan},
  };
  for (const Edge& e : table) {
    const float y = apply(place, e.name, {e.x})[0];
    CHECK(y == e.y || (std::isnan(y) && std::isnan(e.y)), "%s %s(%g) = %g, not %g", place.c_str(), e.name, e.x, y, e.y);
  }
  for (float x : {0.f, 1e-30f, 0.3f, 7.f}) {
    const std::vector<float> y = apply(place, "tanh", {x, -x});
    CHECK(y[0] == -y[1] && std::signbit(y[1]), "%s: tanh is not odd at %g", place.c_str(), x);
  }
  CHECK(apply(place, "sigmoid", {-200.f})[0] < 1e-37f, "%s: sigmoid(-200)", place.c_str());
}

void all() {
  for (const std::string& place : places()) {
    for (const Function& f : kFunctions) accuracy(place, f);
    edges(place);
  }
}

}  // namespace
}  // namespace circumplex::test

int main() {
  circumplex::FlushDenormals flush;
  circumplex::test::all();
  std::printf("%d failures\n", circumplex::test::failures);
  return circumplex::test::failures ? 1 : 0;
}

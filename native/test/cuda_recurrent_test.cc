// The CUDA kernels of the recurrences, on the emulator, give the same values as the CPU's, and the same bits whatever
// the GPU's size and the order in which threads run.

#include <cmath>
#include <vector>

#include "check.h"
#include "emulator/emulator.h"
#include "recurrence.h"

namespace {

using namespace circumplex;
using test::run;
using test::same;
using test::Shape;

// Buffers that differ by more than a share of their norm.
int distant(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b, double share) {
  int count = 0;
  for (size_t i = 0; i < a.size(); i++) {
    double gap = 0, norm = 0;
    for (size_t j = 0; j < a[i].size(); j++) {
      const double x = static_cast<double>(a[i][j]), y = static_cast<double>(b[i][j]);
      gap += (x - y) * (x - y);
      norm += x * x;
    }
    if (!(std::sqrt(gap) <= share * std::sqrt(norm) + 1e-7)) {
      std::printf("buffer %zu: %g of norm %g\n", i, std::sqrt(gap), std::sqrt(norm));
      count++;
    }
  }
  return count;
}

void verify_cuda(const Shape& s, const std::vector<std::vector<float>>& expected, const char* kernels) {
  const auto label = [&] {
    static char text[200];
    std::snprintf(text, sizeof text, "%s: lanes %d, hidden %d, layers %d, window %d, attention %d%s%s", kernels,
                  static_cast<int>(s.lanes), static_cast<int>(s.hidden), static_cast<int>(s.layers),
                  static_cast<int>(s.window), s.attention, s.bidirectional ? ", bidirectional" : "",
                  s.bypass ? ", bypass" : "");
    return text;
  };
  emulator::set_races(true);
  const auto first = run(s, 1, "cuda", 1);
  emulator::set_races(false);
  CHECK(distant(expected, first, 1e-5) == 0, "%s", label());
  emulator::set_seed(3);
  emulator::set_multiprocessors(5);
  CHECK(same(first, run(s, 2, "cuda", 1)), "%s: other bits on another GPU, among replicas", label());
  emulator::set_seed(0);
  emulator::set_multiprocessors(132);
}

}  // namespace

int main() {
  const Shape shapes[] = {
      {3, 5, 12, 32, 2, 0, false},         {2, 3, 9, 17, 1, 0, true},     {3, 3, 9, 40, 2, 0, false},
      {2, 3, 5, 64, 1, 0, true},           {2, 3, 5, 100, 2, 0, false},   {2, 2, 5, 100, 3, 0, false},
      {2, 2, 5, 200, 1, 0, false},         {1, 2, 5, 260, 1, 0, true},    {1, 1, 1, 1, 1, 0, false},
      {3, 5, 12, 32, 2, 13, false},        {2, 4, 9, 7, 2, 4, false},     {3, 3, 9, 48, 2, 5, false},
      {2, 3, 9, 100, 2, 13, false},        {3, 3, 9, 20, 2, 3, false, 1}, {3, 3, 9, 50, 2, 6, false, 2},
      {3, 3, 9, 50, 2, 6, false, 0, true}, {2, 3, 5, 10, 1, 3, false},    {2, 3, 5, 10, 3, 40, false},
      {2, 2, 5, 140, 2, 3, false},
  };
  for (const Shape& s : shapes) {
    const auto expected = run(s, 1, "scalar", 1);
    verify_cuda(s, expected, "clusters");
    if (s.hidden <= 32 || s.hidden > 128) continue;
    emulator::set_architecture(80);
    verify_cuda(s, expected, "no clusters");
    emulator::set_architecture(90);
  }
  return circumplex::test::failures != 0;
}

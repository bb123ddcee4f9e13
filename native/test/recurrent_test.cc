// The recurrences give the same bits for every number of threads, alone or among replicas, and for vectors of 8 and of
// 16 floats. (The values are held to float64 references by test/ops.)

#include <map>
#include <string>
#include <vector>

#include "check.h"
#include "cpu/dispatch.h"
#include "fingerprint.h"
#include "recurrence.h"

namespace {

using namespace circumplex;
using test::run;
using test::same;
using test::Shape;

}  // namespace

int main() {
  const Shape shapes[] = {
      {9, 20, 12, 32, 2, 0, false},  {5, 7, 33, 7, 3, 0, true},     {1, 1, 1, 1, 1, 0, false},
      {13, 11, 40, 65, 2, 0, false}, {9, 20, 12, 32, 2, 13, false}, {4, 6, 50, 33, 1, 4, false},
      {25, 9, 17, 24, 2, 3, false},
  };
  for (const Shape& s : shapes) {
    std::map<std::string, std::vector<std::vector<float>>> results;
    for (const cpu::InstructionSet& set : cpu::instruction_sets()) {
      if (!set.available()) {
        std::printf("%s is not here: left out\n", set.name);
        continue;
      }
      results[set.name] = run(s, 1, set.name, 1);
      for (int threads : {2, 3}) {
        CHECK(same(results[set.name], run(s, 1, set.name, threads)), "%s: %d threads give other bits", set.name,
              threads);
      }
    }
    for (const char* set : {"avx2", "neon"}) {
      for (const auto& buffer : results[set]) {
        for (float value : buffer) test::fingerprint(static_cast<double>(value));
      }
    }
    for (const char* other : {"avx512", "wide"}) {
      if (!results.count("avx2") || !results.count(other)) continue;
      CHECK(same(results["avx2"], results[other]), "avx2 and %s differ in bits (hidden %d, window %d)", other,
            static_cast<int>(s.hidden), static_cast<int>(s.window));
    }
  }
  test::print_fingerprint();
  return circumplex::test::failures != 0;
}

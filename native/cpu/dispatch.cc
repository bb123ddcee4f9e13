#include "cpu/dispatch.h"

#include <cstdlib>

#include "core/error.h"

namespace circumplex {

// One table per instruction set, from operators.cc.
namespace scalar {
extern const Operator<cpu::Plan> operators[];
}
#if defined(__x86_64__)
namespace avx2 {
extern const Operator<cpu::Plan> operators[];
}
namespace avx512 {
extern const Operator<cpu::Plan> operators[];
}
namespace wide {  // AVX-512's shapes in AVX2's vectors: linked into the tests alone
extern const Operator<cpu::Plan> operators[] __attribute__((weak));
}
#endif

namespace cpu {
namespace {

bool always() { return true; }

#if defined(__x86_64__)
// The compiler's own check covers cpuid and, through xgetbv, what the operating system saves.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}
#endif

}  // namespace

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> list = {
#if defined(__x86_64__)
      {"avx512", avx512::operators, has_avx512},
      {"avx2", avx2::operators, has_avx2},
#endif
      {"scalar", scalar::operators, always},
    };
#if defined(__x86_64__)
    const Operator<Plan>* volatile tested = wide::operators;
    if (tested) list.push_back({"wide", tested, has_avx2});
#endif
    return list;
  }();
  return sets;
}

const InstructionSet& choose(const std::string& name) {
  const char* wish = std::getenv("CIRCUMPLEX_ISA");
  const std::string wanted = !name.empty() ? name : wish ? wish : "";
  std::string names;
  for (const InstructionSet& set : instruction_sets()) {
    if (wanted.empty() ? set.available() : wanted == set.name) {
      if (set.available()) return set;
      throw Error("ERR_CONFIG", "this processor does not run the instruction set '" + wanted + "'");
    }
    names += std::string(names.empty() ? "" : ", ") + set.name;
  }
  throw Error("ERR_CONFIG", "unknown instruction set '" + wanted + "': one of " + names);
}

}  // namespace cpu
}  // namespace circumplex

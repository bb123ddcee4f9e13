#include "cpu/dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

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
namespace avx2_bf16 {
extern const Operator<cpu::Plan> operators[];
}
namespace avx512 {
extern const Operator<cpu::Plan> operators[];
}
namespace avx512_bf16 {
extern const Operator<cpu::Plan> operators[];
}
namespace amx_bf16 {  // where the compiler knows AMX
extern const Operator<cpu::Plan> operators[] __attribute__((weak));
}
namespace wide {  // AVX-512's shapes in AVX2's vectors: linked into the tests alone
extern const Operator<cpu::Plan> operators[] __attribute__((weak));
}
namespace wide_amx {  // AMX's products beside them
extern const Operator<cpu::Plan> operators[] __attribute__((weak));
}
#elif defined(__aarch64__)
namespace neon {
extern const Operator<cpu::Plan> operators[];
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
bool has_avx512_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

// The tiles are the processor's, and the system saves them for those who ask: for the whole process, once and for all.
// It refuses where a thread has a signal stack too small for them.
bool has_amx() {
  constexpr uint32_t kBf16 = 1u << 22, kTiles = 1u << 24;
  constexpr long kAskForState = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  uint32_t a, b, c, d;
  return has_avx512_bf16() && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kBf16) && (d & kTiles) &&
         syscall(SYS_arch_prctl, kAskForState, kTileData) == 0;
}
#endif

}  // namespace

const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> list = {
#if defined(__x86_64__)
      {"avx512", avx512::operators, has_avx512, false},
      {"avx2", avx2::operators, has_avx2, false},
#elif defined(__aarch64__)
      {"neon", neon::operators, always, false},
#endif
      {"scalar", scalar::operators, always, false},
#if defined(__x86_64__)
      {"amx-bf16", amx_bf16::operators, has_amx, true},
      {"avx512-bf16", avx512_bf16::operators, has_avx512_bf16, true},
      {"avx2-bf16", avx2_bf16::operators, has_avx2, true},
#endif
    };
#if defined(__x86_64__)
    const Operator<Plan>* volatile tested = wide::operators;
    if (tested) list.push_back({"wide", tested, has_avx2, false});
    tested = wide_amx::operators;
    if (tested) list.push_back({"wide-amx", tested, has_avx2, true});
    tested = amx_bf16::operators;
    if (!tested) std::erase_if(list, [](const InstructionSet& set) { return !set.operators; });
#endif
    return list;
  }();
  return sets;
}

const InstructionSet& choose(const std::string& name, bool bf16) {
  const char* wish = std::getenv("CIRCUMPLEX_ISA");
  std::string wanted = !name.empty() ? name : wish ? wish : "";
  const std::string suffix = "-bf16";
  if (bf16 && !wanted.empty() &&
      (wanted.size() < suffix.size() || wanted.substr(wanted.size() - suffix.size()) != suffix)) {
    wanted += suffix;
  }
  std::string names;
  for (const InstructionSet& set : instruction_sets()) {
    if (wanted.empty() ? set.bf16 == bf16 && set.available() : wanted == set.name) {
      if (set.available()) return set;
      throw Error("ERR_CONFIG", "this processor does not run the instruction set '" + wanted + "'");
    }
    names += std::string(names.empty() ? "" : ", ") + set.name;
  }
  if (wanted.empty()) throw Error("ERR_CONFIG", "this processor runs no instruction set with bfloat16 products");
  throw Error("ERR_CONFIG", "unknown instruction set '" + wanted + "': one of " + names);
}

}  // namespace cpu
}  // namespace circumplex

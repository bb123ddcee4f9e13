#pragma once
#include <string>
#include <vector>

#include "cpu/plan.h"

namespace circumplex::cpu {

// The operators of one instruction set; `operators` ends with a null name.
struct InstructionSet {
  const char* name;
  const Operator<Plan>* operators;
  bool (*available)();
  bool bf16;  // products round their factors: served only to those who ask for it
};

// Best first.
const std::vector<InstructionSet>& instruction_sets();

// An empty name asks for CIRCUMPLEX_ISA, or the best that this processor runs.
// With `bf16`, of those that round the factors of products: "avx2" means "avx2-bf16" then.
const InstructionSet& choose(const std::string& name, bool bf16);

}  // namespace circumplex::cpu

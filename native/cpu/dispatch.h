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
};

// Best first.
const std::vector<InstructionSet>& instruction_sets();

// An empty name asks for CIRCUMPLEX_ISA, or the best that this processor runs.
const InstructionSet& choose(const std::string& name);

}  // namespace circumplex::cpu

// The operators of one instruction set, each named as in lib/ops and in native/cuda.

#include "cpu/plan.h"
#include "operators/list.h"

namespace circumplex::CIRCUMPLEX_ISA {

#define DECLARE(name) void plan_##name(Plan& plan, const Call& call);
CIRCUMPLEX_OPERATORS(DECLARE)
#undef DECLARE

extern const Operator<Plan> operators[];
const Operator<Plan> operators[] = {
#define ENTRY(name) {#name, plan_##name},
    CIRCUMPLEX_OPERATORS(ENTRY)
#undef ENTRY
        {nullptr, nullptr},
};

}  // namespace circumplex::CIRCUMPLEX_ISA

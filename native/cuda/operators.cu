// The operators of the GPU, each named as in lib/ops and in native/cpu.

#include "cuda/plan.h"
#include "operators/list.h"

namespace circumplex::cuda {

#define DECLARE(name) void plan_##name(Plan& plan, const Call& call);
CIRCUMPLEX_OPERATORS(DECLARE)
#undef DECLARE

const Operator<Plan> operators[] = {
#define ENTRY(name) {#name, plan_##name},
    CIRCUMPLEX_OPERATORS(ENTRY)
#undef ENTRY
        {nullptr, nullptr},
};

}  // namespace circumplex::cuda

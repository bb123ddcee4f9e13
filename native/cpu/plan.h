#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "core/plan.h"
#include "core/pool.h"

namespace circumplex::cpu {

// Tasks without order among themselves. The rounds of a call run one after the other, the stages of a round together.
struct Stage {
  void (*run)(void* self, int64_t task, Worker& worker);
  void* self;
  int64_t tasks;
  int64_t round;
  bool prepares;  // follows from the call's weights alone
};

// The bytes of a tensor's first copy: copies of one layout overlap where their first ones do.
struct Span {
  const char *begin, *end;
};

// A plan of tasks for the pool.
class Plan : public circumplex::Plan {
 public:
  using circumplex::Plan::Plan;

  // Opens a round; `beside` adds to the round that is open.
  void stage(int64_t tasks, void (*run)(void* self, int64_t task, Worker& worker), void* self);
  void beside(int64_t tasks, void (*run)(void* self, int64_t task, Worker& worker), void* self);
  // Joins the open round, or opens the first. For what follows from the call's `weights` alone: not done again while
  // they stay.
  void prepare(int64_t tasks, void (*run)(void* self, int64_t task, Worker& worker), void* self);
  // Names a tensor that the call prepares from.
  void weight(const Tensor& tensor);
  // Every task finds at least this much scratch memory in its worker.
  void scratch(int64_t bytes);

  std::vector<Stage> take_stages();
  std::vector<Span> take_weights();
  int64_t scratch_bytes() const { return scratch_bytes_; }

 private:
  std::vector<Stage> stages_;
  std::vector<Span> weights_;
  int64_t round_ = -1;
  int64_t scratch_bytes_ = 0;
};

}  // namespace circumplex::cpu

#if defined(CIRCUMPLEX_ISA)
namespace circumplex::CIRCUMPLEX_ISA {
using Plan = cpu::Plan;
}
#endif

#pragma once
#include <cstddef>
#include <vector>

namespace circumplex::emulator {

// A stack for a fibre, above a page that faults; or the thread's own.
struct Stack {
  const void* bottom = nullptr;
  size_t bytes = 0;
  void* pointer = nullptr;    // where it was left
  void* sanitizer = nullptr;  // what it keeps of this stack
};

// Stacks are made once and used again: the last one given back goes out first, while it is still in the cache.
class Stacks {
 public:
  static constexpr size_t kBytes = 128 << 10;

  Stacks();
  ~Stacks();
  Stacks(const Stacks&) = delete;
  Stacks& operator=(const Stacks&) = delete;
  // A stack that starts in `entry`, which must not return.
  Stack* take(void (*entry)());
  void give_back(Stack* stack) { free_.push_back(stack); }

 private:
  struct Slab;
  void grow();
  std::vector<Slab> slabs_;
  std::vector<Stack*> free_;
};

// Leaves the stack that runs, kept in `from`, for `to`.
void switch_stack(Stack& from, Stack& to);
// The same, for the last time: what is on the stack that runs is given up.
[[noreturn]] void leave_stack(Stack& to);
// The first thing to do on a fresh stack. `own`: the thread's own stack, whose bounds are learned here when they are
// not known: the first fibre is entered from it.
void arrive_on_stack(Stack& own);

}  // namespace circumplex::emulator

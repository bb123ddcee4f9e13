#include "emulator/fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <new>

// The sanitizers have to be told of every switch.
#if defined(__SANITIZE_ADDRESS__)
extern "C" {
void __asan_unpoison_memory_region(void const volatile* address, size_t size);
void __sanitizer_start_switch_fiber(void** fake_stack_save, const void* bottom, size_t size);
void __sanitizer_finish_switch_fiber(void* fake_stack_save, const void** bottom_old, size_t* size_old);
}
#elif defined(__SANITIZE_THREAD__)
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
}
#endif

// circumplex_switch(save, load): pushes what the calling convention preserves, stores the stack pointer in *save, goes
// on where `load` was stored. 15 instructions; swapcontext, which also saves the signal mask, costs ten times as much.
extern "C" void circumplex_switch(void** save, void* load);

#if defined(__x86_64__)
asm(R"(
.text
.balign 16
.hidden circumplex_switch
.globl circumplex_switch
.type circumplex_switch, @function
circumplex_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size circumplex_switch, . - circumplex_switch
)");
#elif defined(__aarch64__)
asm(R"(
.text
.balign 16
.hidden circumplex_switch
.globl circumplex_switch
.type circumplex_switch, %function
circumplex_switch:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size circumplex_switch, . - circumplex_switch
)");
#else
#error "the emulator has a stack switch for x86-64 and aarch64"
#endif

namespace circumplex::emulator {
namespace {

constexpr size_t kStacksPerSlab = 64;

// The frame that circumplex_switch pops on its first way into `entry`.
void* first_frame(unsigned char* top, void (*entry)()) {
  auto** at = reinterpret_cast<void**>(top);
#if defined(__x86_64__)
  *--at = nullptr;  // where a caller's return address would be: a function starts with the stack 8 off a multiple of 16
  *--at = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; i++) *--at = nullptr;
#else
  at -= 20;
  for (int i = 0; i < 20; i++) at[i] = nullptr;
  at[11] = reinterpret_cast<void*>(entry);  // x30
#endif
  return at;
}

size_t page_bytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

}  // namespace

struct Stacks::Slab {
  unsigned char* memory;
  size_t bytes;
  Stack* stacks;
};

Stacks::Stacks() = default;

Stacks::~Stacks() {
  for (const Slab& slab : slabs_) {
    munmap(slab.memory, slab.bytes);
    delete[] slab.stacks;
  }
}

void Stacks::grow() {
  const size_t each = kBytes + page_bytes(), bytes = kStacksPerSlab * each;
  void* memory = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  const Slab slab{static_cast<unsigned char*>(memory), bytes, new Stack[kStacksPerSlab]};
  slabs_.push_back(slab);
  for (size_t i = 0; i < kStacksPerSlab; i++) {
    unsigned char* bottom = slab.memory + i * each + page_bytes();
    if (mprotect(bottom, kBytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    // Tops at different places of a page, or all stacks would compete for the same few lines of the cache.
    slab.stacks[i] = {bottom, kBytes - i * 64, nullptr, nullptr};
  }
  for (size_t i = kStacksPerSlab; i-- > 0;) free_.push_back(&slab.stacks[i]);
}

Stack* Stacks::take(void (*entry)()) {
  if (free_.empty()) grow();
  Stack* stack = free_.back();
  free_.pop_back();
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(stack->bottom, kBytes);  // frames that were left and not unwound
  stack->sanitizer = nullptr;
#elif defined(__SANITIZE_THREAD__)
  if (stack->sanitizer) __tsan_destroy_fiber(stack->sanitizer);
  stack->sanitizer = __tsan_create_fiber(0);
#endif
  stack->pointer = first_frame(static_cast<unsigned char*>(const_cast<void*>(stack->bottom)) + stack->bytes, entry);
  return stack;
}

namespace {

// What to say before a switch, and on the other side of it. `from` is null when it is left for good.
#if defined(__SANITIZE_ADDRESS__)
void announce(Stack* from, Stack& to) {
  __sanitizer_start_switch_fiber(from ? &from->sanitizer : nullptr, to.bottom, to.bytes);
}
void returned(Stack& from) { __sanitizer_finish_switch_fiber(from.sanitizer, nullptr, nullptr); }
#elif defined(__SANITIZE_THREAD__)
void announce(Stack* from, Stack& to) {
  if (from) from->sanitizer = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.sanitizer, 0);
}
void returned(Stack&) {}
#else
void announce(Stack*, Stack&) {}
void returned(Stack&) {}
#endif

}  // namespace

void switch_stack(Stack& from, Stack& to) {
  announce(&from, to);
  circumplex_switch(&from.pointer, to.pointer);
  returned(from);
}

void leave_stack(Stack& to) {
  void* nowhere;
  announce(nullptr, to);
  circumplex_switch(&nowhere, to.pointer);
  std::abort();
}

#if defined(__SANITIZE_ADDRESS__)
void arrive_on_stack(Stack& own) {
  const void* bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!own.bottom) own.bottom = bottom, own.bytes = bytes;
}
#else
void arrive_on_stack(Stack&) {}
#endif

}  // namespace circumplex::emulator

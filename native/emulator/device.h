#pragma once
// The emulator's implementation of cuda/device.cuh, which says what each function does. Pointers are checked: an access
// outside of its block of memory ends the launch with an error. What synchronises carries its place in the source, for
// reports and so that tests can take it away.

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>

#include "emulator/machine.h"

#define CIRCUMPLEX_KERNEL(threads) void
#define CIRCUMPLEX_KERNEL_N(threads, blocks) void
#define CIRCUMPLEX_PARAMETER
#define CIRCUMPLEX_DEVICE inline
#define CIRCUMPLEX_UNROLL
#define CIRCUMPLEX_HAS_CLUSTERS 1
#define CIRCUMPLEX_HAS_TENSOR_CORES 1

namespace circumplex::cuda {

using Location = std::source_location;

// ---- where a thread is ----

inline int thread() { return emulator::machine.fibre->thread; }
inline int threads() { return emulator::machine.grid.threads; }
inline int lane() { return thread() & 31; }
inline int warp() { return thread() >> 5; }
inline int block_x() { return emulator::machine.block->x; }
inline int block_y() { return emulator::machine.block->y; }
inline int block_z() { return emulator::machine.block->z; }
inline int blocks_x() { return emulator::machine.grid.x; }
inline int blocks_y() { return emulator::machine.grid.y; }
inline int blocks_z() { return emulator::machine.grid.z; }

// ---- memory ----

// What p[i] is: it reads when it is converted to a value and writes when it is assigned to. Only the expression itself
// does either: `auto x = p[i]` would be a pointer and not a value, and does not compile once x is used.
template <class Pointer>
class Reference {
 public:
  using T = typename Pointer::Value;

  explicit Reference(Pointer at) : at_(at) {}
  Reference(const Reference&) = default;
  operator T() const&& { return at_.read(); }
  T operator=(T v) && { return at_.write(v); }
  T operator=(const Reference& other) && { return at_.write(other.at_.read()); }
  T operator+=(T v) && { return at_.write(at_.read() + v); }
  T operator-=(T v) && { return at_.write(at_.read() - v); }
  T operator*=(T v) && { return at_.write(at_.read() * v); }
  T operator/=(T v) && { return at_.write(at_.read() / v); }
  T operator|=(T v) && { return at_.write(at_.read() | v); }
  T operator&=(T v) && { return at_.write(at_.read() & v); }
  T operator^=(T v) && { return at_.write(at_.read() ^ v); }

 private:
  Pointer at_;
};

template <class T>
class Global {
 public:
  using Value = std::remove_const_t<T>;
  static_assert(std::is_trivially_copyable_v<Value>);

  Global() = default;
  Global(std::nullptr_t) {}
  explicit Global(T* at) : at_(at), in_(emulator::allocation_of(at)) {}
  template <class U>
    requires(std::is_const_v<T> && std::is_same_v<U, Value>)
  Global(const Global<U>& other) : at_(other.at_), in_(other.in_) {}

  auto operator[](int64_t i) const {
    if constexpr (std::is_const_v<T>) {
      return (*this + i).read();
    } else {
      return Reference<Global>(*this + i);
    }
  }
  auto operator*() const { return (*this)[0]; }
  Global operator+(int64_t n) const { return Global(emulator::moved(at_, n), in_); }
  Global operator-(int64_t n) const { return *this + -n; }
  Global& operator+=(int64_t n) { return *this = *this + n; }
  explicit operator bool() const { return at_ != nullptr; }
  friend bool operator==(const Global& a, const Global& b) { return a.at_ == b.at_; }

  Value read() const {
    check(sizeof(T), alignof(T), emulator::Access::read);
    Value v;
    std::memcpy(&v, at_, sizeof(T));
    return v;
  }
  Value read_only() const {
    check(sizeof(T), alignof(T), emulator::Access::read_only);
    Value v;
    std::memcpy(&v, at_, sizeof(T));
    return v;
  }
  Value write(const Value& v) const
    requires(!std::is_const_v<T>)
  {
    check(sizeof(T), alignof(T), emulator::Access::write);
    std::memcpy(at_, &v, sizeof(T));
    return v;
  }
  // Ends the launch unless `bytes` at this address are inside the block and aligned.
  void check(uint64_t bytes, uint64_t alignment, emulator::Access access) const {
    const auto offset = reinterpret_cast<uintptr_t>(at_) - reinterpret_cast<uintptr_t>(in_->begin);
    const uint64_t all = in_->bytes.load(std::memory_order_relaxed);
    if (offset >= all || all - offset < bytes || reinterpret_cast<uintptr_t>(at_) % alignment != 0) {
      emulator::refuse_global(*in_, at_, bytes, alignment, access);
    }
    if (emulator::machine.races) [[unlikely]] {
      emulator::note_global(*in_, offset, bytes, access);
    }
  }
  T* address() const { return at_; }
  const emulator::Allocation& allocation() const { return *in_; }

 private:
  template <class>
  friend class Global;
  Global(T* at, const emulator::Allocation* in) : at_(at), in_(in) {}
  T* at_ = nullptr;
  const emulator::Allocation* in_ = &emulator::nowhere;
};

template <class T>
class Shared {
 public:
  using Value = std::remove_const_t<T>;
  static_assert(std::is_trivially_copyable_v<Value>);

  Shared() = default;
  explicit Shared(T* at) : at_(at) {}
  template <class U>
    requires(std::is_const_v<T> && std::is_same_v<U, Value>)
  Shared(const Shared<U>& other) : at_(other.address()) {}

  auto operator[](int64_t i) const {
    if constexpr (std::is_const_v<T>) {
      return (*this + i).read();
    } else {
      return Reference<Shared>(*this + i);
    }
  }
  auto operator*() const { return (*this)[0]; }
  Shared operator+(int64_t n) const { return Shared(emulator::moved(at_, n)); }
  Shared operator-(int64_t n) const { return *this + -n; }
  Shared& operator+=(int64_t n) { return *this = *this + n; }
  explicit operator bool() const { return at_ != nullptr; }
  friend bool operator==(const Shared& a, const Shared& b) { return a.at_ == b.at_; }

  Value read() const {
    check(sizeof(T), alignof(T), emulator::Access::read);
    Value v;
    std::memcpy(&v, at_, sizeof(T));
    return v;
  }
  Value write(const Value& v) const
    requires(!std::is_const_v<T>)
  {
    check(sizeof(T), alignof(T), emulator::Access::write);
    std::memcpy(at_, &v, sizeof(T));
    return v;
  }
  void check(uint64_t bytes, uint64_t alignment, emulator::Access access) const {
    const emulator::Block& block = *emulator::machine.block;
    const uint64_t offset = this->offset();
    if (offset >= block.shared_bytes || block.shared_bytes - offset < bytes || offset % alignment != 0) {
      emulator::refuse_shared(static_cast<int64_t>(offset), bytes, alignment, access);
    }
    if (emulator::machine.races) [[unlikely]] {
      emulator::note_shared(offset, bytes, access);
    }
  }
  // From the start of the block's shared memory.
  uint64_t offset() const {
    return reinterpret_cast<uintptr_t>(at_) - reinterpret_cast<uintptr_t>(emulator::machine.block->shared);
  }
  T* address() const { return at_; }

 private:
  T* at_ = nullptr;
};

template <class T>
Shared<T> shared(int64_t byte_offset) {
  return Shared<T>(reinterpret_cast<T*>(emulator::moved(emulator::machine.block->shared, byte_offset)));
}

struct alignas(16) Float4 {
  float x, y, z, w;
};

inline Float4 load4(Global<const float> p) {
  p.check(sizeof(Float4), alignof(Float4), emulator::Access::read);
  Float4 v;
  std::memcpy(&v, p.address(), sizeof(v));
  return v;
}
inline Float4 load4(Shared<const float> p) {
  p.check(sizeof(Float4), alignof(Float4), emulator::Access::read);
  Float4 v;
  std::memcpy(&v, p.address(), sizeof(v));
  return v;
}
inline void store4(Global<float> p, Float4 v) {
  p.check(sizeof(Float4), alignof(Float4), emulator::Access::write);
  std::memcpy(p.address(), &v, sizeof(v));
}
inline void store4(Shared<float> p, Float4 v) {
  p.check(sizeof(Float4), alignof(Float4), emulator::Access::write);
  std::memcpy(p.address(), &v, sizeof(v));
}

template <class T>
std::remove_const_t<T> load_read_only(Global<T> p) {
  return p.read_only();
}

inline void keep_order() {}

// ---- a block, a warp ----

inline void sync_block(Location at = Location::current()) { emulator::sync_block(at); }
inline void sync_warp(Location at = Location::current()) { emulator::sync_warp(at); }

template <class T>
T shuffle(T v, int source_lane, Location at = Location::current()) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  emulator::shuffle(&v, sizeof(T), source_lane & 31, at);
  return v;
}
template <class T>
T shuffle_xor(T v, int mask, Location at = Location::current()) {
  return cuda::shuffle<T>(v, lane() ^ mask, at);
}

// ---- clusters ----

inline int cluster_rank() { return emulator::machine.block->rank; }
inline int cluster_size() { return emulator::machine.grid.cluster; }
inline void sync_cluster(Location at = Location::current()) { emulator::sync_cluster(at); }

// Its eight bytes hold the number of the emulator's record of it.
struct alignas(8) Barrier {
  uint64_t state;
};

inline void barrier_initialise(Shared<Barrier> b, int count, Location at = Location::current()) {
  emulator::barrier_initialise(b.offset(), count, at);
}
inline void fence_barriers(Location at = Location::current()) { emulator::fence_barriers(at); }
inline void barrier_arrive(Shared<Barrier> b, Location at = Location::current()) {
  emulator::barrier_arrive(b.offset(), at);
}
inline void barrier_expect(Shared<Barrier> b, int bytes, Location at = Location::current()) {
  emulator::barrier_expect(b.offset(), bytes, at);
}
inline void barrier_wait(Shared<Barrier> b, int parity, Location at = Location::current()) {
  emulator::barrier_wait(b.offset(), parity, at);
}
inline void store_async(Shared<float> p, int rank, float v, Shared<Barrier> b, Location at = Location::current()) {
  emulator::store_async(p.offset(), rank, v, b.offset(), at);
}

// ---- asynchronous copies ----

inline void copy_async4(Shared<float> to, Global<const float> from) {
  emulator::copy_async(to.offset(), from.allocation(), from.address(), 4);
}
inline void copy_async16(Shared<float> to, Global<const float> from) {
  emulator::copy_async(to.offset(), from.allocation(), from.address(), 16);
}
inline void copy_commit() { emulator::copy_commit(); }
template <int N>
void copy_wait(Location at = Location::current()) {
  emulator::copy_wait(N, at);
}

// ---- tensor cores: the sum of a product and d is exact, and rounded once ----

// Round to nearest, ties away from zero, to 10 bits of mantissa.
inline uint32_t to_tf32(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return 0x7fffffff;
  return std::isinf(x) ? bits : (bits + 0x1000) & 0xffffe000;
}

inline void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Location at = Location::current()) {
  emulator::mma_tf32(d, a, b, at);
}

// Round to nearest, ties to even.
inline uint32_t to_bf16x2(float low, float high) {
  const auto round = [](float x) -> uint32_t {
    const auto bits = std::bit_cast<uint32_t>(x);
    return std::isnan(x) ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  };
  return round(high) << 16 | round(low);
}

inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Location at = Location::current()) {
  emulator::mma_bf16(d, a, b, at);
}

// ---- arithmetic ----

inline float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
inline double fma(double a, double b, double c) { return ::fma(a, b, c); }
// The device's differs in the last bits; both take and give 0 for a subnormal number.
inline float exp2_fast(float x) {
  const float y = ::exp2f(std::fpclassify(x) == FP_SUBNORMAL ? 0.f : x);
  return std::fpclassify(y) == FP_SUBNORMAL ? 0.f : y;
}
inline float reciprocal(float x) { return 1.f / x; }
inline float divide(float a, float b) { return a / b; }
inline float square_root(float x) { return std::sqrt(x); }
inline uint32_t multiply_high(uint32_t a, uint32_t b) { return static_cast<uint32_t>(uint64_t(a) * b >> 32); }

}  // namespace circumplex::cuda

#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

namespace circumplex::emulator {

// What a thread knows of the threads and barriers of its cluster. Thread u's own time is a counter that moves on
// whenever u lets others know of it; an operation of u is known when its time is not above the entry for u. `reads`
// says what is over, so that its memory may be overwritten; `writes`, never above it, says what can also be seen. The
// two differ only behind asynchronous stores: see races.h.
struct Knowledge {
  std::vector<uint32_t> writes, reads;  // [threads of the cluster, then barriers]; a missing entry is 0
};

// A shared, counted Knowledge, which does not change once it is shared: after a barrier all threads hold the same one.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock& other) : at_(other.at_) {
    if (at_) at_->owners++;
  }
  Clock(Clock&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
  Clock& operator=(Clock other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~Clock() { release(); }

  bool operator==(const Clock& other) const { return at_ == other.at_; }
  explicit operator bool() const { return at_ != nullptr; }
  uint32_t writes(size_t index) const { return at_ ? entry(at_->known.writes, index) : 0; }
  uint32_t reads(size_t index) const { return at_ ? entry(at_->known.reads, index) : 0; }
  const Knowledge& operator*() const { return at_->known; }

  // A copy, to be changed before it is shared.
  static Clock copy_of(const Clock& other);
  Knowledge& change() { return at_->known; }

 private:
  struct Counted {
    Knowledge known;
    int owners;
  };
  static uint32_t entry(const std::vector<uint32_t>& list, size_t index) {
    return index < list.size() ? list[index] : 0;
  }
  void release();
  static std::vector<Counted*>& free_list();
  Counted* at_ = nullptr;
};

// The elementwise maximum.
inline void join(std::vector<uint32_t>& into, const std::vector<uint32_t>& other) {
  if (into.size() < other.size()) into.resize(other.size());
  for (size_t i = 0; i < other.size(); i++) into[i] = std::max(into[i], other[i]);
}

inline void set(std::vector<uint32_t>& list, size_t index, uint32_t time) {
  if (list.size() <= index) list.resize(index + 1);
  list[index] = time;
}

}  // namespace circumplex::emulator

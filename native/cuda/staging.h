#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/control.h"
#include "core/data.h"
#include "core/plan.h"
#include "cuda/runtime.h"

namespace circumplex::cuda {

class Device;

// Columns that the GPU does not hold, chunk by chunk. While it works on one chunk, the host packs the next chunk's
// frames and a stream of its own copies them to the other slot; what a program writes comes back in the same way.
class Staging {
 public:
  static constexpr size_t kSlots = 2;

  // Of a run that makes `uses`[from, to). Null where the GPU holds all of their columns. Throws ERR_CONFIG for one that
  // it does not hold and that the program both reads and writes.
  static std::unique_ptr<Staging> make(Device& device, const Run& run, const Control& sizes,
                                       const std::vector<ColumnUse>& uses, size_t from, size_t to);

  ~Staging();

  // Of a RunData.
  float* const* table() const { return static_cast<float* const*>(table_->data()); }

  // Of chunk `index`, whose row of the schedule is `lanes`: packs its frames, for which `stream` then waits.
  void bring(int64_t index, const int32_t* lanes, Stream& stream);
  // What the program wrote, to the host, when `stream` gets there,
  void fetch(int64_t index, Stream& stream);
  // and into the columns, when it has got there.
  void store(int64_t index, const int32_t* lanes);

 private:
  struct Part {
    ColumnUse use;
    int64_t replicas, frames;  // of the column; of a lane
    size_t offset;             // in a slot, bytes
  };
  struct Slot {
    std::shared_ptr<Memory> host, device;
  };

  Staging(Device& device, const Run& run, const Control& sizes, const std::vector<ColumnUse>& uses, size_t from,
          size_t to);
  void add(std::vector<Part>& parts, const ColumnUse& use, int64_t chunk);
  Slot& slot(int64_t index) { return slots_[static_cast<size_t>(index) % kSlots]; }
  // Calls body(column, staged, bytes) for each run of frames of the chunk: where it is in its column, and in the slot.
  template <class Body>
  void each_run(const std::vector<Part>& parts, const int32_t* lanes, const Slot& slot, Body body) const;

  const Run& run_;
  const int64_t lanes_;
  std::vector<Part> read_, written_;
  size_t read_bytes_ = 0, bytes_ = 0;  // of a slot: what is read, then what is written
  std::array<Slot, kSlots> slots_;
  std::shared_ptr<Memory> table_;
  Stream copies_;
  Event brought_;
};

}  // namespace circumplex::cuda

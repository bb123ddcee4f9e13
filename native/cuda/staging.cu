#include <algorithm>
#include <cstring>
#include <string>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/staging.h"

namespace circumplex::cuda {
namespace {

constexpr size_t kAlignment = 256;

class PinnedMemory final : public HostAddressed {
 public:
  PinnedMemory(Context& context, size_t bytes)
      : HostAddressed(context.allocate_pinned(bytes), bytes), context_(context) {}
  ~PinnedMemory() override { context_.release_pinned(data()); }

 private:
  Context& context_;
};

char* at(const Memory& memory, size_t offset) { return static_cast<char*>(memory.data()) + offset; }
float* floats_at(const Memory& memory, size_t offset) { return reinterpret_cast<float*>(at(memory, offset)); }

}  // namespace

std::unique_ptr<Staging> Staging::make(Device& device, const Run& run, const Control& sizes,
                                       const std::vector<ColumnUse>& uses, size_t from, size_t to) {
  for (size_t i = from; i < to; i++) {
    if (run.data->on_host(uses[i].column)) {
      return std::unique_ptr<Staging>(new Staging(device, run, sizes, uses, from, to));
    }
  }
  return nullptr;
}

Staging::Staging(Device& device, const Run& run, const Control& sizes, const std::vector<ColumnUse>& uses, size_t from,
                 size_t to)
    : run_(run), lanes_(sizes.lanes), copies_(device.context()), brought_(device.context()) {
  for (const bool write : {false, true}) {
    for (size_t i = from; i < to; i++) {
      if (uses[i].write == write && run.data->on_host(uses[i].column)) {
        add(write ? written_ : read_, uses[i], sizes.chunk);
      }
    }
    if (!write) read_bytes_ = bytes_;
  }
  std::vector<float*> table(kSlots * uses.size());
  for (size_t i = 0; i < kSlots; i++) {
    slots_[i] = {std::make_shared<PinnedMemory>(device.context(), bytes_), device.allocate(bytes_)};
    for (size_t u = from; u < to; u++) {
      for (const Part& part : uses[u].write ? written_ : read_) {
        if (part.use == uses[u]) table[i * uses.size() + u] = floats_at(*slots_[i].device, part.offset);
      }
    }
  }
  table_ = device.allocate(table.size() * sizeof(float*));
  table_->write(0, table.data(), table.size() * sizeof(float*));
}

Staging::~Staging() {
  try {
    copies_.wait();  // a run that an error ended may have left one
  } catch (const Error&) {
  }
}

void Staging::add(std::vector<Part>& parts, const ColumnUse& use, int64_t chunk) {
  for (const Part& part : read_) {
    if (use.write && part.use.column == use.column) {
      throw Error("ERR_CONFIG", "column " + std::to_string(use.column) +
                                    " is read and written by one program, and the GPU has no room for it");
    }
  }
  for (const Part& part : parts) {
    if (part.use == use) return;
  }
  const int64_t replicas = run_.data->replicas(use.column), frames = use.left + chunk + use.right;
  parts.push_back({use, replicas, frames, bytes_});
  const size_t bytes = static_cast<size_t>(replicas * lanes_ * frames * use.width) * sizeof(float);
  bytes_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

template <class Body>
void Staging::each_run(const std::vector<Part>& parts, const int32_t* lanes, const Slot& slot, Body body) const {
  for (const Part& part : parts) {
    const ColumnUse& use = part.use;
    for (int64_t lane = 0; lane < lanes_; lane++) {
      const int32_t* row = lanes + lane * kScheduleColumns;
      const int64_t sequence = row[0], start = row[1], length = row[2], total = row[3];
      if (sequence < 0) continue;
      const int64_t before = std::min(start, use.left);
      const int64_t frames = std::min(start + length + use.right, total) - (start - before);
      for (int64_t replica = 0; replica < part.replicas; replica++) {
        if (part.replicas > 1 && !run_.settings.active[static_cast<size_t>(replica)]) continue;
        float* column = run_.data->host_values(use.column, sequence, replica) + (start - before) * use.width;
        float* staged = floats_at(*slot.host, part.offset) +
                        ((replica * lanes_ + lane) * part.frames + use.left - before) * use.width;
        body(column, staged, static_cast<size_t>(frames * use.width) * sizeof(float));
      }
    }
  }
}

void Staging::bring(int64_t index, const int32_t* lanes, Stream& stream) {
  if (read_.empty()) return;
  const Slot& slot = this->slot(index);
  each_run(read_, lanes, slot,
           [](const float* column, float* staged, size_t bytes) { std::memcpy(staged, column, bytes); });
  copies_.copy_in(slot.device->data(), slot.host->data(), read_bytes_);
  brought_.record(copies_);
  stream.follow(brought_);
}

void Staging::fetch(int64_t index, Stream& stream) {
  if (written_.empty()) return;
  const Slot& slot = this->slot(index);
  stream.copy_out(at(*slot.host, read_bytes_), at(*slot.device, read_bytes_), bytes_ - read_bytes_);
}

void Staging::store(int64_t index, const int32_t* lanes) {
  each_run(written_, lanes, slot(index),
           [](float* column, const float* staged, size_t bytes) { std::memcpy(column, staged, bytes); });
}

}  // namespace circumplex::cuda

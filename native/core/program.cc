#include "core/program.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace circumplex {
namespace {

// The part of a memory block that a tensor covers within one replica.
struct Range {
  const Memory* memory;
  int64_t begin, end;
  bool touches(const Range& other) const { return memory == other.memory && begin < other.end && other.begin < end; }
};

// Slots and data columns share the numbering of resources without a memory block.
constexpr int64_t kColumns = int64_t{1} << 40;

struct Access {
  Range range;
  int64_t level;
  bool write;
};

}  // namespace

Program::Program(std::shared_ptr<Device> device, ProgramDescription description)
    : device_(std::move(device)),
      replicas_(description.replicas),
      lanes_(description.lanes),
      chunk_(description.chunk) {
  const int64_t r = description.replicas, lanes = description.lanes;
  if (r < 1 || lanes < 1 || description.chunk < 1 || r > 1 << 16 || lanes > 1 << 20 || description.chunk > 1 << 26) {
    throw Error("ERR_SHAPE", "a program needs replicas, lanes and frames a chunk of at least 1");
  }
  for (const BufferDescription& b : description.buffers) {
    Tensor tensor{};
    if (b.dims.size() > 4) throw Error("ERR_SHAPE", "a buffer has at most four axes besides the replica's");
    tensor.type = b.type;
    tensor.rank = static_cast<int32_t>(b.dims.size());
    for (size_t i = 0; i < b.dims.size(); i++) {
      if (b.dims[i] < 0 || b.dims[i] > int64_t{1} << 40) throw Error("ERR_SHAPE", "a buffer has an impossible axis");
      tensor.dims[i] = b.dims[i];
    }
    tensor.replicas = b.replicated ? r : 1;
    int64_t most = int64_t{1} << 40;  // elements: beyond any memory, and far from an overflow
    for (int32_t i = 0; i < tensor.rank; i++) {
      if (tensor.dims[i] > most) throw Error("ERR_OUT_OF_MEMORY", "a buffer would have more than 2^40 values");
      if (tensor.dims[i] > 0) most /= tensor.dims[i];
    }
    const int64_t size = tensor.size();
    tensor.stride = !b.replicated ? 0 : b.memory ? b.stride : size;
    std::shared_ptr<Memory> memory = b.memory;
    const int64_t elements = size + (tensor.replicas - 1) * tensor.stride;
    const size_t width = bytes_of(b.type);
    if (!memory) memory = device_->allocate(static_cast<size_t>(elements) * width);
    if (memory->gpu() != device_->gpu()) throw Error("ERR_CONFIG", "a buffer's memory block lies on another device");
    constexpr int64_t kFar = int64_t{1} << 40;
    if (b.offset < 0 || b.offset > kFar || tensor.stride < 0 || tensor.stride > kFar ||
        (tensor.replicas > 1 && tensor.stride < size) ||
        (b.offset + elements) * static_cast<int64_t>(width) > static_cast<int64_t>(memory->bytes())) {
      throw Error("ERR_SHAPE", "a buffer lies outside its memory block");
    }
    tensor.data = static_cast<char*>(memory->data()) + b.offset * static_cast<int64_t>(width);
    memory_.push_back(std::move(memory));
    buffers_.push_back(tensor);
  }

  execution_ =
      device_->execution(static_cast<int32_t>(r), static_cast<int32_t>(lanes), static_cast<int32_t>(description.chunk));
  plan(description);
  execution_->finish();
}

void Program::plan(const ProgramDescription& description) {
  std::vector<Access> accesses;
  for (const CallDescription& c : description.calls) {
    Call call;
    call.op = c.op;
    call.attributes_ = c.attributes;
    std::vector<Access> touched;
    int64_t level = 0;
    const auto add = [&](const std::vector<int64_t>& indices, std::vector<Tensor>& tensors, bool write) {
      for (int64_t index : indices) {
        if (index < 0) {
          tensors.push_back(Tensor{});
          continue;
        }
        if (index >= static_cast<int64_t>(buffers_.size())) throw Error("ERR_SHAPE", c.op + ": no such buffer");
        const Tensor& tensor = buffers_[static_cast<size_t>(index)];
        const Memory* memory = memory_[static_cast<size_t>(index)].get();
        const int64_t width = static_cast<int64_t>(bytes_of(tensor.type));
        const int64_t begin = static_cast<char*>(tensor.data) - static_cast<char*>(memory->data());
        const Range range{memory, begin, begin + tensor.size() * width};
        for (const Access& a : accesses) {
          if ((write || a.write) && a.range.touches(range)) level = std::max(level, a.level + 1);
        }
        touched.push_back({range, 0, write});
        tensors.push_back(tensor);
      }
    };
    add(c.inputs, call.inputs_, false);
    add(c.outputs, call.outputs_, true);
    // What a forward call keeps for its backward call is a resource like a buffer, without a memory block.
    if (const auto slot = c.attributes.find("slot"); slot != c.attributes.end() && !slot->second.empty()) {
      const int64_t id = static_cast<int64_t>(slot->second[0]);
      const Range range{nullptr, id, id + 1};
      for (const Access& a : accesses) {
        if (a.range.touches(range)) level = std::max(level, a.level + 1);
      }
      touched.push_back({range, 0, true});
    }
    // A data column is a resource too: what a scatter writes, a later gather reads.
    if (const auto column = c.attributes.find("column"); column != c.attributes.end() && !column->second.empty()) {
      const int64_t id = kColumns + static_cast<int64_t>(column->second[0]);
      const Range range{nullptr, id, id + 1};
      const bool write = call.outputs_.empty();
      for (const Access& a : accesses) {
        if ((write || a.write) && a.range.touches(range)) level = std::max(level, a.level + 1);
      }
      touched.push_back({range, 0, write});
    }
    for (Access& a : touched) {
      a.level = level;
      accesses.push_back(a);
    }
    kernels_.push_back(c.op + ": " + execution_->add(call, level));
  }
}

void Program::check(const std::vector<int32_t>& schedule, const RunSettings& settings, const Data* data) const {
  const size_t r = static_cast<size_t>(replicas_);
  const size_t row = static_cast<size_t>(lanes_ * kScheduleColumns);
  if (schedule.size() % row) throw Error("ERR_SHAPE", "the schedule's rows do not fit the program's lanes");
  if (settings.learning_rate.size() != r || settings.active.size() != r || settings.seed.size() != r) {
    throw Error("ERR_SHAPE", "a run needs a learning rate, a seed and an active flag for each replica");
  }
  for (size_t i = 0; i < schedule.size(); i += kScheduleColumns) {
    const int32_t sequence = schedule[i], start = schedule[i + 1], length = schedule[i + 2], total = schedule[i + 3];
    if (sequence < 0) continue;
    const bool fits = start >= 0 && length >= 0 && length <= chunk_ && total >= length && start <= total - length;
    const bool known = !data || (sequence < data->sequences() && total == data->length(sequence));
    if (!fits || !known) throw Error("ERR_SHAPE", "the schedule names frames that its sequence does not have");
  }
  if (data && data->device()->gpu() != device_->gpu()) throw Error("ERR_CONFIG", "the data set lies on another device");
  for (const ColumnUse& use : execution_->columns()) {
    if (!data || use.column < 0 || use.column >= data->columns()) {
      throw Error("ERR_SHAPE", "the program needs column " + std::to_string(use.column) + " of a data set");
    }
    const int64_t replicas = data->replicas(use.column);
    const bool shared = !use.write && replicas == 1;
    if (data->width(use.column) != use.width || !(shared || replicas == use.replicas)) {
      throw Error("ERR_SHAPE", "column " + std::to_string(use.column) + " has another width or number of replicas");
    }
  }
}

size_t Program::offset_of(int64_t buffer, int64_t replica) const {
  const Tensor& tensor = this->buffer(buffer);
  const Memory& memory = *memory_[static_cast<size_t>(buffer)];
  const auto* from = static_cast<const char*>(memory.data());
  return static_cast<size_t>(static_cast<const char*>(tensor.data) - from) +
         static_cast<size_t>(replica * tensor.stride) * bytes_of(tensor.type);
}

void Program::read(int64_t buffer, int64_t replica, void* to, size_t bytes) const {
  memory_[static_cast<size_t>(buffer)]->read(offset_of(buffer, replica), to, bytes);
}

void Program::write(int64_t buffer, int64_t replica, const void* from, size_t bytes) {
  memory_[static_cast<size_t>(buffer)]->write(offset_of(buffer, replica), from, bytes);
}

int64_t Program::run(const std::vector<int32_t>& schedule, const RunSettings& settings, const Data* data,
                     const std::atomic<bool>& stop, const std::function<void(int64_t)>& chunk_done, int64_t from_call,
                     int64_t to_call) {
  const Data::Use use(data);
  check(schedule, settings, data);
  std::lock_guard lock(device_->exclusive());
  from_call = std::max<int64_t>(from_call, 0);
  to_call = std::min(to_call, calls());
  return execution_->run({schedule, settings, data, stop, chunk_done, from_call, to_call});
}

}  // namespace circumplex

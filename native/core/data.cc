#include "core/data.h"

#include <string>
#include <utility>

#include "core/error.h"

namespace circumplex {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 40;

}  // namespace

Data::Data(std::shared_ptr<Device> device, std::vector<int64_t> lengths)
    : device_(std::move(device)), lengths_(std::move(lengths)) {
  for (int64_t length : lengths_) {
    if (length < 0 || length > INT32_MAX) throw Error("ERR_SHAPE", "a sequence has an impossible length");
    offsets_.push_back(frames_);
    frames_ += length;
    if (frames_ > kMostValues) throw Error("ERR_OUT_OF_MEMORY", "the data set has too many frames");
  }
  const size_t bytes = lengths_.size() * sizeof(int64_t);
  sequence_table_ = device_->allocate(2 * bytes);
  sequence_table_->write(0, offsets_.data(), bytes);
  sequence_table_->write(bytes, lengths_.data(), bytes);
}

int64_t Data::add_column(int64_t width, int64_t replicas) {
  if (width < 1 || replicas < 1) throw Error("ERR_SHAPE", "a column needs a width and replicas of at least 1");
  if (users_ > 0) throw Error("ERR_CONFIG", "a column cannot be added while a program runs over the data set");
  if (width > kMostValues || replicas > kMostValues / width || frames_ > kMostValues / (width * replicas)) {
    throw Error("ERR_OUT_OF_MEMORY", "a column would have more than 2^40 values");
  }
  std::vector<DataView::Column> columns = columns_;
  std::shared_ptr<Memory> memory =
      device_->allocate_column(sizeof(float) * static_cast<size_t>(frames_ * width * replicas));
  columns.push_back({static_cast<float*>(memory->data()), width, replicas});
  const size_t bytes = columns.size() * sizeof(DataView::Column);
  std::shared_ptr<Memory> table = device_->allocate(bytes);
  table->write(0, columns.data(), bytes);
  columns_ = std::move(columns);
  column_table_ = std::move(table);
  memory_.push_back(std::move(memory));
  return this->columns() - 1;
}

size_t Data::offset_of(int64_t column, int64_t sequence, int64_t replica) const {
  const DataView::Column& c = columns_[static_cast<size_t>(column)];
  const int64_t r = c.replicas == 1 ? 0 : replica;
  const int64_t frame = offsets_[static_cast<size_t>(sequence)] * c.replicas + r * length(sequence);
  return static_cast<size_t>(frame * c.width) * sizeof(float);
}

size_t Data::size_of(int64_t column, int64_t sequence) const {
  return static_cast<size_t>(length(sequence) * width(column)) * sizeof(float);
}

void Data::read(int64_t column, int64_t sequence, int64_t replica, float* to) const {
  memory_[static_cast<size_t>(column)]->read(offset_of(column, sequence, replica), to, size_of(column, sequence));
}

void Data::write(int64_t column, int64_t sequence, int64_t replica, const float* from) {
  memory_[static_cast<size_t>(column)]->write(offset_of(column, sequence, replica), from, size_of(column, sequence));
}

float* Data::host_values(int64_t column, int64_t sequence, int64_t replica) const {
  return reinterpret_cast<float*>(static_cast<char*>(memory_[static_cast<size_t>(column)]->data()) +
                                  offset_of(column, sequence, replica));
}

DataView Data::view() const {
  const int64_t* table = static_cast<const int64_t*>(sequence_table_->data());
  const void* columns = column_table_ ? column_table_->data() : nullptr;
  return {static_cast<const DataView::Column*>(columns), table, table + lengths_.size()};
}

}  // namespace circumplex

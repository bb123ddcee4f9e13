#include "core/data.h"

#include <string>

#include "core/error.h"

namespace circumplex {

Data::Data(std::vector<int64_t> lengths) : lengths_(std::move(lengths)) {
  for (int64_t length : lengths_) {
    if (length < 0) throw Error("ERR_SHAPE", "a sequence has a negative length");
    offsets_.push_back(frames_);
    frames_ += length;
  }
}

int64_t Data::add_column(int64_t width, int64_t replicas) {
  if (width < 1 || replicas < 1) throw Error("ERR_SHAPE", "a column needs a width and replicas of at least 1");
  const size_t bytes = sizeof(float) * static_cast<size_t>(frames_ * width * replicas);
  columns_.push_back({width, replicas, std::make_unique<Memory>(bytes)});
  return columns() - 1;
}

int64_t Data::width(int64_t column) const { return columns_.at(static_cast<size_t>(column)).width; }
int64_t Data::replicas(int64_t column) const { return columns_.at(static_cast<size_t>(column)).replicas; }

float* Data::values(int64_t column, int64_t sequence, int64_t replica) const {
  const Column& c = columns_[static_cast<size_t>(column)];
  const size_t s = static_cast<size_t>(sequence);
  const int64_t r = c.replicas == 1 ? 0 : replica;
  return static_cast<float*>(c.memory->data()) + (offsets_[s] * c.replicas + r * lengths_[s]) * c.width;
}

}  // namespace circumplex

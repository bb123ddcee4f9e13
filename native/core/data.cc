#include "core/data.h"

#include <string>

#include "core/error.h"

namespace circumplex {
namespace {

constexpr int64_t kMostValues = int64_t{1} << 40;

}  // namespace

Data::Data(std::vector<int64_t> lengths) : lengths_(std::move(lengths)) {
  for (int64_t length : lengths_) {
    if (length < 0 || length > INT32_MAX) throw Error("ERR_SHAPE", "a sequence has an impossible length");
    offsets_.push_back(frames_);
    frames_ += length;
    if (frames_ > kMostValues) throw Error("ERR_OUT_OF_MEMORY", "the data set has too many frames");
  }
}

int64_t Data::add_column(int64_t width, int64_t replicas) {
  if (width < 1 || replicas < 1) throw Error("ERR_SHAPE", "a column needs a width and replicas of at least 1");
  if (users_ > 0) throw Error("ERR_CONFIG", "a column cannot be added while a program runs over the data set");
  if (width > kMostValues || replicas > kMostValues / width || frames_ > kMostValues / (width * replicas)) {
    throw Error("ERR_OUT_OF_MEMORY", "a column would have more than 2^40 values");
  }
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

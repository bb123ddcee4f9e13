#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/memory.h"

namespace circumplex {

// A data set on the device: columns (a modality, the targets, a model's outputs) over sequences of differing length.
// A column holds [replica, frame, feature] float32 for each sequence; one that all replicas share has one replica.
class Data {
 public:
  explicit Data(std::vector<int64_t> lengths);

  // Returns the new column's index. Its values are zero until written.
  int64_t add_column(int64_t width, int64_t replicas);

  // Held while a program runs over the data: the columns stay as they are.
  class Use {
   public:
    explicit Use(const Data* data) : data_(data) {
      if (data_) data_->users_++;
    }
    ~Use() {
      if (data_) data_->users_--;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const Data* data_;
  };

  int64_t sequences() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t columns() const { return static_cast<int64_t>(columns_.size()); }
  int64_t length(int64_t sequence) const { return lengths_[static_cast<size_t>(sequence)]; }
  int64_t width(int64_t column) const;
  int64_t replicas(int64_t column) const;
  // First value of frame 0; a shared column answers any replica.
  float* values(int64_t column, int64_t sequence, int64_t replica) const;

 private:
  struct Column {
    int64_t width, replicas;
    std::unique_ptr<Memory> memory;
  };
  std::vector<int64_t> lengths_, offsets_;  // frames before each sequence
  int64_t frames_ = 0;
  std::vector<Column> columns_;
  mutable std::atomic<int> users_{0};
};

}  // namespace circumplex

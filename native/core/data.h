#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/device.h"
#include "core/tensor.h"

namespace circumplex {

// A data set as a kernel sees it: plain addresses on the data's device.
struct DataView {
  struct Column {
    float* values;
    int64_t width, replicas;
  };
  const Column* columns;
  const int64_t* offsets;  // frames before each sequence
  const int64_t* lengths;

  // First value of frame 0; a shared column answers any replica.
  CIRCUMPLEX_HOST_DEVICE float* values(int64_t column, int64_t sequence, int64_t replica) const {
    const Column c = columns[column];
    const int64_t r = c.replicas == 1 ? 0 : replica;
    return c.values + (offsets[sequence] * c.replicas + r * lengths[sequence]) * c.width;
  }
};

// A data set on a device: columns (a modality, the targets, a model's outputs) over sequences of differing length.
// A column holds [replica, frame, feature] float32 for each sequence; one that all replicas share has one replica.
class Data {
 public:
  Data(std::shared_ptr<Device> device, std::vector<int64_t> lengths);

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
  int64_t width(int64_t column) const { return columns_.at(static_cast<size_t>(column)).width; }
  int64_t replicas(int64_t column) const { return columns_.at(static_cast<size_t>(column)).replicas; }
  const std::shared_ptr<Device>& device() const { return device_; }
  // The values of one sequence of a column, [length, width].
  void read(int64_t column, int64_t sequence, int64_t replica, float* to) const;
  void write(int64_t column, int64_t sequence, int64_t replica, const float* from);
  // Whether a column lies in the host's memory, and where its values of one sequence are then.
  bool on_host(int64_t column) const { return memory_[static_cast<size_t>(column)]->gpu() < 0; }
  float* host_values(int64_t column, int64_t sequence, int64_t replica) const;
  // Valid until the next column is added.
  DataView view() const;

 private:
  size_t offset_of(int64_t column, int64_t sequence, int64_t replica) const;
  size_t size_of(int64_t column, int64_t sequence) const;

  std::shared_ptr<Device> device_;
  std::vector<int64_t> lengths_, offsets_;
  int64_t frames_ = 0;
  std::vector<DataView::Column> columns_;
  std::vector<std::shared_ptr<Memory>> memory_;            // of each column
  std::shared_ptr<Memory> column_table_, sequence_table_;  // what the view points to
  mutable std::atomic<int> users_{0};
};

}  // namespace circumplex

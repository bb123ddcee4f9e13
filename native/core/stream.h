#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/program.h"

namespace circumplex {

// How a program that predicts one frame reads the frames that come in.
struct StreamDescription {
  struct Part {
    int64_t offset, width;  // of a frame's features
  };
  struct Input {
    int64_t values, valid;    // buffers [1,1,width of all parts] and [1,1]
    std::vector<Part> parts;  // side by side; one is missing where its first value is NaN, the input where all are
    int64_t delay;            // frames after which the program reads them
  };
  std::vector<Input> inputs;
  std::vector<int64_t> outputs, states;  // buffers: what a prediction is made of; what the recurrences carry
  int64_t features;                      // of a frame
  int64_t latency;                       // frames that must have come in before the first is predicted
  int64_t memory;                        // frames before the newest that attention windows and delays reach back to
};

// A sequence that comes in frame by frame. The program has one lane, one replica and chunks of one frame; parameters
// stay as they are. Nothing is allocated for a frame. Not for two threads at a time.
class Stream {
 public:
  // Throws ERR_CONFIG for a program of another shape, ERR_SHAPE for buffers that do not fit.
  Stream(std::shared_ptr<Program> program, StreamDescription description);

  // The next frame, [features]. True: `out` [outputs] is the prediction for
  // the frame that came `latency` frames before.
  bool push(const float* frame, float* out);
  // After the last frame: the prediction for the next of the `latency` frames that have none yet, false when all have.
  // The sequence is over then, until `reset`.
  bool finish(float* out);
  void reset();

  int64_t features() const { return description_.features; }
  int64_t outputs() const { return width_; }
  int64_t latency() const { return description_.latency; }

  // What the next predictions depend on: frames that came in, the last of them as they came, the recurrences' states.
  struct State {
    int64_t frames = 0;
    std::vector<float> recent, carried;
  };
  State save() const;
  // Throws ERR_SHAPE for a state of another model.
  void restore(const State& state);

 private:
  const float* frame(int64_t index) const { return recent_.data() + index % kept_ * description_.features; }
  void feed(int64_t newest);
  void run(int64_t start, int64_t length);
  bool predict(float* out);

  std::shared_ptr<Program> program_;
  StreamDescription description_;
  int64_t width_ = 0, carried_ = 0, kept_;
  std::vector<float> recent_;  // a ring of frames
  std::vector<float> row_;
  std::vector<int32_t> schedule_;
  RunSettings settings_;
  std::atomic<bool> stop_{false};
  int64_t frames_ = 0, arrived_ = 0;  // frames that came in; with those that are known not to come
  bool finished_ = false;
};

}  // namespace circumplex

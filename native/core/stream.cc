#include "core/stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"

namespace circumplex {

Stream::Stream(std::shared_ptr<Program> program, StreamDescription description)
    : program_(std::move(program)), description_(std::move(description)), kept_(description_.memory + 1) {
  const auto size = [&](int64_t buffer) {
    if (buffer < 0 || buffer >= program_->buffers())
      throw Error("ERR_SHAPE", "a stream names a buffer that is not there");
    return program_->buffer(buffer).size();
  };
  if (program_->device()->gpu() >= 0) throw Error("ERR_CONFIG", "a stream runs on the CPU");
  if (program_->replicas() != 1 || program_->lanes() != 1 || program_->chunk() != 1) {
    throw Error("ERR_CONFIG", "a stream needs a program of one replica, one lane and one frame a chunk");
  }
  if (description_.features < 1 || description_.latency < 0 || description_.memory < 0) {
    throw Error("ERR_SHAPE", "a stream has features, and a latency and a memory of 0 frames or more");
  }
  for (const StreamDescription::Input& input : description_.inputs) {
    int64_t width = 0;
    bool fits = input.delay >= 0 && input.delay <= description_.memory;
    for (const auto& [offset, part] : input.parts) {
      fits =
          fits && offset >= 0 && part >= 1 && part <= description_.features && offset <= description_.features - part;
      width += part;
    }
    if (!fits || size(input.values) != width || size(input.valid) != 1 ||
        program_->buffer(input.values).type != Type::f32 || program_->buffer(input.valid).type != Type::u8) {
      throw Error("ERR_SHAPE", "a stream's input does not fit its buffers");
    }
    row_.resize(std::max(row_.size(), static_cast<size_t>(width)));
  }
  for (const auto* list : {&description_.outputs, &description_.states}) {
    for (int64_t buffer : *list) {
      (list == &description_.outputs ? width_ : carried_) += size(buffer);
      if (program_->buffer(buffer).type != Type::f32) throw Error("ERR_SHAPE", "a stream's outputs are float32");
    }
  }
  recent_.resize(static_cast<size_t>(kept_ * description_.features));
  schedule_ = {0, 0, 0, INT32_MAX};
  settings_ = {{0.f}, {1}, {0}, 0, false};
  run(0, 0);
  settings_.prepared = true;
}

bool Stream::push(const float* frame, float* out) {
  if (finished_) throw Error("ERR_CONFIG", "the stream's sequence is finished: reset it to begin another");
  if (frames_ == INT32_MAX - 1) throw Error("ERR_CONFIG", "a stream's sequence has at most 2^31 - 2 frames: reset it");
  std::copy_n(frame, description_.features, recent_.data() + frames_ % kept_ * description_.features);
  frames_++;
  return predict(out);
}

bool Stream::finish(float* out) {
  finished_ = true;
  schedule_[3] = static_cast<int32_t>(frames_);
  // A sequence shorter than the latency has had no prediction yet.
  while (arrived_ - description_.latency < frames_) {
    if (predict(out)) return true;
  }
  return false;
}

void Stream::reset() {
  frames_ = arrived_ = 0;
  finished_ = false;
  schedule_[3] = INT32_MAX;
}

bool Stream::predict(float* out) {
  feed(arrived_);
  const int64_t frame = arrived_++ - description_.latency;
  const bool predicts = frame >= 0 && frame < frames_;
  run(predicts ? frame : 0, predicts ? 1 : 0);
  if (!predicts) return false;
  for (int64_t buffer : description_.outputs) {
    const int64_t values = program_->buffer(buffer).size();
    program_->read(buffer, 0, out, static_cast<size_t>(values) * sizeof(float));
    out += values;
  }
  return true;
}

// The inputs as they are when frame `newest` has come in, or would have.
void Stream::feed(int64_t newest) {
  for (const StreamDescription::Input& input : description_.inputs) {
    const int64_t index = newest - input.delay;
    const float* features = index >= 0 && index < frames_ ? frame(index) : nullptr;
    uint8_t valid = 0;
    float* to = row_.data();
    for (const auto& [offset, width] : input.parts) {
      const bool present = features && features[offset] == features[offset];
      if (present) {
        std::copy_n(features + offset, width, to);
      } else {
        std::fill_n(to, width, 0.f);
      }
      valid |= present;
      to += width;
    }
    program_->write(input.values, 0, row_.data(), static_cast<size_t>(to - row_.data()) * sizeof(float));
    program_->write(input.valid, 0, &valid, 1);
  }
}

void Stream::run(int64_t start, int64_t length) {
  schedule_[1] = static_cast<int32_t>(start);
  schedule_[2] = static_cast<int32_t>(length);
  program_->run(
      schedule_, settings_, nullptr, stop_, [](int64_t) {}, 0, program_->calls());
}

Stream::State Stream::save() const {
  State state;
  state.frames = frames_;
  for (int64_t i = std::max<int64_t>(0, frames_ - kept_); i < frames_; i++) {
    state.recent.insert(state.recent.end(), frame(i), frame(i) + description_.features);
  }
  state.carried.resize(static_cast<size_t>(carried_));
  float* to = state.carried.data();
  for (int64_t buffer : description_.states) {
    const int64_t values = program_->buffer(buffer).size();
    program_->read(buffer, 0, to, static_cast<size_t>(values) * sizeof(float));
    to += values;
  }
  return state;
}

void Stream::restore(const State& state) {
  const int64_t recent = std::min(std::max<int64_t>(state.frames, 0), kept_);
  if (state.frames < 0 || state.frames >= INT32_MAX ||
      static_cast<int64_t>(state.recent.size()) != recent * description_.features ||
      static_cast<int64_t>(state.carried.size()) != carried_) {
    throw Error("ERR_SHAPE", "the state is not that of a stream of this model");
  }
  reset();
  frames_ = state.frames;
  const int64_t first = frames_ - recent;
  for (int64_t i = 0; i < recent; i++) {
    std::copy_n(state.recent.data() + i * description_.features, description_.features,
                recent_.data() + (first + i) % kept_ * description_.features);
  }
  // What attention windows keep is computed anew, from the frames themselves.
  for (arrived_ = first; arrived_ < frames_; arrived_++) {
    feed(arrived_);
    run(0, 0);
  }
  const float* from = state.carried.data();
  for (int64_t buffer : description_.states) {
    const int64_t values = program_->buffer(buffer).size();
    program_->write(buffer, 0, from, static_cast<size_t>(values) * sizeof(float));
    from += values;
  }
}

}  // namespace circumplex

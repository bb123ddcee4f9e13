#pragma once
// A program of one recurrence, forward and backward, for the tests that run it in many ways.

#include <atomic>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "core/devices.h"
#include "core/program.h"

namespace circumplex::test {

struct Shape {
  int64_t lanes, chunk, input, hidden, layers, window;  // window 0: a plain LSTM
  bool bidirectional;
  int attention = 0;  // gdp, uniform, static
  bool bypass = false;
};

inline uint32_t state = 1;
inline float random_value() {
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
}

struct Builder {
  ProgramDescription description;
  std::vector<std::vector<float>> fills;
  std::vector<int64_t> gradients;

  float scale = 1;  // of what is drawn: large recurrent weights would magnify every rounding

  // A replica's values do not depend on how many there are.
  int64_t add(std::vector<int64_t> dims, bool replicated, bool filled) {
    int64_t size = 1;
    for (int64_t d : dims) size *= d;
    fills.emplace_back();
    for (int64_t r = 0; filled && r < (replicated ? description.replicas : 1); r++) {
      state = 7 + 1000 * static_cast<uint32_t>(fills.size()) + static_cast<uint32_t>(r);
      for (int64_t i = 0; i < size; i++) fills.back().push_back(scale * random_value());
    }
    description.buffers.push_back({Type::f32, replicated, std::move(dims), nullptr, 0, 0});
    return static_cast<int64_t>(description.buffers.size()) - 1;
  }
};

inline Builder build(const Shape& s, int64_t replicas) {
  Builder b;
  b.scale = s.hidden > 16 ? 4 / std::sqrt(static_cast<float>(s.hidden)) : 1;
  b.description.replicas = replicas;
  b.description.lanes = s.lanes;
  b.description.chunk = s.chunk;
  const int64_t directions = s.bidirectional ? 2 : 1, width = directions * s.hidden;
  const int64_t left = s.window / 2, right = s.window ? s.window - 1 - left : 0;
  const int64_t x = b.add({left + s.chunk + right, s.lanes, s.input}, false, true);
  const int64_t dy = b.add({s.chunk, s.lanes, width}, true, true);
  const int64_t y = b.add({s.chunk, s.lanes, width}, true, false);
  const int64_t memory = b.add({s.layers * directions, 2, s.lanes, s.hidden}, true, false);
  const int64_t dx = b.add({left + s.chunk + right, s.lanes, s.input}, true, false);
  CallDescription forward, backward;
  if (s.window) {
    const std::vector<int64_t> dims =
        s.attention ? std::vector<int64_t>{s.window} : std::vector<int64_t>{s.hidden, s.input};
    const int64_t score = b.add(dims, true, true), attention = b.add({s.chunk, s.lanes, s.window}, true, false);
    const int64_t dscore = b.add(dims, true, false);
    const bool scored = s.attention != 1;
    forward = {"attentive_lstm", {x, -1, scored ? score : -1}, {y, memory, attention}, {}};
    backward = {"attentive_lstm_backward", {x, dy}, {dx, scored ? dscore : -1}, {}};
  } else {
    forward = {"lstm", {x}, {y, memory}, {}};
    backward = {"lstm_backward", {x, dy}, {dx}, {}};
  }
  for (int64_t l = 0; l < s.layers; l++) {
    for (int64_t d = 0; d < directions; d++) {
      const int64_t in = l ? width : s.input;
      for (const auto& dims :
           {std::vector<int64_t>{4 * s.hidden, in}, {4 * s.hidden, s.hidden}, {4 * s.hidden}, {4 * s.hidden}}) {
        forward.inputs.push_back(b.add(dims, true, true));
        backward.outputs.push_back(b.add(dims, true, false));
      }
    }
  }
  const auto set = [](double value) { return std::vector<double>{value}; };
  forward.attributes = {{"hidden", set(static_cast<double>(s.hidden))},
                        {"layers", set(static_cast<double>(s.layers))},
                        {"bidirectional", set(s.bidirectional)},
                        {"dropout", set(0.3)},
                        {"site", set(5)},
                        {"slot", set(0)},
                        {"left", set(static_cast<double>(left))},
                        {"right", set(static_cast<double>(right))},
                        {"attention", set(s.attention)}};
  backward.attributes = {{"slot", set(0)}};
  b.description.calls = {forward, backward};
  return b;
}

// Every buffer after three chunks, the last a short one; replica 0's values first. `place` is 'cuda' or an instruction
// set.
inline std::vector<std::vector<float>> run(const Shape& s, int64_t replicas, const std::string& place, int threads) {
  const Builder b = build(s, replicas);
  const bool cuda = place == "cuda";
  Program program(open_device(cuda ? place : "cpu", threads, cuda ? "" : place), b.description);
  for (size_t i = 0; i < b.fills.size(); i++) {
    const Tensor& tensor = program.buffer(static_cast<int64_t>(i));
    const size_t size = static_cast<size_t>(tensor.size());
    for (int64_t r = 0; !b.fills[i].empty() && r < tensor.replicas; r++) {
      program.write(static_cast<int64_t>(i), r, b.fills[i].data() + static_cast<size_t>(r) * size, 4 * size);
    }
  }
  std::vector<int32_t> schedule;
  const int32_t chunk = static_cast<int32_t>(s.chunk);
  for (int32_t start : {0, chunk, 2 * chunk}) {
    for (int32_t lane = 0; lane < s.lanes; lane++) {
      const int32_t total = 2 * chunk + 1 + lane % chunk, length = start + chunk > total ? total - start : chunk;
      for (int32_t value : {lane, start, length, total}) schedule.push_back(value);
    }
  }
  RunSettings settings;
  settings.learning_rate.assign(static_cast<size_t>(replicas), 0.f);
  settings.active.assign(static_cast<size_t>(replicas), 1);
  settings.seed = {3, 4, 5};
  settings.seed.resize(static_cast<size_t>(replicas));
  settings.bypass = s.bypass;
  const std::atomic<bool> stop{false};
  program.run(
      schedule, settings, nullptr, stop, [](int64_t) {}, 0, program.calls());
  std::vector<std::vector<float>> result;
  for (int64_t i = 0; i < program.buffers(); i++) {
    std::vector<float> values(static_cast<size_t>(program.buffer(i).size()));
    program.read(i, 0, values.data(), 4 * values.size());
    result.push_back(std::move(values));
  }
  return result;
}

inline bool same(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  for (size_t i = 0; i < a.size(); i++) {
    if (std::memcmp(a[i].data(), b[i].data(), 4 * a[i].size()) != 0) return false;
  }
  return a.size() == b.size();
}

}  // namespace circumplex::test

// The recurrences give the same bits for every number of threads, alone or among replicas, and for vectors of 8 and of
// 16 floats. (Their values are held to float64 references by test/ops.)

#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "check.h"
#include "core/devices.h"
#include "core/program.h"
#include "cpu/dispatch.h"

namespace {

using namespace circumplex;

struct Shape {
  int64_t lanes, chunk, input, hidden, layers, window;  // window 0: a plain LSTM
  bool bidirectional;
};

uint32_t state = 1;
float random_value() {
  state = state * 1664525u + 1013904223u;
  return static_cast<float>(static_cast<int32_t>(state)) * 0x1p-31f;
}

struct Builder {
  ProgramDescription description;
  std::vector<std::vector<float>> fills;
  std::vector<int64_t> gradients;

  int64_t add(std::vector<int64_t> dims, bool replicated, bool filled) {
    int64_t size = replicated ? description.replicas : 1;
    for (int64_t d : dims) size *= d;
    fills.emplace_back(filled ? static_cast<size_t>(size) : 0);
    for (float& value : fills.back()) value = random_value();
    description.buffers.push_back({Type::f32, replicated, std::move(dims), nullptr, 0, 0});
    return static_cast<int64_t>(description.buffers.size()) - 1;
  }
};

Builder build(const Shape& s, int64_t replicas) {
  state = 7;
  Builder b;
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
    const int64_t score = b.add({s.hidden, s.input}, true, true),
                  attention = b.add({s.chunk, s.lanes, s.window}, true, false);
    const int64_t dscore = b.add({s.hidden, s.input}, true, false);
    forward = {"attentive_lstm", {x, -1, score}, {y, memory, attention}, {}};
    backward = {"attentive_lstm_backward", {x, dy}, {dx, dscore}, {}};
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
                        {"attention", set(0)}};
  backward.attributes = {{"slot", set(0)}};
  b.description.calls = {forward, backward};
  return b;
}

// Every buffer after three chunks, the last a short one; replica 0's values first.
std::vector<std::vector<float>> run(const Shape& s, int64_t replicas, const std::string& isa, int threads) {
  const Builder b = build(s, replicas);
  Program program(open_device("cpu", threads, isa), b.description);
  for (size_t i = 0; i < b.fills.size(); i++) {
    if (!b.fills[i].empty())
      std::memcpy(program.buffer(static_cast<int64_t>(i)).data, b.fills[i].data(), 4 * b.fills[i].size());
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
  const std::atomic<bool> stop{false};
  program.run(
      schedule, settings, nullptr, stop, [](int64_t) {}, 0, program.calls());
  std::vector<std::vector<float>> result;
  for (int64_t i = 0; i < program.buffers(); i++) {
    const Tensor& t = program.buffer(i);
    result.emplace_back(t.f32(), t.f32() + t.size());
  }
  return result;
}

bool same(const std::vector<std::vector<float>>& a, const std::vector<std::vector<float>>& b) {
  for (size_t i = 0; i < a.size(); i++) {
    if (std::memcmp(a[i].data(), b[i].data(), 4 * a[i].size()) != 0) return false;
  }
  return a.size() == b.size();
}

}  // namespace

int main() {
  const Shape shapes[] = {
      {9, 20, 12, 32, 2, 0, false},  {5, 7, 33, 7, 3, 0, true},     {1, 1, 1, 1, 1, 0, false},
      {13, 11, 40, 65, 2, 0, false}, {9, 20, 12, 32, 2, 13, false}, {4, 6, 50, 33, 1, 4, false},
      {25, 9, 17, 24, 2, 3, false},
  };
  for (const Shape& s : shapes) {
    std::map<std::string, std::vector<std::vector<float>>> results;
    for (const cpu::InstructionSet& set : cpu::instruction_sets()) {
      if (!set.available()) {
        std::printf("%s is not here: left out\n", set.name);
        continue;
      }
      results[set.name] = run(s, 1, set.name, 1);
      for (int threads : {2, 3}) {
        CHECK(same(results[set.name], run(s, 1, set.name, threads)), "%s: %d threads give other bits", set.name,
              threads);
      }
    }
    for (const char* other : {"avx512", "wide"}) {
      if (!results.count("avx2") || !results.count(other)) continue;
      CHECK(same(results["avx2"], results[other]), "avx2 and %s differ in bits (hidden %d, window %d)", other,
            static_cast<int>(s.hidden), static_cast<int>(s.window));
    }
  }
  return circumplex::test::failures != 0;
}

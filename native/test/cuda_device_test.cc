// The GPU as a device, on the emulator: what does not fit, what is not there, and that nothing is left behind.

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "check.h"
#include "core/data.h"
#include "core/devices.h"
#include "core/error.h"
#include "core/program.h"
#include "emulator/emulator.h"

namespace {

using namespace circumplex;

// The code of the error that `body` ends with, or "none".
template <class Body>
std::string code_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code;
  }
  return "none";
}

std::vector<float> counting(int64_t count, float from) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; i++) values.push_back(from + static_cast<float>(i));
  return values;
}

const std::vector<int64_t> kLengths = {40, 17, 29};

// Two replicas, three lanes, chunks of seven. A shared column is read with a halo, one of each replica's own is
// doubled into a third, of which replica 1 is stopped. Returns what the run leaves in buffers and columns after
// `chunks` chunks.
std::vector<float> processed(const std::shared_ptr<Device>& device, int32_t chunks) {
  constexpr int32_t kChunk = 7, kLeft = 2, kRight = 3;
  Data data(device, kLengths);
  const int64_t shared = data.add_column(3, 1), own = data.add_column(2, 2), result = data.add_column(2, 2);
  for (int64_t s = 0; s < 3; s++) {
    const int64_t length = data.length(s);
    data.write(shared, s, 0, counting(length * 3, 1000.f * static_cast<float>(s)).data());
    for (int64_t r = 0; r < 2; r++) {
      data.write(own, s, r, counting(length * 2, 100.f * static_cast<float>(10 * s + r)).data());
    }
  }
  const int64_t frames = kLeft + kChunk + kRight;
  ProgramDescription description{2, 3, kChunk, {}, {}};
  description.buffers = {{Type::f32, false, {frames, 3, 3}, nullptr, 0, 0},
                         {Type::u8, false, {frames, 3}, nullptr, 0, 0},
                         {Type::f32, true, {kChunk, 3, 2}, nullptr, 0, 0},
                         {Type::u8, true, {kChunk, 3}, nullptr, 0, 0},
                         {Type::f32, true, {kChunk, 3, 2}, nullptr, 0, 0}};
  description.calls = {{"gather", {}, {0, 1}, {{"column", {double(shared)}}, {"left", {kLeft}}, {"right", {kRight}}}},
                       {"gather", {}, {2, 3}, {{"column", {double(own)}}}},
                       {"add", {2, 2}, {4}, {}},
                       {"scatter", {4}, {}, {{"column", {double(result)}}}}};
  Program program(device, description);
  std::vector<int32_t> schedule;
  for (int32_t start = 0; start < chunks * kChunk; start += kChunk) {
    for (int32_t lane = 0; lane < 3; lane++) {
      const auto total = static_cast<int32_t>(kLengths[static_cast<size_t>(lane)]);
      const int32_t length = std::clamp(total - start, 0, kChunk);
      for (int32_t value : {length ? lane : -1, start, length, total}) schedule.push_back(value);
    }
  }
  const std::atomic<bool> stop{false};
  program.run(
      schedule, {{0.f, 0.f}, {1, 0}, {0, 0}, 1, false}, &data, stop, [](int64_t) {}, 0, program.calls());
  std::vector<float> all(static_cast<size_t>(frames * 9));
  program.read(0, 0, all.data(), all.size() * sizeof(float));
  for (int64_t s = 0; s < 3; s++) {
    for (int64_t r = 0; r < 2; r++) {
      std::vector<float> column(static_cast<size_t>(2 * data.length(s)));
      data.read(result, s, r, column.data());
      all.insert(all.end(), column.begin(), column.end());
    }
  }
  return all;
}

}  // namespace

int main() {
  const std::shared_ptr<Device> device = open_device("cuda:0", 0, "");
  const Memory::Live before = Memory::live();
  const std::vector<float> all = processed(device, 6);
  const float* first = all.data() + 12 * 9;  // sequence 0: replica 0 doubled, replica 1 left alone
  for (int i = 0; i < 80; i++) {
    CHECK(first[i] == 2.f * static_cast<float>(i) && first[80 + i] == 0.f, "%d", i);
  }

  // Columns for which the device has no room lie in the host's memory, and serve as well.
  for (const int32_t chunks : {1, 2, 3, 6}) {
    emulator::set_memory(int64_t{8} << 30);
    const std::vector<float> expected = processed(device, chunks);
    emulator::set_memory(Memory::live().device_bytes + (64 << 10));
    Data data(device, kLengths);
    CHECK(data.on_host(data.add_column(3, 1)), "a column for which there is no room");
    CHECK(processed(device, chunks) == expected, "from the host's memory, %d chunks", chunks);
  }
  CHECK(code_of([&] { device->allocate(65 << 10); }) == "ERR_OUT_OF_MEMORY", "what a program needs must fit");
  CHECK(code_of([&] {
          Data data(device, {7});
          const int64_t both = data.add_column(2, 1);
          ProgramDescription description{1, 1, 7, {}, {}};
          description.buffers = {{Type::f32, true, {7, 1, 2}, nullptr, 0, 0}, {Type::u8, true, {7, 1}, nullptr, 0, 0}};
          description.calls = {{"gather", {}, {0, 1}, {{"column", {double(both)}}}},
                               {"scatter", {0}, {}, {{"column", {double(both)}}}}};
          Program program(device, description);
          const std::atomic<bool> stop{false};
          program.run(
              {0, 0, 7, 7}, {{0.f}, {1}, {0}, 1, false}, &data, stop, [](int64_t) {}, 0, program.calls());
        }) == "ERR_CONFIG",
        "one column on the host read and written");
  emulator::set_memory(int64_t{8} << 30);

  CHECK(code_of([] { open_device("cuda:7", 0, ""); }) == "ERR_NO_DEVICE", "a GPU that is not there");
  CHECK(code_of([] { open_device("cuda:x", 0, ""); }) == "ERR_CONFIG", "a name that is none");
  CHECK(code_of([] { open_device("cuda,fp8", 0, ""); }) == "ERR_CONFIG", "a precision that is none");
  CHECK(open_device("cuda,tf32", 0, "")->name() == "cuda:0,tf32", "a precision");
  emulator::set_architecture(75);
  CHECK(code_of([] { open_device("cuda,tf32", 0, ""); }) == "ERR_CONFIG", "a precision that an old GPU lacks");
  emulator::set_architecture(90);
  CHECK(code_of([&] {
          const auto cpu = open_device("cpu", 1, "");
          ProgramDescription description{1, 1, 1, {}, {}};
          description.buffers.push_back({Type::f32, true, {1}, cpu->allocate(4), 0, 1});
          Program program(device, description);
        }) == "ERR_CONFIG",
        "a block of another device");

  for (int i = 0; i < 100; i++) processed(device, 2);
  const Memory::Live after = Memory::live();
  CHECK(after.device_bytes == before.device_bytes && after.blocks == before.blocks, "100 programs leave %lld bytes",
        static_cast<long long>(after.device_bytes - before.device_bytes));
  return test::failures != 0;
}

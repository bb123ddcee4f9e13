// The GPU as a device, on the emulator: what does not fit, what is not there, and that nothing is left behind.

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

// A column of 40 frames and three features, doubled chunk by chunk into a second one.
std::vector<float> doubled(const std::shared_ptr<Device>& device) {
  Data data(device, {40});
  const int64_t from = data.add_column(3, 1), to = data.add_column(3, 1);
  std::vector<float> values;
  for (int i = 0; i < 120; i++) values.push_back(static_cast<float>(i));
  data.write(from, 0, 0, values.data());
  ProgramDescription description{1, 1, 7, {}, {}};
  for (int i = 0; i < 2; i++) description.buffers.push_back({Type::f32, true, {7, 1, 3}, nullptr, 0, 0});
  description.buffers.push_back({Type::u8, true, {7, 1}, nullptr, 0, 0});
  description.calls = {{"gather", {}, {0, 2}, {{"column", {double(from)}}}},
                       {"add", {0, 0}, {1}, {}},
                       {"scatter", {1}, {}, {{"column", {double(to)}}}}};
  Program program(device, description);
  std::vector<int32_t> schedule;
  for (int32_t start = 0; start < 40; start += 7) {
    for (int32_t value : {0, start, start + 7 > 40 ? 40 - start : 7, 40}) schedule.push_back(value);
  }
  const std::atomic<bool> stop{false};
  program.run(
      schedule, {{0.f}, {1}, {0}, 1, false}, &data, stop, [](int64_t) {}, 0, program.calls());
  std::vector<float> result(120);
  data.read(to, 0, 0, result.data());
  return result;
}

}  // namespace

int main() {
  const std::shared_ptr<Device> device = open_device("cuda:0", 0, "");
  const Memory::Live before = Memory::live();
  const std::vector<float> expected = doubled(device);
  for (int i = 0; i < 120; i++) CHECK(expected[static_cast<size_t>(i)] == 2.f * static_cast<float>(i), "%d", i);

  // A column larger than what the device can hold lies in the host's memory, and serves as well.
  emulator::set_memory(400);
  CHECK(doubled(device) == expected, "from mapped memory");
  CHECK(code_of([&] { device->allocate(401); }) == "ERR_OUT_OF_MEMORY", "what a program needs must fit");
  emulator::set_memory(int64_t{1} << 30);

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

  for (int i = 0; i < 100; i++) doubled(device);
  const Memory::Live after = Memory::live();
  CHECK(after.device_bytes == before.device_bytes && after.blocks == before.blocks, "100 programs leave %lld bytes",
        static_cast<long long>(after.device_bytes - before.device_bytes));
  return test::failures != 0;
}

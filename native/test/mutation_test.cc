// Every place where a kernel synchronises is there for a reason: taken away, on the emulator, the kernel must be
// caught, by the race checker, by an error, or by another result. (gemm_test.cc does the same for the products.)

#include <map>
#include <set>
#include <string>
#include <vector>

#include "check.h"
#include "core/error.h"
#include "emulator/emulator.h"
#include "recurrence.h"

namespace {

using namespace circumplex;
using test::run;
using test::same;
using test::Shape;

// Losses, fusion, the optimiser's norm, a norm and attention over frames: what sums over threads.
std::vector<std::vector<float>> run_sums() {
  test::Builder b;
  const int64_t lanes = 3, chunk = 40, m = 2, streams = 2, context = 33;
  b.description.replicas = 1;
  b.description.lanes = lanes;
  b.description.chunk = chunk;
  const auto doubles = [&](std::vector<int64_t> dims) {
    b.fills.emplace_back();
    b.description.buffers.push_back({Type::f64, true, std::move(dims), nullptr, 0, 0});
    return static_cast<int64_t>(b.description.buffers.size()) - 1;
  };
  const auto in = [&](std::vector<int64_t> dims) { return b.add(std::move(dims), true, true); };
  const auto out = [&](std::vector<int64_t> dims) { return b.add(std::move(dims), true, false); };
  const int64_t y0 = in({chunk, lanes, m}), y1 = in({chunk, lanes, m}), target = in({chunk, lanes, m});
  const int64_t c = in({chunk, lanes, context}), w = in({m, context, streams}), bias = in({m, streams});
  const int64_t z = out({chunk, lanes, m}), attention = out({chunk, lanes, m, streams}), dz = out({chunk, lanes, m});
  const int64_t dc = out({chunk, lanes, context}), dw = out({m, context, streams}), dbias = out({m, streams});
  const int64_t d0 = out({chunk, lanes, m}), d1 = out({chunk, lanes, m}), mixed = in({streams});
  const int64_t dmixed = out({streams}), total = out({1}), wide = in({chunk, lanes, 70}),
                soft = out({chunk, lanes, 70});
  const int64_t asked = in({chunk, lanes, 30}), mixture = out({chunk, lanes, 10}), about = out({chunk, lanes, 2, 2});
  const int64_t dasked = out({chunk, lanes, 30}), gain = in({30}), shift = in({30});
  const int64_t normed = out({chunk, lanes, 30}), dnormed = out({chunk, lanes, 30}), dgain = out({30});
  const int64_t flat = b.add({9000}, true, true);
  const int64_t mse = doubles({2}), mse_totals = doubles({2}), ccc = doubles({2}), ccc_totals = doubles({3});
  const int64_t statistics = doubles({m, 8}), norm = doubles({1});
  const auto set = [](double value) { return std::vector<double>{value}; };
  b.description.calls = {
      {"dimension_fusion", {c, w, bias, y0, y1}, {z, attention}, {{"streams", set(2)}}},
      {"mse", {z, target}, {mse, mse_totals}, {}},
      {"mse_backward", {z, target, mse}, {dz}, {}},
      {"ccc", {z, target}, {ccc, ccc_totals, statistics}, {}},
      {"dimension_fusion_backward", {c, w, y0, y1, attention, dz}, {dc, dw, dbias, d0, d1}, {{"streams", set(2)}}},
      {"stream_mix_backward", {mixed, y0, y1, dz}, {dmixed}, {}},
      {"sum", {y0}, {total}, {}},
      {"softmax", {wide}, {soft}, {}},
      {"self_attention", {asked, -1}, {mixture, about}, {{"heads", set(2)}}},
      {"self_attention_backward", {asked, -1, mixture, about, mixture}, {dasked}, {{"heads", set(2)}}},
      {"layer_norm", {asked, gain, shift}, {normed}, {}},
      {"layer_norm_backward", {asked, gain, normed}, {dnormed, dgain, -1}, {}},
      {"clip", {flat}, {flat, norm}, {{"norm", set(0.5)}}},
  };
  Program program(open_device("cuda", 0, ""), b.description);
  for (size_t i = 0; i < b.fills.size(); i++) {
    if (!b.fills[i].empty()) program.write(static_cast<int64_t>(i), 0, b.fills[i].data(), 4 * b.fills[i].size());
  }
  std::vector<int32_t> schedule;
  for (int32_t lane = 0; lane < lanes; lane++) {
    for (int32_t value : {lane, 0, static_cast<int32_t>(chunk) - lane, static_cast<int32_t>(chunk)}) {
      schedule.push_back(value);
    }
  }
  RunSettings settings{{0.f}, {1}, {3}, 1, false};
  const std::atomic<bool> stop{false};
  program.run(
      schedule, settings, nullptr, stop, [](int64_t) {}, 0, program.calls());
  std::vector<std::vector<float>> result;
  for (int64_t i = 0; i < program.buffers(); i++) {
    const Tensor& tensor = program.buffer(i);
    std::vector<float> values(static_cast<size_t>(tensor.size()) * (tensor.type == Type::f64 ? 2 : 1));
    program.read(i, 0, values.data(), 4 * values.size());
    result.push_back(std::move(values));
  }
  return result;
}

const Shape shapes[] = {
    {2, 4, 5, 20, 2, 0, false}, {1, 3, 5, 20, 1, 0, true},  {3, 4, 5, 40, 2, 0, false},  {2, 3, 5, 40, 1, 0, false},
    {2, 4, 5, 20, 2, 3, false}, {3, 4, 5, 40, 2, 3, false}, {1, 3, 5, 260, 1, 0, false}, {1, 3, 5, 6, 3, 3, false},
};
constexpr int kScenarios = 9;

std::vector<std::vector<float>> scenario(int index) {
  return index < kScenarios - 1 ? run(shapes[index], 1, "cuda", 1) : run_sums();
}

std::string place(const emulator::SiteDescription& site) {
  return site.file.substr(site.file.rfind('/') + 1) + ":" + std::to_string(site.line) + " " + site.operation;
}

bool caught(int which, const std::vector<std::vector<float>>& expected) {
  for (uint64_t seed : {1, 0, 2}) {
    emulator::set_seed(seed);
    try {
      if (!same(expected, scenario(which))) return true;
    } catch (const Error&) {
      return true;
    }
  }
  return false;
}

}  // namespace

int main() {
  emulator::set_multiprocessors(8);
  emulator::set_races(true);
  // Which scenarios come by which place.
  std::map<std::string, std::set<int>> comes_by;
  std::vector<std::vector<std::vector<float>>> expected;
  std::map<std::string, int64_t> seen;
  for (int which = 0; which < kScenarios; which++) {
    expected.push_back(scenario(which));
    for (const emulator::SiteDescription& site : emulator::sites()) {
      int64_t& visits = seen[place(site)];
      if (site.visits > visits) comes_by[place(site)].insert(which);
      visits = site.visits;
    }
  }
  const std::vector<emulator::SiteDescription> sites = emulator::sites();
  int tried = 0;
  for (size_t i = 0; i < sites.size(); i++) {
    const std::string file = sites[i].file.substr(sites[i].file.rfind('/') + 1);
    if (file == "gemm.cu") continue;
    emulator::disable_site(static_cast<int>(i));
    bool found = false;
    for (int which : comes_by[place(sites[i])]) {
      if (!found) found = caught(which, expected[static_cast<size_t>(which)]);
    }
    emulator::disable_site(-1);
    CHECK(found, "%s (%s) can be taken away unnoticed", place(sites[i]).c_str(), sites[i].kernel.c_str());
    tried++;
  }
  std::printf("%d places, %d failures\n", tried, test::failures);
  return test::failures != 0;
}

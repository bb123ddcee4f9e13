#pragma once
// Runs a program in every way that must not change its bits, and holds the result to a float64 reference.
//
// A case is buffers with their first values, calls, data columns and a schedule. Every buffer lies in a block of its
// own with guard values (NaN) before, between and behind the replicas: a read outside a tensor poisons a result, a
// write outside shows. The reference works on the same values in float64, chunk by chunk and replica by replica, and
// everything that it leaves alone (rows out of use, inputs) must come out untouched.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "core/devices.h"
#include "core/error.h"
#include "core/program.h"
#include "cpu/dispatch.h"
#include "fingerprint.h"
#ifdef CIRCUMPLEX_EMULATOR
#include "emulator/emulator.h"
#endif

namespace circumplex::test {

using Values = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Chunk {
  std::vector<int64_t> sequence, start, length, total;
  int64_t frames = 0;
  bool valid(int64_t t, size_t lane) const { return t < length[lane]; }
};

struct Buffer {
  Type type;
  bool replicated;
  std::vector<int64_t> dims;
  std::vector<Values> values;  // of each replica, or of all
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : dims) n *= d;
    return n;
  }
};

struct Column {
  int64_t width;
  bool replicated;
  std::vector<Values> values;  // of each replica, sequences one after the other
};

// One replica's view of a case while the reference runs.
struct World {
  int64_t replica = 0, lanes = 0, chunk = 0;
  Chunk now;
  double rate = 0;
  uint32_t seed = 0, epoch = 0;
  bool bypass = false;
  std::vector<Values*> buffers, columns;
  std::vector<int64_t> lengths, offsets;  // of sequences, in frames
  Values& operator[](int64_t buffer) const { return *buffers[static_cast<size_t>(buffer)]; }
  // Rows in use of a tensor with `halo` frames more than the chunk.
  int64_t rows(int64_t halo = 0) const { return now.frames > 0 ? (now.frames + halo) * lanes : 0; }
  bool valid(int64_t row) const { return now.valid(row / lanes, static_cast<size_t>(row % lanes)); }
};

struct Case {
  std::string name;
  int64_t lanes = 3, chunk = 5, replicas = 3;
  std::vector<Buffer> buffers;
  std::vector<CallDescription> calls;
  std::vector<int64_t> lengths = {11, 4, 7};  // of sequences
  std::vector<Column> columns;
  std::vector<int32_t> schedule;
  std::vector<uint8_t> active;
  std::vector<float> rates;
  std::vector<uint32_t> seeds;
  uint32_t epoch = 7;
  bool bypass = false;
  double rtol = 1e-5, atol = 1e-6;
  std::function<void(World&)> reference;

  std::mt19937_64 random{12345};

  double draw(double scale = 1) {
    return static_cast<float>(scale * (2 * std::generate_canonical<double, 53>(random) - 1));
  }
  // Adds a buffer and returns its index; `make` gives each value.
  int64_t add(Type type, bool replicated, std::vector<int64_t> dims, const std::function<double()>& make) {
    Buffer b{type, replicated, std::move(dims), {}};
    for (int64_t r = 0; r < (replicated ? replicas : 1); r++) {
      Values v(static_cast<size_t>(b.size()));
      for (double& x : v) x = make();
      b.values.push_back(std::move(v));
    }
    buffers.push_back(std::move(b));
    return static_cast<int64_t>(buffers.size()) - 1;
  }
  int64_t input(std::vector<int64_t> dims, bool replicated = true, double scale = 1) {
    return add(Type::f32, replicated, std::move(dims), [&] { return draw(scale); });
  }
  int64_t output(std::vector<int64_t> dims, Type type = Type::f32, bool replicated = true) {
    return add(type, replicated, std::move(dims), [] { return 77; });
  }
  int64_t mask(std::vector<int64_t> dims, bool replicated, double share) {
    return add(Type::u8, replicated, std::move(dims), [&] { return draw() < 2 * share - 1 ? 1 : 0; });
  }
  int64_t column(int64_t width, bool replicated, const std::function<double()>& make) {
    int64_t frames = 0;
    for (int64_t length : lengths) frames += length;
    Column c{width, replicated, {}};
    for (int64_t r = 0; r < (replicated ? replicas : 1); r++) {
      Values v(static_cast<size_t>(frames * width));
      for (double& x : v) x = make();
      c.values.push_back(std::move(v));
    }
    columns.push_back(std::move(c));
    return static_cast<int64_t>(columns.size()) - 1;
  }
  void call(std::string op, std::vector<int64_t> inputs, std::vector<int64_t> outputs,
            std::map<std::string, std::vector<double>> attributes = {}) {
    calls.push_back({std::move(op), std::move(inputs), std::move(outputs), std::move(attributes)});
  }
  // A full chunk and a ragged one with an idle lane, of sequences as long as the chunks need.
  void usual_schedule() {
    lengths.clear();
    for (int64_t lane = 0; lane < lanes; lane++) lengths.push_back(2 * chunk);
    for (int64_t lane = 0; lane < lanes; lane++) row(lane, 0, chunk);
    for (int64_t lane = 0; lane < lanes; lane++) {
      if (lanes > 2 && lane == 1)
        row(-1, 0, 0);
      else
        row(lane, chunk, lane == 0 ? (chunk + 1) / 2 : chunk - (chunk > 1 ? 1 : 0));
    }
  }
  void row(int64_t sequence, int64_t start, int64_t length) {
    const int64_t total = sequence < 0 ? 0 : lengths[static_cast<size_t>(sequence)];
    for (int64_t v : {sequence, start, length, total}) schedule.push_back(static_cast<int32_t>(v));
  }
};

// What comes out of a run, as bytes: buffer by buffer, then column by column, each replica by replica.
using Bytes = std::vector<unsigned char>;
using Result = std::vector<std::vector<Bytes>>;

inline size_t width_of(Type type) { return type == Type::f64 ? 8 : type == Type::u8 ? 1 : 4; }

inline void write_value(Type type, void* to, size_t i, double value) {
  switch (type) {
    case Type::f32:
      static_cast<float*>(to)[i] = static_cast<float>(value);
      break;
    case Type::f64:
      static_cast<double*>(to)[i] = value;
      break;
    case Type::i32:
      static_cast<int32_t*>(to)[i] = static_cast<int32_t>(value);
      break;
    case Type::u8:
      static_cast<uint8_t*>(to)[i] = static_cast<uint8_t>(value);
      break;
  }
}

inline double read_value(Type type, const void* from, size_t i) {
  switch (type) {
    case Type::f32:
      return static_cast<const float*>(from)[i];
    case Type::f64:
      return static_cast<const double*>(from)[i];
    case Type::i32:
      return static_cast<const int32_t*>(from)[i];
    case Type::u8:
      return static_cast<const uint8_t*>(from)[i];
  }
  return 0;
}

// 'cuda', where the kernels for it are linked in, and the instruction sets that the processor has.
inline std::vector<std::string> places(bool bf16 = false) {
  std::vector<std::string> list;
#ifdef CIRCUMPLEX_CUDA
  if (!bf16) list.push_back("cuda");
#endif
  for (const cpu::InstructionSet& set : cpu::instruction_sets()) {
    if (set.available() && set.bf16 == bf16) list.push_back(set.name);
  }
  return list;
}

// `place` is one of them.
inline std::shared_ptr<Device> device(const std::string& place, int threads) {
  static std::map<std::pair<std::string, int>, std::shared_ptr<Device>> devices;
  std::shared_ptr<Device>& d = devices[{place, threads}];
  if (!d) d = place == "cuda" ? open_device(place, 0, "") : open_device("cpu", threads, place);
  return d;
}

constexpr int64_t kGuard = 16;  // elements

// Runs replicas first..last of a case.
inline Result run_case(const Case& c, const std::string& isa, int threads, int64_t first, int64_t last) {
  const auto of = [&](const std::vector<Values>& values, bool replicated, int64_t r) -> const Values& {
    return values[static_cast<size_t>(replicated ? r : 0)];
  };
  const std::shared_ptr<Device> where = device(isa, threads);
  ProgramDescription description{last - first, c.lanes, c.chunk, {}, c.calls};
  std::vector<std::shared_ptr<Memory>> blocks;
  for (const Buffer& b : c.buffers) {
    const int64_t size = b.size(), copies = b.replicated ? last - first : 1, stride = size + kGuard;
    Bytes bytes(static_cast<size_t>(kGuard + copies * stride) * width_of(b.type), 0xff);
    for (int64_t r = 0; r < copies; r++) {
      const Values& values = of(b.values, b.replicated, first + r);
      for (size_t i = 0; i < values.size(); i++) {
        write_value(b.type, bytes.data(), static_cast<size_t>(kGuard + r * stride) + i, values[i]);
      }
    }
    std::shared_ptr<Memory> memory = where->allocate(bytes.size());
    memory->write(0, bytes.data(), bytes.size());
    description.buffers.push_back({b.type, b.replicated, b.dims, memory, kGuard, stride});
    blocks.push_back(memory);
  }
  Data data(where, c.lengths);
  for (const Column& column : c.columns) {
    const int64_t copies = column.replicated ? last - first : 1, index = data.add_column(column.width, copies);
    for (int64_t r = 0; r < copies; r++) {
      const double* from = of(column.values, column.replicated, first + r).data();
      for (size_t s = 0; s < c.lengths.size(); s++) {
        std::vector<float> values(from, from + c.lengths[s] * column.width);
        from += c.lengths[s] * column.width;
        data.write(index, static_cast<int64_t>(s), r, values.data());
      }
    }
  }
  RunSettings settings;
  for (int64_t r = first; r < last; r++) {
    const size_t i = static_cast<size_t>(r);
    settings.active.push_back(c.active.empty() ? 1 : c.active[i]);
    settings.learning_rate.push_back(c.rates.empty() ? 0.01f : c.rates[i]);
    settings.seed.push_back(c.seeds.empty() ? 100 + static_cast<uint32_t>(r) : c.seeds[i]);
  }
  settings.epoch = c.epoch;
  settings.bypass = c.bypass;

  Program program(where, description);
  const std::atomic<bool> stop{false};
  program.run(
      c.schedule, settings, &data, stop, [](int64_t) {}, 0, program.calls());

  Result result;
  for (size_t b = 0; b < c.buffers.size(); b++) {
    const size_t width = width_of(c.buffers[b].type), size = static_cast<size_t>(c.buffers[b].size()) * width;
    const size_t guard = static_cast<size_t>(kGuard) * width;
    const size_t copies = static_cast<size_t>(program.buffer(static_cast<int64_t>(b)).replicas);
    Bytes bytes(blocks[b]->bytes());
    blocks[b]->read(0, bytes.data(), bytes.size());
    std::vector<Bytes> replicas;
    for (size_t r = 0; r < copies; r++) {
      const unsigned char* from = bytes.data() + guard + r * (size + guard);
      replicas.emplace_back(from, from + size);
    }
    bool intact = true;
    for (size_t r = 0; r <= copies; r++) {
      for (size_t i = 0; i < guard; i++) intact = intact && bytes[r * (size + guard) + i] == 0xff;
    }
    CHECK(intact, "%s: %s, %d threads wrote outside buffer %zu", c.name.c_str(), isa.c_str(), threads, b);
    result.push_back(std::move(replicas));
  }
  for (size_t column = 0; column < c.columns.size(); column++) {
    std::vector<Bytes> replicas;
    for (int64_t r = 0; r < data.replicas(static_cast<int64_t>(column)); r++) {
      Bytes bytes;
      for (size_t s = 0; s < c.lengths.size(); s++) {
        const size_t size = 4 * static_cast<size_t>(c.lengths[s] * c.columns[column].width);
        bytes.resize(bytes.size() + size);
        data.read(static_cast<int64_t>(column), static_cast<int64_t>(s), r,
                  reinterpret_cast<float*>(bytes.data() + bytes.size() - size));
      }
      replicas.push_back(std::move(bytes));
    }
    result.push_back(std::move(replicas));
  }
  return result;
}

// The values that the reference expects of all buffers, then columns, by replica.
inline std::vector<std::vector<Values>> expect(const Case& c) {
  std::vector<std::vector<Values>> values;
  for (const Buffer& b : c.buffers) values.push_back(b.values);
  for (const Column& column : c.columns) values.push_back(column.values);
  const size_t row = static_cast<size_t>(4 * c.lanes);
  for (size_t at = 0; at + row <= c.schedule.size(); at += row) {
    World w;
    w.lanes = c.lanes;
    w.chunk = c.chunk;
    w.epoch = c.epoch;
    w.bypass = c.bypass;
    w.lengths = c.lengths;
    w.offsets.assign(c.lengths.size(), 0);
    for (size_t s = 1; s < c.lengths.size(); s++) w.offsets[s] = w.offsets[s - 1] + c.lengths[s - 1];
    for (size_t lane = 0; lane < static_cast<size_t>(c.lanes); lane++) {
      const int32_t* entry = c.schedule.data() + at + 4 * lane;
      w.now.sequence.push_back(entry[0]);
      w.now.start.push_back(entry[1]);
      w.now.length.push_back(entry[0] < 0 ? 0 : entry[2]);
      w.now.total.push_back(entry[3]);
      w.now.frames = std::max<int64_t>(w.now.frames, w.now.length.back());
    }
    // A buffer that all replicas share is worked out afresh by each, from what it was before.
    const std::vector<std::vector<Values>> before = values;
    for (int64_t r = 0; r < c.replicas; r++) {
      const size_t i = static_cast<size_t>(r);
      if (!c.active.empty() && !c.active[i]) continue;
      w.replica = r;
      w.rate = c.rates.empty() ? 0.01f : c.rates[i];
      w.seed = c.seeds.empty() ? 100 + static_cast<uint32_t>(r) : c.seeds[i];
      w.buffers.clear();
      w.columns.clear();
      for (size_t b = 0; b < values.size(); b++) {
        const bool own = values[b].size() > 1 || c.replicas == 1;
        if (!own) values[b][0] = before[b][0];
        (b < c.buffers.size() ? w.buffers : w.columns).push_back(&values[b][values[b].size() > 1 ? i : 0]);
      }
      c.reference(w);
    }
  }
  return values;
}

inline void compare(const Case& c, const std::string& isa, const Result& result,
                    const std::vector<std::vector<Values>>& expected) {
  for (size_t b = 0; b < expected.size(); b++) {
    const Type type = b < c.buffers.size() ? c.buffers[b].type : Type::f32;
    for (size_t r = 0; r < expected[b].size(); r++) {
      size_t bad = 0, at = 0;
      for (size_t i = 0; i < expected[b][r].size(); i++) {
        const double want = expected[b][r][i], got = read_value(type, result[b][r].data(), i);
        const bool fits = std::isnan(want)   ? std::isnan(got)
                          : std::isinf(want) ? got == want
                                             : std::abs(got - want) <= c.atol + c.rtol * std::abs(want);
        if (!fits && bad++ == 0) at = i;
      }
      CHECK(bad == 0, "%s (%s): buffer %zu, replica %zu: %zu of %zu values, first [%zu] is %.9g, not %.9g",
            c.name.c_str(), isa.c_str(), b, r, bad, expected[b][r].size(), at,
            read_value(type, result[b][r].data(), at), expected[b][r][at]);
    }
  }
}

// What a place computed for a case goes into the test's fingerprint.
inline void fingerprint(const Case& c, const Result& result) {
  for (size_t b = 0; b < result.size(); b++) {
    const Type type = b < c.buffers.size() ? c.buffers[b].type : Type::f32;
    for (const Bytes& bytes : result[b]) {
      for (size_t i = 0; i < bytes.size() / width_of(type); i++) fingerprint(read_value(type, bytes.data(), i));
    }
  }
}

// Runs a case twice, in ways that may not change a bit: on one and two threads; on the emulator in the order of the
// source, every access checked for races, then in another order on a GPU of another size.
inline std::pair<Result, Result> run_twice(const Case& c, const std::string& place) {
#ifdef CIRCUMPLEX_EMULATOR
  if (place == "cuda") {
    emulator::set_races(true);
    Result first = run_case(c, place, 1, 0, c.replicas);
    emulator::set_races(false);
    emulator::set_seed(3);
    emulator::set_multiprocessors(5);
    Result second = run_case(c, place, 1, 0, c.replicas);
    emulator::set_seed(0);
    emulator::set_multiprocessors(132);
    return {std::move(first), std::move(second)};
  }
#endif
  return {run_case(c, place, 1, 0, c.replicas), run_case(c, place, 2, 0, c.replicas)};
}

// `bf16`: on the instruction sets that round the factors of products, and on no other.
inline void verify(const Case& c, bool bf16 = false) {
  const std::vector<std::vector<Values>> expected = expect(c);
  std::map<std::string, Result> results;
  for (const std::string& place : places(bf16)) {
    const auto [result, again] = run_twice(c, place);
    compare(c, place, result, expected);
    CHECK(result == again, "%s (%s): another run gives other bits", c.name.c_str(), place.c_str());
    for (int64_t r = 0; r < c.replicas && c.replicas > 1; r++) {
      const Result alone = run_case(c, place, 1, r, r + 1);
      for (size_t b = 0; b < alone.size(); b++) {
        if (result[b].size() == 1) continue;
        CHECK(alone[b][0] == result[b][static_cast<size_t>(r)],
              "%s (%s): buffer %zu: replica %d alone gives other bits", c.name.c_str(), place.c_str(), b,
              static_cast<int>(r));
      }
    }
    results[place] = result;
  }
  for (const char* other : {"avx512", "wide"}) {  // wide: AVX-512's shapes in AVX2's vectors
    if (!results.count("avx2") || !results.count(other)) continue;
    CHECK(results["avx2"] == results[other], "%s: avx2 and %s differ in bits", c.name.c_str(), other);
  }
  for (const char* set : {"avx2", "neon"}) {
    if (results.count(set)) fingerprint(c, results[set]);
  }
  for (const auto& [one, other] : {std::pair("avx2-bf16", "avx512-bf16"), std::pair("wide-amx", "amx-bf16")}) {
    if (!results.count(one) || !results.count(other)) continue;
    CHECK(results[one] == results[other], "%s: %s and %s differ in bits", c.name.c_str(), one, other);
  }
}

// Central differences of `loss` by every element of `x`.
inline Values gradient(Values& x, const std::function<double()>& loss) {
  Values result(x.size());
  for (size_t i = 0; i < x.size(); i++) {
    const double before = x[i], step = 1e-5;
    x[i] = before + step;
    const double above = loss();
    x[i] = before - step;
    const double below = loss();
    x[i] = before;
    result[i] = (above - below) / (2 * step);
  }
  return result;
}

}  // namespace circumplex::test

// The emulator, by small kernels that use every primitive of cuda/device.cuh. Each right kernel gives the reference's
// values, the same bits under every schedule and number of multiprocessors, and no race; each wrong one is refused,
// with the reason; and no synchronisation of a right kernel can be taken away unnoticed.

#include "emulator/emulator.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "check.h"
#include "core/error.h"
#include "core/pool.h"
#include "cuda/device.cuh"
#include "cuda/runtime.h"

namespace circumplex::cuda {
namespace {

// ---- right kernels ----

struct Rows {
  Global<const float> x;  // [block, n]
  Global<float> y;        // [block]
  int n;
};

// The sum of each row: lanes by shuffles, warps through shared memory.
template <int kThreads>
CIRCUMPLEX_KERNEL(kThreads)
row_sum(const CIRCUMPLEX_PARAMETER Rows args) {
  const Shared<float> part = shared<float>(0);  // [warp]
  float sum = 0;
  for (int i = thread(); i < args.n; i += kThreads) sum += load_read_only(args.x + block_x() * int64_t(args.n) + i);
  CIRCUMPLEX_UNROLL
  for (int mask = 16; mask > 0; mask >>= 1) sum += shuffle_xor(sum, mask);
  if (lane() == 0) part[warp()] = sum;
  sync_block();
  if (thread() != 0) return;
  args.y[block_x()] = 0.f;
  for (int i = 0; i < kThreads / 32; i++) args.y[block_x()] += part[i];
}

struct Tiles {
  Global<const float> x;  // [tile, 4, 32]
  Global<float> y;        // [tile, 32, 4]
};

// Transposes a tile of 4 x 32 a warp, two warps a block.
CIRCUMPLEX_KERNEL(64) transpose(const CIRCUMPLEX_PARAMETER Tiles args) {
  const int64_t tile = ((block_z() * int64_t(blocks_y()) + block_y()) * blocks_x() + block_x()) * 2 + warp();
  const Shared<float> s = shared<float>(512 * warp());
  store4(s + 4 * lane(), load4(args.x + 128 * tile + 4 * lane()));
  sync_warp();
  store4(args.y + 128 * tile + 4 * lane(), {s[lane()], s[32 + lane()], s[64 + lane()], s[96 + lane()]});
}

struct Steps {
  Global<float> y;
  int steps;
};

// Pairs of blocks exchange 256 values a step, two buffers in turn. Block r's buffer is free for step t + 2 when its
// partner sends: the partner has then received step t + 1, which every thread of r sent after it had read step t.
template <int kMissing>
CIRCUMPLEX_KERNEL(256)
exchange(const CIRCUMPLEX_PARAMETER Steps args) {
  const Shared<float> value = shared<float>(0);        // [2, 256]
  const Shared<Barrier> full = shared<Barrier>(2048);  // [2]
  constexpr int kBytes = 1024 - kMissing;
  if (thread() == 0) {
    for (int i = 0; i < 2; i++) barrier_initialise(full + i, 1);
    fence_barriers();
    for (int i = 0; i < 2; i++) barrier_expect(full + i, kBytes);
  }
  sync_cluster();
  float mine = static_cast<float>(cluster_rank());
  for (int t = 0; t < args.steps; t++) {
    const int slot = t & 1;
    store_async(value + slot * 256 + thread(), cluster_rank() ^ 1, mine, full + slot);
    barrier_wait(full + slot, t >> 1 & 1);
    if (thread() == 0 && t + 2 < args.steps) barrier_expect(full + slot, kBytes);
    mine = value[slot * 256 + (thread() ^ 1)] + 1.f;
  }
  args.y[block_x() * 256 + thread()] = mine;
}

// Warps 0 and 1 hand rows to warps 2 and 3 through a ring of two slots.
CIRCUMPLEX_KERNEL(128) produce_and_consume(const CIRCUMPLEX_PARAMETER Steps args) {
  const Shared<float> slots = shared<float>(0);        // [2, 64]
  const Shared<Barrier> full = shared<Barrier>(512);   // [2]
  const Shared<Barrier> empty = shared<Barrier>(528);  // [2]
  if (thread() == 0) {
    for (int i = 0; i < 4; i++) barrier_initialise(full + i, 64);
  }
  sync_block();
  const int i = thread() & 63;
  float sum = 0;
  for (int t = 0; t < args.steps; t++) {
    const int slot = t & 1, parity = t >> 1 & 1;
    if (thread() < 64) {
      barrier_wait(empty + slot, parity ^ 1);
      slots[64 * slot + i] = static_cast<float>(t + i);
      barrier_arrive(full + slot);
    } else {
      barrier_wait(full + slot, parity);
      sum += slots[64 * slot + (i ^ 33)];
      barrier_arrive(empty + slot);
    }
  }
  if (thread() >= 64) args.y[i] = sum;
}

struct Stream4 {
  Global<const float> x;  // [rows, 128]
  Global<float> y;        // [128]
  int rows;
};

// Adds rows up; the next row is on its way while one is added.
CIRCUMPLEX_KERNEL(128) add_rows(const CIRCUMPLEX_PARAMETER Stream4 args) {
  const Shared<float> buffer = shared<float>(0);  // [2, 128]
  const auto fetch = [&](int row) {
    const Shared<float> to = buffer + 128 * (row & 1);
    if (row < args.rows) {
      if (thread() < 16) copy_async16(to + 4 * thread(), args.x + 128 * int64_t(row) + 4 * thread());
      if (thread() >= 64) copy_async4(to + thread(), args.x + 128 * int64_t(row) + thread());
    }
    copy_commit();
  };
  fetch(0);
  float sum = 0;
  for (int row = 0; row < args.rows; row++) {
    fetch(row + 1);
    copy_wait<1>();
    sync_block();
    sum += buffer[128 * (row & 1) + (thread() ^ 1)];
    sync_block();
  }
  args.y[thread()] = sum;
}

struct Product {
  Global<const float> a, b;  // [16, K], [K, 8]
  Global<float> d;           // [16, 8]
};

template <int K, bool kBf16>
CIRCUMPLEX_KERNEL(32)
product(const CIRCUMPLEX_PARAMETER Product args) {
  const int g = lane() / 4, t = lane() % 4;
  float d[4];
  for (int i = 0; i < 4; i++) d[i] = args.d[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  const auto a = [&](int row, int k) { return args.a[row * K + k]; };
  const auto b = [&](int k) { return args.b[k * 8 + g]; };
  for (int k = 0; k < K; k += kBf16 ? 16 : 8) {
    uint32_t fa[4], fb[2];
    for (int i = 0; i < 4; i++) {
      const int row = g + i % 2 * 8, column = k + (kBf16 ? 2 * t + i / 2 * 8 : t + i / 2 * 4);
      fa[i] = kBf16 ? to_bf16x2(a(row, column), a(row, column + 1)) : to_tf32(a(row, column));
    }
    for (int i = 0; i < 2; i++) {
      const int row = k + (kBf16 ? 2 * t + i * 8 : t + i * 4);
      fb[i] = kBf16 ? to_bf16x2(b(row), b(row + 1)) : to_tf32(b(row));
    }
    if constexpr (kBf16) {
      mma_bf16(d, fa, fb);
    } else {
      mma_tf32(d, fa, fb);
    }
  }
  for (int i = 0; i < 4; i++) args.d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}

struct Output {
  Global<float> y;
};

// Arithmetic and shuffles of every type, one value a lane.
CIRCUMPLEX_KERNEL(32) arithmetic(const CIRCUMPLEX_PARAMETER Output args) {
  const float x = static_cast<float>(lane() + 1);
  float y = divide(x, 3.f) + reciprocal(x) + square_root(x) + fma(x, x, 1.f) + exp2_fast(-x);
  y += x * 1e-38f * 1e-3f * 1e38f;  // a subnormal number on the way
  y += static_cast<float>(shuffle(0.5 * lane(), 31 - lane()));
  y += static_cast<float>(shuffle(int32_t(lane()), lane() + 1) + shuffle(uint32_t(lane()), 3));
  y += static_cast<float>(multiply_high(0x80000000u, uint32_t(lane()))) + static_cast<float>(fma(0.1, 10., -1.));
  args.y[lane()] = y;
}

// Bytes of one word by different threads, which is no race.
struct Bytes {
  Global<uint8_t> y;
};
CIRCUMPLEX_KERNEL(64) bytes(const CIRCUMPLEX_PARAMETER Bytes args) {
  const Shared<uint8_t> s = shared<uint8_t>(0);
  s[thread()] = static_cast<uint8_t>(thread());
  sync_block();
  args.y[thread()] = s[63 - thread()];
}

// ---- wrong kernels ----

enum class Fault {
  shared_past_end,
  shared_before_start,
  shared_misaligned,
  global_past_end,
  global_before_start,
  global_misaligned,
  null_pointer,
  half_a_warp,
  half_a_block,
  two_places,
  two_places_of_a_warp,
  wait_for_nobody,
  wait_too_late,
  arrive_twice,
  no_barrier,
  overwritten_barrier,
  initialised_twice,
  store_to_nobody,
  stored_twice,
  shuffle_is_no_order,
  store_carries_no_writes,
  blocks_have_no_order,
  written_read_only,
  copy_not_waited_for,
};

struct Faulty {
  Fault fault;
  Global<float> y;  // 1024 floats
  Global<float> null;
};

CIRCUMPLEX_KERNEL(64) faulty(const CIRCUMPLEX_PARAMETER Faulty args) {
  const Shared<float> s = shared<float>(0);  // 1024 floats, of which the barrier takes the last two
  const Shared<Barrier> b = shared<Barrier>(4088);
  const Global<float> y = args.y;
  const int t = thread();
  switch (args.fault) {
    case Fault::shared_past_end:
      s[961 + t] = 1.f;
      break;
    case Fault::shared_before_start:
      s[t - 1] = 1.f;
      break;
    case Fault::shared_misaligned:
      store4(s + 2 * t, {1, 2, 3, 4});
      break;
    case Fault::global_past_end:
      y[1024 - 63 + t] = 1.f;
      break;
    case Fault::global_before_start:
      y[t - 1] = 1.f;
      break;
    case Fault::global_misaligned:
      store4(y + 2 * t, {1, 2, 3, 4});
      break;
    case Fault::null_pointer:
      args.null[t] = 1.f;
      break;
    case Fault::half_a_warp:
      if (t < 16) sync_warp();
      break;
    case Fault::half_a_block:
      if (t < 32) sync_block();
      break;
    case Fault::two_places:
      if (t < 32) {
        sync_block();
      } else {
        sync_block();
      }
      break;
    case Fault::two_places_of_a_warp:
      y[t] = t & 1 ? shuffle(1.f, 0) : shuffle(2.f, 0);
      break;
    case Fault::wait_for_nobody:
      if (t == 0) barrier_initialise(b, 64);
      sync_block();
      barrier_wait(b, 0);
      break;
    case Fault::wait_too_late:
      if (t == 0) barrier_initialise(b, 1);
      sync_block();
      if (t < 32) barrier_wait(b, 0);
      if (t == 32) {
        barrier_arrive(b);
        barrier_arrive(b);
      }
      break;
    case Fault::arrive_twice:
      if (t == 0) {
        barrier_initialise(b, 2);
        barrier_expect(b, 4);
        barrier_expect(b, 4);
        barrier_arrive(b);
      }
      break;
    case Fault::no_barrier:
      barrier_arrive(b);
      break;
    case Fault::overwritten_barrier:
      if (t == 0) barrier_initialise(b, 64);
      sync_block();
      if (t == 0) s[1022] = 1.f;
      sync_block();
      barrier_arrive(b);
      break;
    case Fault::initialised_twice:
      barrier_initialise(b, 64);
      break;
    case Fault::store_to_nobody:
    case Fault::stored_twice:
      if (t == 0) {
        barrier_initialise(b, 1);
        fence_barriers();
        barrier_expect(b, 4);
      }
      sync_cluster();
      if (t == 0) {
        for (int i = 0; i < 2; i++) {
          store_async(s + i, args.fault == Fault::store_to_nobody ? 2 : cluster_rank() ^ 1, 1.f, b);
        }
        barrier_wait(b, 0);
      }
      break;
    case Fault::shuffle_is_no_order:
      s[t] = 1.f;
      y[t] = shuffle(1.f, 0) + s[t ^ 1];
      break;
    case Fault::store_carries_no_writes:
      if (t == 0) {
        barrier_initialise(b, 1);
        fence_barriers();
        barrier_expect(b, 4);
      }
      sync_cluster();
      if (t == 0) {
        y[cluster_rank()] = 1.f;
        store_async(s, cluster_rank() ^ 1, 1.f, b);
        barrier_wait(b, 0);
        y[16] = y[cluster_rank() ^ 1] + s[0];
      }
      break;
    case Fault::blocks_have_no_order:
      if (t == 0 && block_x() == 0) y[0] = 1.f;
      if (t == 0 && block_x() == 1) y[1] = y[0];
      break;
    case Fault::written_read_only:
      y[t] = 1.f;
      y[t] = load_read_only(y + t);
      break;
    case Fault::copy_not_waited_for:
      copy_async4(s + t, y + t);
      copy_commit();
      sync_block();
      y[64 + t] = s[t];
      break;
  }
}

// ---- running them ----

Context& context() {
  static Context context(0);
  return context;
}

// Device memory with a host's copy of it.
class Floats {
 public:
  explicit Floats(const std::vector<float>& values) : count_(values.size()), at_(context().allocate(count_ * 4)) {
    context().copy_in(at_, values.data(), count_ * 4);
  }
  explicit Floats(size_t count) : Floats(std::vector<float>(count)) {}
  ~Floats() { context().release(at_); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;

  operator Global<float>() const { return Global<float>(static_cast<float*>(at_)); }
  operator Global<const float>() const { return Global<const float>(static_cast<const float*>(at_)); }
  std::vector<float> read() const {
    std::vector<float> values(count_);
    context().copy_out(values.data(), at_, count_ * 4);
    return values;
  }
  void* data() const { return at_; }

 private:
  size_t count_;
  void* at_;
};

template <class Args>
void run(const Kernel& kernel, const Grid& grid, const Args& args) {
  launch(context().stream(), kernel, grid, &args);
}

std::vector<float> numbers(size_t count, unsigned seed) {
  std::vector<float> values(count);
  for (float& v : values) {
    seed = seed * 1664525u + 1013904223u;
    v = static_cast<float>(seed >> 9) / 8388608.f - 0.5f;
  }
  return values;
}

// A right kernel: what it gives, and what it should give.
struct Case {
  const char* kernel;
  std::function<std::vector<float>()> run;
  std::vector<double> want;
  double tolerance;
};

Case row_sum_case() {
  const int blocks = 7, n = 1000;
  const std::vector<float> x = numbers(size_t(blocks * n), 1);
  std::vector<double> want(blocks);
  for (int i = 0; i < blocks * n; i++) want[size_t(i / n)] += x[size_t(i)];
  return {"row_sum",
          [=] {
            const Floats from(x), to(blocks);
            run(kernel_of<&row_sum<128>>("row_sum"), {.x = blocks, .threads = 128, .shared = 16}, Rows{from, to, n});
            return to.read();
          },
          want, 1e-4};
}

Case transpose_case() {
  const int tiles = 3 * 2 * 2 * 2;
  const std::vector<float> x = numbers(tiles * 128, 2);
  std::vector<double> want(x.size());
  for (size_t i = 0; i < x.size(); i++) want[i / 128 * 128 + i % 32 * 4 + i % 128 / 32] = x[i];
  return {"transpose",
          [=] {
            const Floats from(x), to(x.size());
            run(kernel_of("transpose", &transpose), {3, 2, 2, 64, 1, 1024}, Tiles{from, to});
            return to.read();
          },
          want, 0};
}

Case exchange_case() {
  const int steps = 9;
  std::vector<double> want(8 * 256);
  for (size_t i = 0; i < want.size(); i++) want[i] = steps + double((i / 256 + steps) & 1);
  return {"exchange",
          [=] {
            const Floats to(8 * 256);
            run(kernel_of<&exchange<0>>("exchange"), {.x = 8, .threads = 256, .cluster = 2, .shared = 2064},
                Steps{to, steps});
            return to.read();
          },
          want, 0};
}

Case produce_case() {
  const int steps = 9;
  std::vector<double> want(64);
  for (int i = 0; i < 64; i++) want[size_t(i)] = steps * (steps - 1) / 2 + steps * (i ^ 33);
  return {
      "produce_and_consume",
      [=] {
        const Floats to(64);
        run(kernel_of("produce_and_consume", &produce_and_consume), {.threads = 128, .shared = 544}, Steps{to, steps});
        return to.read();
      },
      want, 0};
}

Case add_rows_case() {
  const int rows = 9;
  const std::vector<float> x = numbers(rows * 128, 3);
  std::vector<double> want(128);
  for (size_t i = 0; i < x.size(); i++) want[(i % 128) ^ 1] += x[i];
  return {"add_rows",
          [=] {
            const Floats from(x), to(128);
            run(kernel_of("add_rows", &add_rows), {.threads = 128, .shared = 1024}, Stream4{from, to, rows});
            return to.read();
          },
          want, 1e-5};
}

// Both operands rounded as the product rounds them, so that only the sum's rounding is left.
template <int K, bool kBf16>
Case product_case(const char* kernel) {
  const auto rounded = [](double x) {
    const double unit = std::ldexp(1, std::ilogb(x) - (kBf16 ? 7 : 10));
    return unit * (kBf16 ? std::nearbyint(x / unit) : std::round(x / unit));  // a tie goes to even, away from zero
  };
  const std::vector<float> a = numbers(16 * K, 4), b = numbers(K * 8, 5), d = numbers(128, 6);
  std::vector<double> want(d.begin(), d.end());
  for (size_t i = 0; i < 128; i++) {
    for (size_t k = 0; k < K; k++) want[i] += rounded(a[i / 8 * K + k]) * rounded(b[k * 8 + i % 8]);
  }
  return {kernel,
          [=] {
            const Floats from_a(a), from_b(b), to(d);
            run(kernel_of<&product<K, kBf16>>(kernel), {.threads = 32}, Product{from_a, from_b, to});
            return to.read();
          },
          want, 2e-6};
}

Case arithmetic_case() {
  std::vector<double> want;
  for (int lane = 0; lane < 32; lane++) {
    const double x = lane + 1;
    want.push_back(x / 3 + 1 / x + std::sqrt(x) + x * x + 1 + std::exp2(-x) + 1e-3 * x + 0.5 * (31 - lane) +
                   (lane + 1) % 32 + 3 + lane / 2);
  }
  return {"arithmetic",
          [=] {
            const Floats to(32);
            run(kernel_of("arithmetic", &arithmetic), {.threads = 32}, Output{to});
            return to.read();
          },
          want, 1e-4};
}

Case bytes_case() {
  std::vector<double> want;
  for (int i = 0; i < 64; i++) want.push_back(63 - i);
  return {"bytes",
          [=] {
            const Floats to(16);
            run(kernel_of("bytes", &bytes), {.threads = 64, .shared = 64},
                Bytes{Global<uint8_t>(static_cast<uint8_t*>(to.data()))});
            std::vector<uint8_t> got(64);
            context().copy_out(got.data(), to.data(), 64);
            return std::vector<float>(got.begin(), got.end());
          },
          want, 0};
}

std::vector<Case> cases() {
  return {row_sum_case(),
          transpose_case(),
          exchange_case(),
          produce_case(),
          add_rows_case(),
          product_case<24, false>("product_tf32"),
          product_case<48, true>("product_bf16"),
          arithmetic_case(),
          bytes_case()};
}

bool correct(const Case& c, const std::vector<float>& got) {
  for (size_t i = 0; i < c.want.size(); i++) {
    if (!(std::abs(got[i] - c.want[i]) <= c.tolerance)) return false;
  }
  return got.size() == c.want.size();
}

// The message that a run ends with; empty if it ends well.
std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    CHECK(std::string(error.code) == "ERR_CUDA", "%s: %s", error.code, error.what());
    return error.what();
  }
  return "";
}

void right_kernels_are_right_under_every_schedule() {
  for (const Case& c : cases()) {
    std::vector<float> first;
    for (uint64_t seed : {0, 1, 2, 3, 4, 5}) {
      for (int multiprocessors : {2, 5, 132}) {
        for (bool races : {false, true}) {
          emulator::set_seed(seed);
          emulator::set_multiprocessors(multiprocessors);
          emulator::set_races(races);
          std::vector<float> got;
          const std::string message = refusal([&] { got = c.run(); });
          CHECK(message.empty() && correct(c, got), "%s, seed %d, %d multiprocessors: %s", c.kernel, int(seed),
                multiprocessors, message.c_str());
          if (first.empty()) first = got;
          CHECK(first.size() == got.size() && !std::memcmp(first.data(), got.data(), got.size() * sizeof(float)),
                "%s: seed %d and %d multiprocessors change bits", c.kernel, int(seed), multiprocessors);
        }
      }
    }
  }
  emulator::set_multiprocessors(4);
}

// Returns whether the case fails, by its values or by an error, under one of a few schedules.
bool noticed(const Case& c, std::string& how) {
  for (uint64_t seed : {0, 1, 2, 3}) {
    emulator::set_seed(seed);
    std::vector<float> got;
    how = refusal([&] { got = c.run(); });
    if (!how.empty()) return true;
    how = "wrong values";
    if (!correct(c, got)) return true;
  }
  return false;
}

void nothing_that_synchronises_can_be_taken_away_unnoticed() {
  emulator::set_races(true);
  int taken = 0;
  for (const Case& c : cases()) {
    const std::vector<emulator::SiteDescription> sites = emulator::sites();
    for (size_t i = 0; i < sites.size(); i++) {
      if (sites[i].kernel != c.kernel) continue;
      emulator::disable_site(static_cast<int>(i));
      std::string how;
      CHECK(noticed(c, how), "%s: without %s at line %d nothing fails", c.kernel, sites[i].operation.c_str(),
            sites[i].line);
      std::printf("%s without %s at line %d: %s\n", c.kernel, sites[i].operation.c_str(), sites[i].line, how.c_str());
      taken++;
    }
    emulator::disable_site(-1);
    emulator::set_seed(0);
    CHECK(correct(c, c.run()), "%s is not right again", c.kernel);
  }
  CHECK(taken == 16, "%d places were taken away", taken);
}

struct Expectation {
  Fault fault;
  const char* message;  // or, under another schedule, what is behind its "|"
  int blocks, cluster;
  bool races;  // only the race checker sees it
};

const Expectation kExpectations[] = {
    {Fault::shared_past_end, "writes 4 bytes at 4096 of shared memory, of which the block has 4096", 1, 1, false},
    {Fault::shared_before_start, "writes 4 bytes at -4 of shared memory", 1, 1, false},
    {Fault::shared_misaligned, "of shared memory, which is no multiple of 16", 1, 1, false},
    {Fault::global_past_end, "writes 4 bytes at 4096 of allocation", 1, 1, false},
    {Fault::global_before_start, "writes 4 bytes at -4 of allocation", 1, 1, false},
    {Fault::global_misaligned, "which is no multiple of 16", 1, 1, false},
    {Fault::null_pointer, "bytes of a null pointer", 1, 1, false},
    {Fault::half_a_warp, "deadlock: threads wait that nobody wakes: 16 of block (0, 0, 0) at sync_warp at emulator", 1,
     1, false},
    {Fault::half_a_block, "deadlock: threads wait that nobody wakes: 32 of block (0, 0, 0) at sync_block at emulator",
     1, 1, false},
    {Fault::two_places, "while other threads of its block are at sync_block", 1, 1, false},
    {Fault::two_places_of_a_warp, "while other threads of its warp are at shuffle", 1, 1, false},
    {Fault::wait_for_nobody,
     "for the barrier at shared offset 4088 (phase 0, 64 of 64 arrivals and 0 bytes outstanding); 0 threads", 1, 1,
     false},
    {Fault::wait_too_late, "a thread that spins here may miss the phase|deadlock", 1, 1, false},
    {Fault::arrive_twice, "one arrival too many on the barrier at shared offset 4088", 1, 1, false},
    {Fault::no_barrier, "there is no initialised barrier at shared offset 4088", 1, 1, false},
    {Fault::overwritten_barrier, "there is no initialised barrier at shared offset 4088", 1, 1, false},
    {Fault::initialised_twice, "is initialised already", 1, 1, false},
    {Fault::store_to_nobody, "store_async to block 2 of a cluster of 2", 2, 2, false},
    {Fault::stored_twice, "is still under way: wait for it|more bytes were stored than expected", 2, 2, false},
    {Fault::shuffle_is_no_order, "race on shared memory of block (0, 0, 0)", 1, 1, true},
    {Fault::store_carries_no_writes, "race on allocation", 2, 2, true},
    {Fault::blocks_have_no_order, "race on allocation", 2, 1, true},
    {Fault::written_read_only, "reads as read-only", 1, 1, true},
    {Fault::copy_not_waited_for, "an asynchronous copy of block (0, 0, 0), thread", 1, 1, true},
};

std::string run_faulty(Fault fault, int blocks, int cluster) {
  const Floats y(1024);
  return refusal([&] {
    run(kernel_of("faulty", &faulty), {.x = blocks, .threads = 64, .cluster = cluster, .shared = 4096},
        Faulty{fault, y, nullptr});
  });
}

bool says(const std::string& message, const std::string& expected) {
  const size_t bar = expected.find('|');
  return message.find(expected.substr(0, bar)) != std::string::npos ||
         (bar != std::string::npos && message.find(expected.substr(bar + 1)) != std::string::npos);
}

void wrong_kernels_are_refused_with_the_reason() {
  const Case right = row_sum_case();
  for (const Expectation& e : kExpectations) {
    for (uint64_t seed : {0, 1, 2, 3}) {
      emulator::set_seed(seed);
      emulator::set_races(e.races);
      const std::string message = run_faulty(e.fault, e.blocks, e.cluster);
      CHECK(message.rfind("kernel faulty: ", 0) == 0 && says(message, e.message),
            "fault %d, seed %d: expected '%s', got '%s'", int(e.fault), int(seed), e.message, message.c_str());
      if (seed == 0) std::printf("%s\n", message.c_str());
      CHECK(correct(right, right.run()), "after fault %d a right kernel fails", int(e.fault));
    }
  }
}

void a_wrong_count_of_bytes_is_refused() {
  const Floats to(2 * 256);
  const auto message_of = [&](const Kernel& kernel) {
    return refusal([&] { run(kernel, {.x = 2, .threads = 256, .cluster = 2, .shared = 2064}, Steps{to, 3}); });
  };
  emulator::set_seed(0);
  emulator::set_races(false);
  const std::string few = message_of(kernel_of<&exchange<4>>("exchange")),
                    many = message_of(kernel_of<&exchange<-4>>("exchange"));
  CHECK(says(few, "is still under way"), "%s", few.c_str());
  CHECK(many.find("deadlock") != std::string::npos && many.find("and 4 bytes outstanding") != std::string::npos, "%s",
        many.c_str());
  emulator::set_races(true);
  CHECK(says(message_of(kernel_of<&exchange<4>>("exchange")), "race on"), "%s", few.c_str());
}

void what_was_released_or_is_not_the_devices_is_refused() {
  emulator::set_seed(0);
  emulator::set_races(false);
  std::vector<float> host(64);
  Global<float> gone;
  {
    const Floats y(64);
    gone = y;
  }
  const auto message_of = [](Global<float> y) {
    return refusal([&] { run(kernel_of("arithmetic", &arithmetic), {.threads = 32}, Output{y}); });
  };
  CHECK(message_of(gone).find("which was released") != std::string::npos, "%s", message_of(gone).c_str());
  const std::string message = message_of(Global<float>(host.data()));
  CHECK(message.find("never allocated on the device") != std::string::npos, "%s", message.c_str());
}

void launches_are_in_order_and_branches_are_not() {
  emulator::set_races(true);
  const Floats x(numbers(128, 7)), y(128);
  const auto step = [](const Kernel& kernel, const auto& args) {
    const auto* from = reinterpret_cast<const unsigned char*>(&args);
    return Step{kernel, {.threads = 128, .shared = 1024}, {from, from + sizeof args}};
  };
  const Step there = step(kernel_of("add_rows", &add_rows), Stream4{x, y, 1}),
             back = step(kernel_of("add_rows", &add_rows), Stream4{y, x, 1});
  const auto message_of = [](const std::vector<std::vector<std::vector<Step>>>& levels) {
    return refusal([&] {
      Graph graph(context(), levels);
      graph.run(context().stream());
      graph.run(context().stream());
    });
  };
  for (uint64_t seed : {0, 1, 2, 3}) {
    emulator::set_seed(seed);
    CHECK(message_of({{{there, back}}}).empty(), "a branch is in order");
    CHECK(message_of({{{there}}, {{back}}}).empty(), "levels are in order");
    CHECK(message_of({{{there}, {there}}}).find("race on") != std::string::npos, "both branches write");
    const std::string message = message_of({{{there}, {back}}});
    CHECK(message.find("race on") != std::string::npos && message.find("of another branch") != std::string::npos, "%s",
          message.c_str());
    CHECK(!message_of({{{there, back}, {}, {there}}}).empty(), "the third branch reads what the first one writes");
  }
}

void limits_of_the_architecture_hold() {
  emulator::set_seed(0);
  emulator::set_races(false);
  struct Limit {
    Grid grid;
    int architecture;
    const char* message;
  };
  const Limit limits[] = {
      {{.threads = 1056}, 90, "grid.threads is 1056"},
      {{.threads = 0}, 90, "grid.threads is 0"},
      {{.x = 0}, 90, "grid.x is 0"},
      {{.y = 65536}, 90, "grid.y is 65536"},
      {{.z = 65536}, 90, "grid.z is 65536"},
      {{.x = 16, .cluster = 16}, 90, "grid.cluster is 16"},
      {{.x = 3, .cluster = 2}, 90, "no multiple of the cluster"},
      {{.x = 2, .cluster = 2}, 80, "grid.cluster is 2"},
      {{.shared = (227 << 10) + 1}, 90, "grid.shared is"},
      {{.shared = (163 << 10) + 1}, 80, "grid.shared is"},
      {{.shared = (64 << 10) + 1}, 75, "grid.shared is"},
  };
  const Floats y(32);
  for (const Limit& limit : limits) {
    emulator::set_architecture(limit.architecture);
    const std::string message = refusal([&] { run(kernel_of("arithmetic", &arithmetic), limit.grid, Output{y}); });
    CHECK(message.find(limit.message) != std::string::npos, "expected '%s', got '%s'", limit.message, message.c_str());
  }
  emulator::set_architecture(80);
  const Context old(0);
  CHECK(old.properties().major == 8 && old.properties().shared_per_block == 163 << 10, "%d", old.properties().major);
  emulator::set_architecture(90);
  CHECK(refusal([&] {
          run(kernel_of("arithmetic", &arithmetic), {.threads = 48}, Output{y});
        }).find("the block's last warp has no 32 threads") != std::string::npos,
        "half a warp");
  int code = 0;
  try {
    context().allocate(size_t(1) << 60);
  } catch (const Error& error) {
    code = std::string(error.code) == "ERR_OUT_OF_MEMORY" ? 1 : 2;
  }
  CHECK(code == 1, "out of memory");
}

// A chain of the recurrence's form: 256 threads, a value each, two shuffles and a sync_block a step.
struct Chain {
  Global<float> y;
  int steps;
};
CIRCUMPLEX_KERNEL(256) chain(const CIRCUMPLEX_PARAMETER Chain args) {
  const Shared<float> h = shared<float>(0);  // [2, 64]
  if (thread() < 64) h[thread()] = 0.f;
  sync_block();
  for (int t = 0; t < args.steps; t++) {
    float sum = 0.f;
    for (int k = 0; k < 16; k++) sum = fma(0.01f, h[64 * (t & 1) + 16 * (thread() & 3) + k], sum);
    sum += shuffle_xor(sum, 1);
    sum += shuffle_xor(sum, 2);
    if ((thread() & 3) == 0) h[64 * (~t & 1) + thread() / 4] = sum + 1.f;
    sync_block();
  }
  if (thread() < 64) args.y[64 * block_x() + thread()] = h[64 * (args.steps & 1) + thread()];
}

void speed() {
  const int blocks = 4, steps = 200;
  const Floats y(64 * blocks);
  for (bool races : {false, true}) {
    emulator::set_races(races);
    for (uint64_t seed : {0, 1}) {
      emulator::set_seed(seed);
      const std::clock_t start = std::clock();
      run(kernel_of("chain", &chain), {.x = blocks, .threads = 256, .shared = 512}, Chain{y, steps});
      const double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
      std::printf(
          "%d blocks of 256 threads, %d steps, seed %d, races %d: %.1f ms of processor time, %.1f us a block and "
          "step\n",
          blocks, steps, int(seed), races, 1e3 * seconds, 1e6 * seconds / (blocks * steps));
    }
  }
}

void all() {
  right_kernels_are_right_under_every_schedule();
  nothing_that_synchronises_can_be_taken_away_unnoticed();
  wrong_kernels_are_refused_with_the_reason();
  a_wrong_count_of_bytes_is_refused();
  what_was_released_or_is_not_the_devices_is_refused();
  launches_are_in_order_and_branches_are_not();
  limits_of_the_architecture_hold();
  speed();
}

}  // namespace
}  // namespace circumplex::cuda

int main() {
  const circumplex::FlushDenormals flush;  // as on a device's thread; kernels must not notice
  circumplex::cuda::all();
  std::printf("%d failures\n", circumplex::test::failures);
  return circumplex::test::failures ? 1 : 0;
}

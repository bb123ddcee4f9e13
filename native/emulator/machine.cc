#include "emulator/machine.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "emulator/emulator.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace circumplex::emulator {

Machine machine;

namespace {

constexpr int kWarp = 32;
constexpr int kMaximumThreads = 1024, kMaximumCluster = 8;
constexpr int64_t kMaximumResident = 8192;  // threads in flight: bounds the memory for stacks
constexpr int64_t kTransactionLimit = (1 << 20) - 1;
constexpr uint64_t kBarrierMark = 0x6261727269657200;  // "barrier"; the last byte is the record's number

const char* const kOperations[] = {
    "sync_block", "sync_warp", "sync_cluster", "fence_barriers",     "barrier_wait", "barrier_expect", "barrier_arrive",
    "copy_wait",  "shuffle",   "mma",          "barrier_initialise", "store_async"};

// What ends a launch. It unwinds the fibre that throws it; the others are given up as they are.
struct Refusal {
  std::string message;
};

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

// The state of the launch, and what is kept between launches so that a small one costs little.
struct State {
  std::mutex mutex;  // held by a launch
  Settings settings;
  uint64_t random = 0;
  std::deque<Site> sites;
  struct CachedSite {
    uintptr_t key = 0;
    Site* site = nullptr;
  } cache[256];

  Stacks stacks;
  Stack own;  // of the thread that launches
  std::vector<Fibre> fibres;
  std::vector<Block> blocks;
  std::vector<Cluster> clusters;
  std::vector<std::unique_ptr<void, Free>> shared;
  size_t shared_bytes = 0;  // each

  // The fibres that can run. The last one that became ready goes first: a warp goes on until it waits for others, and
  // its stacks stay in the cache.
  std::vector<Fibre*> ready;

  std::deque<Delivery> deliveries;
  int64_t next_cluster = 0, all_clusters = 0;
  std::string error;

  State();
};

int64_t environment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? std::strtoll(text, nullptr, 10) : otherwise;
}

State::State() {
  settings.seed = static_cast<uint64_t>(environment("CIRCUMPLEX_EMULATOR_SEED", 0));
  settings.races = environment("CIRCUMPLEX_EMULATOR_RACES", 0) != 0;
  settings.multiprocessors = static_cast<int>(environment("CIRCUMPLEX_EMULATOR_MULTIPROCESSORS", 4));
  settings.architecture = static_cast<int>(environment("CIRCUMPLEX_EMULATOR_ARCHITECTURE", 90));
  random = settings.seed;
}

// Never destroyed, like the allocations.
State& state() {
  static State* const state = new State;
  return *state;
}

// 0..n-1
uint64_t random_below(uint64_t n) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(random_bits()) * n >> 64);
}

// Denormals count, as on the device, whatever the thread that launches has set.
class DefaultFloats {
 public:
#if defined(__x86_64__)
  DefaultFloats() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~DefaultFloats() { _mm_setcsr(static_cast<unsigned>(saved_)); }
#else
  DefaultFloats() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" ::"r"(uint64_t(0)));
  }
  ~DefaultFloats() { asm volatile("msr fpcr, %0" ::"r"(saved_)); }
#endif
  DefaultFloats(const DefaultFloats&) = delete;
  DefaultFloats& operator=(const DefaultFloats&) = delete;

 private:
  uint64_t saved_;
};

// ---- places and messages ----

Site& find_site(Operation operation, const Location& at) {
  for (Site& site : state().sites) {
    if (site.operation == operation && site.line == static_cast<int>(at.line()) &&
        site.column == static_cast<int>(at.column()) && site.file == at.file_name()) {
      return site;
    }
  }
  state().sites.push_back({operation, at.file_name(), static_cast<int>(at.line()), static_cast<int>(at.column()),
                           machine.kernel->name, false, static_cast<uint16_t>(state().sites.size() + 1), 0});
  return state().sites.back();
}

// ---- the schedule ----

void make_ready(Fibre& fibre) {
  fibre.waiting = false;
  state().ready.push_back(&fibre);
}

// Makes an asynchronous store: in its turn, or any where they are random.
void deliver_one() {
  State& s = state();
  if (machine.random) std::swap(s.deliveries.front(), s.deliveries[random_below(s.deliveries.size())]);
  const Delivery next = std::move(s.deliveries.front());
  s.deliveries.pop_front();
  deliver(next);
}

[[noreturn]] void report_deadlock();

// The next fibre to run; null when all have returned.
Fibre* pick() {
  State& s = state();
  if (machine.random) {
    while (!s.deliveries.empty() && (random_bits() & 3) == 0) deliver_one();
  }
  while (s.ready.empty() && !s.deliveries.empty()) deliver_one();
  if (s.ready.empty()) {
    for (const Cluster& cluster : s.clusters) {
      if (cluster.running) report_deadlock();
    }
    return nullptr;
  }
  if (machine.random) std::swap(s.ready.back(), s.ready[random_below(s.ready.size())]);
  Fibre* next = s.ready.back();
  s.ready.pop_back();
  return next;
}

void run_fibres();

// Makes `fibre` the one that runs; its stack is entered by the caller.
Stack& enter(Fibre* fibre) {
  State& s = state();
  if (!fibre) return s.own;
  machine.fibre = fibre;
  machine.block = fibre->block;
  if (!fibre->stack) fibre->stack = s.stacks.take(run_fibres);
  return *fibre->stack;
}

// The fibre that runs waits until somebody makes it ready.
void leave() {
  Fibre& self = *machine.fibre;
  Fibre* next = pick();
  if (next != &self) switch_stack(*self.stack, enter(next));
}

struct Position {
  int x, y, z;
};

Position position_of(int64_t cluster, int rank) {
  const int64_t along_x = machine.grid.x / machine.grid.cluster;
  return {static_cast<int>(cluster % along_x) * machine.grid.cluster + rank,
          static_cast<int>(cluster / along_x % machine.grid.y), static_cast<int>(cluster / along_x / machine.grid.y)};
}

void start_cluster(Cluster& cluster) {
  State& s = state();
  const cuda::Grid& grid = machine.grid;
  cluster.ordinal = s.next_cluster++;
  cluster.running = grid.threads * grid.cluster;
  cluster.rendezvous = {};
  for (int rank = 0; rank < grid.cluster; rank++) {
    Block& block = cluster.blocks[rank];
    block.cluster = &cluster;
    block.rank = rank;
    const Position at = position_of(cluster.ordinal, rank);
    block.x = at.x, block.y = at.y, block.z = at.z;
    block.running = grid.threads;
    block.rendezvous = {};
    block.barriers.clear();
    std::memset(block.shared, 0xff, block.shared_bytes);  // not a number
    for (Warp& warp : block.warps) warp.rendezvous = {};
    for (int thread = grid.threads - 1; thread >= 0; thread--) {
      Fibre& fibre = block.fibres[thread];
      fibre.thread = thread;
      fibre.block = &block;
      fibre.warp = &block.warps[static_cast<size_t>(thread / kWarp)];
      fibre.site = nullptr;
      fibre.barrier = -1;
      fibre.copies.clear();
      fibre.copy_groups = 0;
      make_ready(fibre);
    }
  }
  if (machine.races) races_begin_cluster(cluster);
}

void end_block(Block& block) {
  for (const Delivery& d : state().deliveries) {
    if (d.to == &block) {
      fail(name(block) + " has returned, and a store_async of " + name(*d.from->block) + ", thread " +
           std::to_string(d.from->thread) + " to its shared offset " + std::to_string(d.offset) +
           " is still under way: wait for it, or sync_cluster at the end");
    }
  }
  for (const BarrierRecord& b : block.barriers) {
    if (b.bytes < 0) fail(name(block) + " has returned: more bytes were stored than expected on " + text(b));
  }
}

void end_thread() {
  State& s = state();
  Block& block = *machine.block;
  if (--block.running == 0) end_block(block);
  if (--block.cluster->running == 0 && s.next_cluster < s.all_clusters) start_cluster(*block.cluster);
}

// The life of a stack: runs one thread after the other, as long as the next one has not started yet.
void run_fibres() {
  State& s = state();
  arrive_on_stack(s.own);
  Stack& to = [&]() -> Stack& {
    for (;;) {
      Stack* stack = machine.fibre->stack;
      Fibre* next = nullptr;
      try {
        machine.kernel->emulate(machine.kernel->function, machine.arguments);
        machine.fibre->stack = nullptr;
        end_thread();
        next = pick();
      } catch (const Refusal& refusal) {
        s.error = refusal.message;
        machine.fibre->stack = stack;
        return s.own;
      }
      if (!next || next->stack) {
        s.stacks.give_back(stack);
        return enter(next);
      }
      next->stack = stack;
      enter(next);
    }
  }();
  leave_stack(to);
}

// "3 threads of block (0, 0, 0) wait at sync_block at lstm.cu:88"
[[noreturn]] void report_deadlock() {
  State& s = state();
  std::map<std::string, int> waiting;
  int64_t returned = 0;
  for (const Cluster& cluster : s.clusters) {
    if (!cluster.running) continue;
    for (int rank = 0; rank < machine.grid.cluster; rank++) {
      const Block& block = cluster.blocks[rank];
      returned += machine.grid.threads - block.running;
      for (int thread = 0; thread < machine.grid.threads; thread++) {
        const Fibre& fibre = block.fibres[thread];
        if (!fibre.waiting) continue;
        std::string where = name(block) + " at " + fibre.site->text();
        if (fibre.barrier >= 0) where += " for " + text(block.barriers[static_cast<size_t>(fibre.barrier)]);
        waiting[where]++;
      }
    }
  }
  std::string list;
  int lines = 0;
  for (const auto& [where, count] : waiting) {
    if (++lines > 8) break;
    list += (list.empty() ? "" : "; ") + std::to_string(count) + " of " + where;
  }
  fail("deadlock: threads wait that nobody wakes: " + list + (lines > 8 ? "; ..." : "") + "; " +
       std::to_string(returned) + " threads of these blocks have returned");
}

// ---- a launch ----

void check(const cuda::Grid& g, int architecture) {
  const auto require = [](bool condition, const std::string& message) {
    if (!condition) fail("launch refused: " + message);
  };
  const auto within = [&](const char* what, int64_t value, int64_t low, int64_t high) {
    require(value >= low && value <= high, std::string(what) + " is " + std::to_string(value) + ", allowed are " +
                                               std::to_string(low) + " to " + std::to_string(high));
  };
  within("grid.x", g.x, 1, INT32_MAX);
  within("grid.y", g.y, 1, 65535);
  within("grid.z", g.z, 1, 65535);
  within("grid.threads", g.threads, 1, kMaximumThreads);
  within("grid.cluster", g.cluster, 1, architecture >= 90 ? kMaximumCluster : 1);
  within("grid.shared", g.shared, 0, shared_limit(architecture));
  require(g.x % g.cluster == 0,
          "grid.x is " + std::to_string(g.x) + ", no multiple of the cluster of " + std::to_string(g.cluster));
}

// Sets up the blocks that are in flight together.
void prepare(const cuda::Grid& grid) {
  State& s = state();
  const int64_t cluster_threads = int64_t(grid.threads) * grid.cluster;
  s.next_cluster = 0;
  s.all_clusters = int64_t(grid.x) / grid.cluster * grid.y * grid.z;
  const int64_t resident =
      std::min<int64_t>(kMaximumResident / cluster_threads, s.settings.multiprocessors / grid.cluster);
  const auto clusters = static_cast<size_t>(std::max<int64_t>(1, std::min(s.all_clusters, resident)));
  const size_t blocks = clusters * static_cast<size_t>(grid.cluster);
  const size_t fibres = blocks * static_cast<size_t>(grid.threads);
  s.clusters.resize(clusters);
  if (s.blocks.size() < blocks) s.blocks.resize(blocks);
  if (s.fibres.size() < fibres) s.fibres.resize(fibres);
  s.ready.clear();
  const auto bytes = static_cast<size_t>(grid.shared);
  if (s.shared_bytes < bytes) s.shared.clear(), s.shared_bytes = (bytes + 1023) / 1024 * 1024;
  while (s.shared.size() < blocks) {
    s.shared.emplace_back(std::aligned_alloc(1024, std::max<size_t>(s.shared_bytes, 1024)));
    if (!s.shared.back()) throw Error("ERR_OUT_OF_MEMORY", "cannot allocate the emulator's shared memory");
  }
  for (size_t i = 0; i < blocks; i++) {
    Block& block = s.blocks[i];
    block.shared = static_cast<unsigned char*>(s.shared[i].get());
    block.shared_bytes = bytes;
    block.fibres = &s.fibres[i * static_cast<size_t>(grid.threads)];
    block.warps.resize(static_cast<size_t>((grid.threads + kWarp - 1) / kWarp));
    if (block.shadow && block.shadow->granule < 4) block.shadow.reset();
  }
  for (size_t i = 0; i < clusters; i++) s.clusters[i].blocks = &s.blocks[i * static_cast<size_t>(grid.cluster)];
}

// After an error: nobody is to go on.
void give_up() {
  State& s = state();
  for (Fibre& fibre : s.fibres) {
    if (fibre.stack) s.stacks.give_back(fibre.stack);
    fibre.stack = nullptr;
    fibre.waiting = false;
  }
  s.deliveries.clear();
}

void run_to_end(const cuda::Grid& grid) {
  State& s = state();
  check(grid, s.settings.architecture);
  prepare(grid);
  if (machine.races) races_begin_launch(s.all_clusters);
  for (Cluster& cluster : s.clusters) start_cluster(cluster);
  s.own = {};
  switch_stack(s.own, enter(pick()));
  if (!s.error.empty()) throw Refusal{std::exchange(s.error, {})};
}

void run_locked(const cuda::Kernel& kernel, const cuda::Grid& grid, const void* arguments) {
  const DefaultFloats floats;
  machine.grid = grid;
  machine.kernel = &kernel;
  machine.arguments = arguments;
  machine.random = state().settings.seed != 0;
  machine.races = state().settings.races;
  try {
    run_to_end(grid);
  } catch (const Refusal& refusal) {
    give_up();
    throw Error("ERR_CUDA", refusal.message);
  }
}

// Only what can be taken away is listed.
std::vector<Site*> removable() {
  std::vector<Site*> list;
  for (Site& site : state().sites) {
    if (static_cast<int>(site.operation) < kRemovable) list.push_back(&site);
  }
  return list;
}

}  // namespace

// ---- settings ----

void set_seed(uint64_t seed) {
  const std::lock_guard lock(state().mutex);
  state().settings.seed = state().random = seed;
}

void set_races(bool checked) {
  const std::lock_guard lock(state().mutex);
  state().settings.races = checked;
}

void set_multiprocessors(int count) {
  const std::lock_guard lock(state().mutex);
  state().settings.multiprocessors = std::max(1, count);
}

void set_memory(int64_t bytes) {
  const std::lock_guard lock(state().mutex);
  state().settings.memory = bytes;
}

void set_architecture(int architecture) {
  const std::lock_guard lock(state().mutex);
  state().settings.architecture = architecture;
}

Settings settings() {
  const std::lock_guard lock(state().mutex);
  return state().settings;
}

std::vector<SiteDescription> sites() {
  const std::lock_guard lock(state().mutex);
  std::vector<SiteDescription> list;
  for (const Site* site : removable()) {
    list.push_back({kOperations[static_cast<int>(site->operation)], site->kernel, site->file, site->line, site->column,
                    site->visits});
  }
  return list;
}

void disable_site(int index) {
  const std::lock_guard lock(state().mutex);
  const std::vector<Site*> list = removable();
  for (size_t i = 0; i < list.size(); i++) list[i]->disabled = static_cast<int>(i) == index;
}

// splitmix64
uint64_t random_bits() {
  uint64_t z = state().random += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

// A location is a pointer to the compiler's record, of which there may be several for one place.
Site& site_of(Operation operation, const Location& at) {
  static_assert(sizeof(Location) == sizeof(uintptr_t));
  const auto key = std::bit_cast<uintptr_t>(at);
  State::CachedSite& cached = state().cache[(key >> 3) % 256];
  if (cached.key != key) cached = {key, &find_site(operation, at)};
  cached.site->visits++;
  return *cached.site;
}

void wait_in(Waiters& waiters) {
  machine.fibre->waiting = true;
  waiters.add(*machine.fibre);
  leave();
}

void wake(Waiters& waiters) {
  while (Fibre* fibre = waiters.take()) make_ready(*fibre);
}

void let_others_run() {
  make_ready(*machine.fibre);
  leave();
}

void post(Delivery delivery) { state().deliveries.push_back(std::move(delivery)); }

// ---- messages ----

std::string name_of_block(int64_t cluster, int rank) {
  const Position at = position_of(cluster, rank);
  return "block (" + std::to_string(at.x) + ", " + std::to_string(at.y) + ", " + std::to_string(at.z) + ")";
}

std::string name(const Block& block) { return name_of_block(block.cluster->ordinal, block.rank); }

std::string site_text(uint16_t number) { return state().sites[number - 1].text(); }

void fail(const std::string& message) { throw Refusal{std::string("kernel ") + machine.kernel->name + ": " + message}; }

int64_t shared_limit(int architecture) {
  if (architecture < 80) return 64 << 10;
  if (architecture == 80 || architecture == 87) return 163 << 10;
  return architecture == 86 || architecture == 89 || architecture >= 120 ? 99 << 10 : 227 << 10;
}

std::string Site::text() const {
  return std::string(kOperations[static_cast<int>(operation)]) + " at " + file.substr(file.rfind('/') + 1) + ":" +
         std::to_string(line) + ":" + std::to_string(column);
}

void Waiters::add(Fibre& fibre) {
  fibre.next = nullptr;
  (first_ ? last_->next : first_) = &fibre;
  last_ = &fibre;
}

Fibre* Waiters::take() {
  Fibre* taken = first_;
  if (taken) first_ = taken->next;
  return taken;
}

void run(const cuda::Kernel& kernel, const cuda::Grid& grid, const void* arguments) {
  const std::lock_guard lock(state().mutex);
  races_in_branch(-1);
  run_locked(kernel, grid, arguments);
}

void run_level(const std::vector<std::vector<cuda::Step>>& branches) {
  const std::lock_guard lock(state().mutex);
  std::vector<size_t> order(branches.size());
  for (size_t i = 0; i < order.size(); i++) order[i] = i;
  if (state().settings.seed != 0) {
    for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[random_below(i)]);
  }
  races_begin_level();
  for (size_t i : order) {
    races_in_branch(static_cast<int>(i));
    for (const cuda::Step& step : branches[i]) run_locked(step.kernel, step.grid, step.arguments.data());
  }
}

}  // namespace circumplex::emulator

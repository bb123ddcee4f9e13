#pragma once
// The emulated device: one launch at a time, every CUDA thread of it a fibre. A fibre runs until it has to wait; then
// the next one that is ready runs. A launch in which nobody is ready and somebody waits is a deadlock.

#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "cuda/runtime.h"
#include "emulator/fibre.h"
#include "emulator/memory.h"
#include "emulator/races.h"

namespace circumplex::emulator {

using Location = std::source_location;

enum class Access : uint8_t { read, read_only, write };

enum class Operation : uint8_t {
  // These can be taken away by disable_site.
  sync_block,
  sync_warp,
  sync_cluster,
  fence_barriers,
  barrier_wait,
  barrier_expect,
  barrier_arrive,
  copy_wait,
  // These only say where a thread is.
  shuffle,
  mma,
  barrier_initialise,
  store_async,
};
constexpr int kRemovable = static_cast<int>(Operation::copy_wait) + 1;

// A place in a kernel's source.
struct Site {
  Operation operation;
  std::string file;
  int line, column;
  std::string kernel;  // the first that came here
  bool disabled;
  uint16_t number;  // from 1
  int64_t visits;

  std::string text() const;  // "sync_block at lstm.cu:88"
};

struct Fibre;
struct Block;
struct Cluster;

// Fibres that wait for the same thing.
class Waiters {
 public:
  void add(Fibre& fibre);
  Fibre* take();  // null when there is none left

 private:
  Fibre* first_ = nullptr;
  Fibre* last_ = nullptr;
};

// A place where a fixed number of threads meet, again and again.
struct Rendezvous {
  int arrived = 0;
  const Site* site = nullptr;  // where those that have arrived are
  Waiters waiters;
};

struct Warp {
  Rendezvous rendezvous;
  // What lanes hand to each other. In turns, so that a lane may be at the next exchange while others read the last one.
  uint32_t words[2][6][32];
  int turn = 0;
};

// An mbarrier.
struct BarrierRecord {
  uint64_t offset;  // in its block's shared memory
  int count, pending;
  int64_t bytes;   // expected and not yet stored; below 0 where stores came before they were expected
  uint32_t phase;  // phases that have ended
  Waiters waiters;
  BarrierClock clock;
};

struct Copy {
  uint64_t to;
  const Allocation* in;
  const unsigned char* from;
  int bytes, group;
};

struct Fibre {
  int thread;    // in its block
  Stack* stack;  // null before it starts
  Block* block;
  Warp* warp;
  Fibre* next;       // behind it, among the waiters
  const Site* site;  // where it synchronised last
  bool waiting;
  int barrier;               // of its block, that it waits for; -1: none
  std::vector<Copy> copies;  // under way
  int copy_groups;           // committed
  // For the race checker: the thread's number in the cluster, its time, and what it knows.
  uint16_t index;
  uint32_t time;
  Clock known;
};

struct Block {
  Cluster* cluster;
  int rank, x, y, z;
  unsigned char* shared;
  uint64_t shared_bytes;
  int running;  // threads that have not returned
  Fibre* fibres;
  std::vector<Warp> warps;
  std::vector<BarrierRecord> barriers;
  Rendezvous rendezvous;
  std::unique_ptr<Shadow> shadow;
};

struct Cluster {
  int64_t ordinal;  // in the launch
  int running;
  Block* blocks;
  Rendezvous rendezvous;
  uint32_t stamp;  // of this run, for the race checker
  int barriers;    // initialised
};

// A store into a block's shared memory that has been issued and not yet made.
struct Delivery {
  Block* to;
  uint64_t offset, barrier;
  float value;
  const Fibre* from;
  // When it was issued: the thread's time, what it knew, and where it was.
  uint32_t time;
  uint16_t site;
  Clock known;
};

struct Settings {
  uint64_t seed = 0;
  bool races = false;
  int multiprocessors = 4;
  int architecture = 90;
  int64_t memory = int64_t{8} << 30;  // of the device, bytes
};

struct Machine {
  Fibre* fibre = nullptr;  // that runs
  Block* block = nullptr;  // its block
  bool races = false;
  bool random = false;
  cuda::Grid grid;
  const cuda::Kernel* kernel = nullptr;
  const void* arguments = nullptr;
};
extern Machine machine;

// Runs a launch to its end, or throws ERR_CUDA.
void run(const cuda::Kernel& kernel, const cuda::Grid& grid, const void* arguments);
// Runs the branches of a level of a graph.
void run_level(const std::vector<std::vector<cuda::Step>>& branches);
Settings settings();
// Shared memory that a block can have on an architecture, bytes.
int64_t shared_limit(int architecture);

// "block (0, 0, 0)"
std::string name(const Block& block);
std::string name_of_block(int64_t cluster, int rank);
std::string site_text(uint16_t number);
// Ends the launch with an error: "kernel lstm: <message>"
[[noreturn]] void fail(const std::string& message);
// "kernel lstm: block (0, 0, 0), thread 7: <message>".
[[noreturn]] void refuse(const std::string& message);
[[noreturn]] void refuse_global(const Allocation& in, const void* at, uint64_t bytes, uint64_t alignment,
                                Access access);
[[noreturn]] void refuse_shared(int64_t offset, uint64_t bytes, uint64_t alignment, Access access);

void sync_block(const Location& at);
void sync_warp(const Location& at);
void sync_cluster(const Location& at);
void shuffle(void* value, int bytes, int source_lane, const Location& at);
void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Location& at);
void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Location& at);
void barrier_initialise(uint64_t offset, int count, const Location& at);
void fence_barriers(const Location& at);
void barrier_arrive(uint64_t offset, const Location& at);
void barrier_expect(uint64_t offset, int bytes, const Location& at);
void barrier_wait(uint64_t offset, int parity, const Location& at);
void store_async(uint64_t offset, int rank, float value, uint64_t barrier, const Location& at);
void copy_async(uint64_t to, const Allocation& in, const void* from, int bytes);
void copy_commit();
void copy_wait(int groups, const Location& at);

// By the race checker.
void note_global(const Allocation& in, uint64_t offset, uint64_t bytes, Access access);
void note_shared(uint64_t offset, uint64_t bytes, Access access);

// ---- what primitives.cc needs of machine.cc, and the other way round ----

uint64_t random_bits();
Site& site_of(Operation operation, const Location& at);
// The thread that runs waits until it is woken.
void wait_in(Waiters& waiters);
void wake(Waiters& waiters);
void let_others_run();
void post(Delivery delivery);
void deliver(const Delivery& delivery);
std::string text(const BarrierRecord& barrier);

// Pointers of a kernel may point anywhere as long as they are not used.
template <class T>
T* moved(T* at, int64_t n) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(at) + static_cast<uint64_t>(n) * sizeof(T));
}

}  // namespace circumplex::emulator

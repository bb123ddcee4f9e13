// What kernels call: barriers, exchanges between lanes, asynchronous stores and copies.

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "emulator/machine.h"

namespace circumplex::emulator {
namespace {

constexpr int kWarp = 32;
constexpr int64_t kTransactionLimit = (1 << 20) - 1;
constexpr uint64_t kBarrierMark = 0x6261727269657200;  // "barrier"; the last byte is the record's number

BarrierRecord& record_of(Block& block, uint64_t offset, const char* doing) {
  uint64_t word = 0;
  if (offset % 8 == 0 && offset < block.shared_bytes && block.shared_bytes - offset >= 8) {
    std::memcpy(&word, block.shared + offset, 8);
  }
  const uint64_t number = word & 0xff;
  if ((word & ~uint64_t(0xff)) != kBarrierMark || number >= block.barriers.size() ||
      block.barriers[number].offset != offset) {
    fail(std::string(doing) + ": there is no initialised barrier at shared offset " +
         std::to_string(static_cast<int64_t>(offset)) + " of " + name(block));
  }
  return block.barriers[number];
}

void end_phase_if_complete(BarrierRecord& b) {
  if (b.pending != 0 || b.bytes != 0) return;
  if (machine.races) races_end_phase(b);
  b.phase++;
  b.pending = b.count;
  wake(b.waiters);
}

void arrive(BarrierRecord& b, const Site& site) {
  if (b.pending == 0) refuse(site.text() + ": one arrival too many on " + text(b));
  if (machine.races) {
    races_use(b, *machine.block, false);
    races_arrive(b);
  }
  b.pending--;
  end_phase_if_complete(b);
}

// Returns once the `count` threads from `first` on are here. All must come by the same place in the source.
void meet(Rendezvous& r, Fibre* first, int count, Site& site, const char* who) {
  if (r.arrived == 0) {
    r.site = &site;
  } else if (r.site != &site) {
    refuse(site.text() + ", while other threads of its " + who + " are at " + r.site->text() +
           ": all must come to the same place");
  }
  machine.fibre->site = &site;
  if (++r.arrived < count) return wait_in(r.waiters);
  r.arrived = 0;
  if (machine.races && static_cast<int>(site.operation) < kRemovable) races_meet(first, count);
  wake(r.waiters);
  if (machine.random) let_others_run();
}

void meet_warp(Site& site) {
  if (machine.fibre->thread / kWarp == machine.grid.threads / kWarp) {
    refuse(site.text() + ": the block's last warp has no " + std::to_string(kWarp) + " threads");
  }
  Fibre* first = machine.block->fibres + machine.fibre->thread / kWarp * kWarp;
  meet(machine.fibre->warp->rendezvous, first, kWarp, site, "warp");
}

// Hands `count` words to the other lanes; returns those of all lanes, [word][lane].
const uint32_t (*exchange(const uint32_t* words, int count, Site& site))[kWarp] {
  Warp& warp = *machine.fibre->warp;
  const int turn = warp.turn & 1, lane = machine.fibre->thread % kWarp;
  for (int i = 0; i < count; i++) warp.words[turn][i][lane] = words[i];
  // The last to come turns the page.
  if (warp.rendezvous.arrived == kWarp - 1) warp.turn++;
  meet_warp(site);
  return warp.words[turn];
}

float bf16(uint32_t pair, int half) { return std::bit_cast<float>(half ? pair & 0xffff0000 : pair << 16); }

void complete(const Copy& copy) {
  std::memcpy(machine.block->shared + copy.to, copy.from, static_cast<size_t>(copy.bytes));
}

std::string last_site(const Fibre& fibre) {
  return fibre.site ? ", after " + fibre.site->text() : ", before it synchronised";
}

const char* verb(Access access) { return access == Access::write ? "writes" : "reads"; }

}  // namespace

// ---- refusals ----

void refuse(const std::string& message) {
  fail(name(*machine.block) + ", thread " + std::to_string(machine.fibre->thread) + ": " + message);
}

void refuse_global(const Allocation& in, const void* at, uint64_t bytes, uint64_t alignment, Access access) {
  const std::string what = std::string(verb(access)) + " " + std::to_string(bytes) + " bytes ";
  // A null pointer may have been moved before it is used.
  if (in.number == 0) {
    const auto address = static_cast<intptr_t>(reinterpret_cast<uintptr_t>(at));
    refuse(what +
           (std::abs(address) < 1 << 24 ? "of a null pointer plus " + std::to_string(address)
                                        : "of memory that was never allocated on the device") +
           last_site(*machine.fibre));
  }
  if (in.bytes == 0) {
    refuse(what + "of allocation " + std::to_string(in.number) + ", which was released" + last_site(*machine.fibre));
  }
  const auto offset = static_cast<int64_t>(reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(in.begin));
  const bool inside =
      offset >= 0 && static_cast<uint64_t>(offset) < in.bytes && in.bytes - static_cast<uint64_t>(offset) >= bytes;
  refuse(what + "at " + std::to_string(offset) + " of allocation " + std::to_string(in.number) + ", " +
         (inside ? "which is no multiple of " + std::to_string(alignment)
                 : "which has " + std::to_string(in.bytes) + " bytes") +
         last_site(*machine.fibre));
}

void refuse_shared(int64_t offset, uint64_t bytes, uint64_t alignment, Access access) {
  const auto all = static_cast<int64_t>(machine.block->shared_bytes);
  const bool inside = offset >= 0 && offset <= all - static_cast<int64_t>(bytes);
  refuse(std::string(verb(access)) + " " + std::to_string(bytes) + " bytes at " + std::to_string(offset) +
         " of shared memory, " +
         (inside ? "which is no multiple of " + std::to_string(alignment)
                 : "of which the block has " + std::to_string(all) + " bytes") +
         last_site(*machine.fibre));
}

// ---- a block, a warp, a cluster ----

void sync_block(const Location& at) {
  Site& site = site_of(Operation::sync_block, at);
  if (site.disabled) return;
  meet(machine.block->rendezvous, machine.block->fibres, machine.grid.threads, site, "block");
}

void sync_warp(const Location& at) {
  Site& site = site_of(Operation::sync_warp, at);
  if (site.disabled) return;
  meet_warp(site);
}

void sync_cluster(const Location& at) {
  Site& site = site_of(Operation::sync_cluster, at);
  if (site.disabled) return;
  Cluster& cluster = *machine.block->cluster;
  meet(cluster.rendezvous, cluster.blocks[0].fibres, machine.grid.threads * machine.grid.cluster, site, "cluster");
}

void shuffle(void* value, int bytes, int source_lane, const Location& at) {
  uint32_t words[2] = {};
  std::memcpy(words, value, static_cast<size_t>(bytes));
  const auto* all = exchange(words, bytes / 4, site_of(Operation::shuffle, at));
  for (int i = 0; i < bytes / 4; i++) words[i] = all[i][source_lane];
  std::memcpy(value, words, static_cast<size_t>(bytes));
}

// ---- tensor cores ----

void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Location& at) {
  const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const auto* all = exchange(words, 6, site_of(Operation::mma, at));
  const auto tf32 = [&](int word, int lane) {
    return static_cast<double>(std::bit_cast<float>(all[word][lane] & 0xffffe000));
  };
  const int lane = machine.fibre->thread % kWarp;
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    double sum = d[i];
    for (int k = 0; k < 8; k++)
      sum += tf32(row / 8 + k / 4 * 2, row % 8 * 4 + k % 4) * tf32(4 + k / 4, column * 4 + k % 4);
    d[i] = static_cast<float>(sum);
  }
}

void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const Location& at) {
  const uint32_t words[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
  const auto* all = exchange(words, 6, site_of(Operation::mma, at));
  const int lane = machine.fibre->thread % kWarp;
  for (int i = 0; i < 4; i++) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    double sum = d[i];
    for (int k = 0; k < 16; k++) {
      const int half = k / 8, pair = k % 8 / 2;
      sum += static_cast<double>(bf16(all[row / 8 + half * 2][row % 8 * 4 + pair], k % 2)) *
             static_cast<double>(bf16(all[4 + half][column * 4 + pair], k % 2));
    }
    d[i] = static_cast<float>(sum);
  }
}

// ---- mbarriers and the stores that they count ----

void barrier_initialise(uint64_t offset, int count, const Location& at) {
  Block& block = *machine.block;
  machine.fibre->site = &site_of(Operation::barrier_initialise, at);
  if (offset % 8 != 0 || offset >= block.shared_bytes || block.shared_bytes - offset < 8) {
    refuse_shared(static_cast<int64_t>(offset), 8, 8, Access::write);
  }
  if (count < 1 || count > kTransactionLimit) refuse("barrier_initialise: a count of " + std::to_string(count));
  for (const BarrierRecord& b : block.barriers) {
    if (b.offset == offset) refuse("barrier_initialise: " + text(b) + " is initialised already");
  }
  if (block.barriers.size() > 0xff) refuse("barrier_initialise: more than 256 barriers in a block");
  const uint64_t word = kBarrierMark | block.barriers.size();
  std::memcpy(block.shared + offset, &word, 8);
  block.barriers.push_back({offset, count, count, 0, 0, {}, {}});
  if (machine.races) races_initialise(block.barriers.back(), *block.cluster);
  block.cluster->barriers++;
}

std::string text(const BarrierRecord& b) {
  return "the barrier at shared offset " + std::to_string(b.offset) + " (phase " + std::to_string(b.phase) + ", " +
         std::to_string(b.pending) + " of " + std::to_string(b.count) + " arrivals and " + std::to_string(b.bytes) +
         " bytes outstanding)";
}

void fence_barriers(const Location& at) {
  Site& site = site_of(Operation::fence_barriers, at);
  if (site.disabled) return;
  machine.fibre->site = &site;
  if (machine.races) races_fence(*machine.block);
}

void barrier_arrive(uint64_t offset, const Location& at) {
  Site& site = site_of(Operation::barrier_arrive, at);
  if (site.disabled) return;
  machine.fibre->site = &site;
  arrive(record_of(*machine.block, offset, "barrier_arrive"), site);
}

void barrier_expect(uint64_t offset, int bytes, const Location& at) {
  Site& site = site_of(Operation::barrier_expect, at);
  if (site.disabled) return;
  machine.fibre->site = &site;
  BarrierRecord& b = record_of(*machine.block, offset, "barrier_expect");
  b.bytes += bytes;
  if (bytes < 0 || b.bytes > kTransactionLimit) refuse(site.text() + ": too many bytes on " + text(b));
  arrive(b, site);
}

void barrier_wait(uint64_t offset, int parity, const Location& at) {
  Site& site = site_of(Operation::barrier_wait, at);
  if (site.disabled) return;
  Block& block = *machine.block;
  Fibre& fibre = *machine.fibre;
  fibre.site = &site;
  const auto number = static_cast<size_t>(&record_of(block, offset, "barrier_wait") - block.barriers.data());
  if (machine.races) races_use(block.barriers[number], block, false);
  const auto ended = [&] { return (block.barriers[number].phase & 1) != static_cast<uint32_t>(parity); };
  if (parity != 0 && parity != 1) refuse(site.text() + ": a parity of " + std::to_string(parity));
  if (!ended()) {
    fibre.barrier = static_cast<int>(number);
    wait_in(block.barriers[number].waiters);
    fibre.barrier = -1;
  }
  if (!ended()) {
    refuse(site.text() + ": a thread that spins here may miss the phase: the next one has ended before it looked, on " +
           text(block.barriers[number]));
  }
  if (machine.races) races_wait(block.barriers[number]);
}

void store_async(uint64_t offset, int rank, float value, uint64_t barrier, const Location& at) {
  Block& block = *machine.block;
  machine.fibre->site = &site_of(Operation::store_async, at);
  if (rank < 0 || rank >= machine.grid.cluster) {
    refuse("store_async to block " + std::to_string(rank) + " of a cluster of " + std::to_string(machine.grid.cluster));
  }
  if (offset % sizeof(float) != 0 || offset >= block.shared_bytes || block.shared_bytes - offset < sizeof(float)) {
    refuse_shared(static_cast<int64_t>(offset), sizeof(float), alignof(float), Access::write);
  }
  Block& to = block.cluster->blocks[rank];
  if (to.running == 0) refuse("store_async to " + name(to) + ", which has returned");
  const BarrierRecord& b = record_of(to, barrier, "store_async");
  Delivery delivery{&to, offset, barrier, value, machine.fibre, 0, 0, {}};
  if (machine.races) {
    races_use(b, to, true);
    races_issue(delivery);
  }
  post(std::move(delivery));
}

void deliver(const Delivery& d) {
  BarrierRecord& b = record_of(*d.to, d.barrier, "store_async");
  if (machine.races) races_deliver(d, b);
  std::memcpy(d.to->shared + d.offset, &d.value, sizeof(float));
  b.bytes -= static_cast<int64_t>(sizeof(float));
  if (b.bytes < -kTransactionLimit) fail("store_async: too many bytes stored and not expected on " + text(b));
  end_phase_if_complete(b);
}

// ---- asynchronous copies ----

void copy_async(uint64_t to, const Allocation& in, const void* from, int bytes) {
  const Block& block = *machine.block;
  const auto size = static_cast<uint64_t>(bytes);
  const auto address = reinterpret_cast<uintptr_t>(from);
  const uint64_t offset = address - reinterpret_cast<uintptr_t>(in.begin);
  if (to % size != 0 || to >= block.shared_bytes || block.shared_bytes - to < size) {
    refuse_shared(static_cast<int64_t>(to), size, size, Access::write);
  }
  if (offset >= in.bytes || in.bytes - offset < size || address % size != 0) {
    refuse_global(in, from, size, size, Access::read);
  }
  Fibre& fibre = *machine.fibre;
  const Copy copy{to, &in, static_cast<const unsigned char*>(from), bytes, fibre.copy_groups};
  if (machine.races) races_start_copy(copy, offset);
  // It may be made at once, or not before it is waited for.
  if (machine.random && (random_bits() & 1)) complete(copy);
  fibre.copies.push_back(copy);
}

void copy_commit() { machine.fibre->copy_groups++; }

void copy_wait(int groups, const Location& at) {
  Site& site = site_of(Operation::copy_wait, at);
  if (site.disabled) return;
  Fibre& fibre = *machine.fibre;
  fibre.site = &site;
  const auto rest = std::stable_partition(fibre.copies.begin(), fibre.copies.end(),
                                          [&](const Copy& copy) { return copy.group < fibre.copy_groups - groups; });
  for (auto copy = fibre.copies.begin(); copy != rest; ++copy) {
    complete(*copy);
    if (machine.races) races_end_copy(*copy);
  }
  fibre.copies.erase(fibre.copies.begin(), rest);
}

}  // namespace circumplex::emulator

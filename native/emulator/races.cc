#include "emulator/races.h"

#include <bit>
#include <cstring>
#include <new>

#include "emulator/machine.h"

namespace circumplex::emulator {
namespace {

// What may stand in place of a thread.
constexpr uint16_t kCopy = 0x4000;      // with a thread: its asynchronous copy, under way
constexpr uint16_t kBarrier = 0x8000;   // with a barrier's number in the cluster: an asynchronous store that it counts
constexpr uint16_t kMany = 0xffff;      // several readers of a cluster; `time` is the number of their set
constexpr uint16_t kClusters = 0xfffe;  // readers of several clusters
constexpr uint16_t kBranches = 0xfffd;  // readers of several branches of a level
constexpr uint16_t kReadOnly = 0xfffc;  // load_read_only: no write may follow in this launch
constexpr size_t kMaximumBarriers = 0x4000 - 4;

// The readers of a place that is read by many threads between two writes. Lanes of a warp that read nothing cost
// nothing.
struct Readers {
  struct Entry {
    uint32_t time;
    uint16_t site;
  };
  uint64_t warps[4] = {};
  std::vector<Entry> entries;  // [threads]
};

struct Launch {
  uint32_t first;  // stamp
  int branch;
  std::string kernel;
};

struct Checker {
  uint32_t next_stamp = 1;
  uint32_t launch_first = 1, level_first = 1;
  int branch = -1;
  std::vector<Launch> level;  // its launches so far
  size_t threads = 0;         // of a cluster
  std::vector<std::unique_ptr<Readers>> readers;
  std::vector<uint32_t> free_readers;
};

Checker& checker() {
  static Checker* const checker = new Checker;
  return *checker;
}

// Who makes an access, and what it knows.
struct Actor {
  const Fibre* fibre;
  const Clock& known;
  uint32_t stamp, time;
  uint16_t thread, site;
};

Actor running() {
  const Fibre& f = *machine.fibre;
  return {&f, f.known, f.block->cluster->stamp, f.time, f.index, f.site ? f.site->number : uint16_t(0)};
}

enum class Kind : uint8_t { read, read_only, write, store, copy };

const char* verb(Kind kind) {
  switch (kind) {
    case Kind::read:
      return "reads";
    case Kind::read_only:
      return "reads as read-only";
    case Kind::write:
      return "writes";
    case Kind::store:
      return "stores asynchronously";
    default:
      return "copies asynchronously";
  }
}

enum class Relation : uint8_t { before, same_cluster, apart };

// Of an earlier access to global memory.
Relation relation(uint32_t stamp, uint32_t mine) {
  const Checker& c = checker();
  if (stamp == mine) return Relation::same_cluster;
  if (stamp >= c.launch_first) return Relation::apart;
  if (stamp < c.level_first) return Relation::before;
  for (size_t i = c.level.size(); i-- > 0;) {
    if (stamp >= c.level[i].first) return c.level[i].branch == c.branch ? Relation::before : Relation::apart;
  }
  return Relation::before;
}

// The place that is being looked at, for a report.
struct Place {
  const Allocation* global;  // or null:
  const Block* block;        // whose shared memory it is
  uint64_t offset;
};

std::string text(const Place& place) {
  if (place.global) {
    return "allocation " + std::to_string(place.global->number) + " (" + std::to_string(place.global->bytes) +
           " bytes) at " + std::to_string(place.offset);
  }
  return "shared memory of " + name(*place.block) + " at " + std::to_string(place.offset);
}

std::string after(uint16_t site) { return site == 0 ? ", before it synchronised" : ", after " + site_text(site); }

std::string text(const Actor& actor, Kind kind) {
  return name(*actor.fibre->block) + ", thread " + std::to_string(actor.fibre->thread) + " " + verb(kind) +
         after(actor.site);
}

// The block and thread of an earlier access.
std::string who(const Epoch& e, uint16_t thread) {
  const Checker& c = checker();
  if (e.stamp < c.launch_first) {
    for (size_t i = c.level.size(); i-- > 0;) {
      if (e.stamp >= c.level[i].first) return "kernel " + c.level[i].kernel + " of another branch";
    }
  }
  const int per_block = machine.grid.threads;
  return name_of_block(static_cast<int64_t>(e.stamp - c.launch_first), thread / per_block) + ", thread " +
         std::to_string(thread % per_block);
}

std::string text(const Epoch& e, bool write) {
  if (e.thread == kClusters || e.thread == kBranches) return "several blocks had read it";
  if (e.thread == kReadOnly) return "it had been read as memory that nobody writes" + after(e.site);
  if (e.thread == kMany)
    return "several threads had read it, " + who(e, 0) + " among them or beside them" + after(e.site);
  if (e.thread >= kBarrier) return "an asynchronous store" + after(e.site) + " had written it";
  if (e.thread >= kCopy) {
    return "an asynchronous copy of " + who(e, static_cast<uint16_t>(e.thread - kCopy)) + after(e.site) +
           " is under way";
  }
  return who(e, e.thread) + " had " + (write ? "written" : "read") + " it" + after(e.site);
}

[[noreturn]] void report(const Place& place, const Actor& actor, Kind kind, const Epoch& earlier, bool write) {
  fail("race on " + text(place) + ": " + text(actor, kind) + "; " + text(earlier, write) +
       "; nothing puts the two in order");
}

// ---- sets of readers ----

Readers& readers_of(const Epoch& e) { return *checker().readers[e.time]; }

void release_readers(const Epoch& e) {
  // Sets of earlier launches are all free again.
  if (e.thread == kMany && e.stamp >= checker().launch_first) checker().free_readers.push_back(e.time);
}

uint32_t new_readers() {
  Checker& c = checker();
  if (c.free_readers.empty()) {
    c.free_readers.push_back(static_cast<uint32_t>(c.readers.size()));
    c.readers.push_back(std::make_unique<Readers>());
  }
  const uint32_t number = c.free_readers.back();
  c.free_readers.pop_back();
  Readers& r = *c.readers[number];
  std::memset(r.warps, 0, sizeof r.warps);
  if (r.entries.size() < c.threads) r.entries.resize((c.threads + 31) / 32 * 32);
  return number;
}

void add_reader(Readers& r, uint16_t thread, uint32_t time, uint16_t site) {
  const size_t warp = thread / 32;
  uint64_t& word = r.warps[warp / 64];
  if (!(word >> warp % 64 & 1)) {
    word |= uint64_t(1) << warp % 64;
    std::fill_n(r.entries.begin() + static_cast<std::ptrdiff_t>(warp * 32), 32, Readers::Entry{});
  }
  r.entries[thread] = {time, site};
}

// ---- one cell ----

template <bool is_global>
Relation relation_of(const Epoch& e, const Actor& actor) {
  if constexpr (is_global) {
    return e.stamp == 0 ? Relation::before : relation(e.stamp, actor.stamp);
  } else {
    return e.stamp == actor.stamp ? Relation::same_cluster : Relation::before;
  }
}

// An earlier write of the same cluster.
bool write_is_known(const Epoch& e, const Actor& actor, bool to_be_seen) {
  if (e.thread >= kBarrier) {
    const size_t index = checker().threads + (e.thread - kBarrier);
    return (to_be_seen ? actor.known.writes(index) : actor.known.reads(index)) >= e.time;
  }
  if (e.thread >= kCopy) return false;
  return e.thread == actor.thread || actor.known.writes(e.thread) >= e.time;
}

template <bool is_global>
void check_against_write(const Cell& cell, const Actor& actor, const Place& place, Kind kind) {
  const Epoch& e = cell.write;
  const Relation r = relation_of<is_global>(e, actor);
  if (r == Relation::before) return;
  const bool reads = kind == Kind::read || kind == Kind::read_only;
  if (r == Relation::apart || kind == Kind::read_only || !write_is_known(e, actor, reads)) {
    report(place, actor, kind, e, true);
  }
}

void check_against_readers(const Epoch& e, const Actor& actor, const Place& place, Kind kind) {
  const Readers& readers = readers_of(e);
  for (size_t word = 0; word < 4; word++) {
    for (uint64_t left = readers.warps[word]; left != 0; left &= left - 1) {
      const size_t warp = word * 64 + static_cast<size_t>(std::countr_zero(left));
      for (size_t thread = warp * 32; thread < warp * 32 + 32; thread++) {
        const Readers::Entry& entry = readers.entries[thread];
        if (entry.time > actor.known.reads(thread) && thread != actor.thread) {
          report(place, actor, kind, {e.stamp, entry.time, static_cast<uint16_t>(thread), entry.site}, false);
        }
      }
    }
  }
}

template <bool is_global>
void check_against_reads(const Cell& cell, const Actor& actor, const Place& place, Kind kind) {
  const Epoch& e = cell.read;
  const Relation r = relation_of<is_global>(e, actor);
  if (r == Relation::before && !(is_global && e.thread == kBranches && e.stamp >= checker().level_first)) return;
  if (e.thread == kMany && r == Relation::same_cluster) return check_against_readers(e, actor, place, kind);
  const bool known = r == Relation::same_cluster && e.thread < kCopy &&
                     (e.thread == actor.thread || actor.known.reads(e.thread) >= e.time);
  if (!known) report(place, actor, kind, e, false);
}

template <bool is_global>
void record_read(Cell& cell, const Actor& actor) {
  Epoch& e = cell.read;
  const Epoch mine{actor.stamp, actor.time, actor.thread, actor.site};
  const Relation r = relation_of<is_global>(e, actor);
  if (is_global && e.thread == kBranches && e.stamp >= checker().level_first) return;
  if (r == Relation::before) {
    release_readers(e);
    e = mine;
  } else if (r == Relation::apart) {
    const bool branches = e.stamp < checker().launch_first;
    if (e.thread == kReadOnly && !branches) return;
    release_readers(e);
    e.thread = branches ? kBranches : kClusters;
    e.stamp = actor.stamp;
  } else if (e.thread == kMany) {
    add_reader(readers_of(e), actor.thread, actor.time, actor.site);
  } else if (e.thread < kCopy) {
    if (e.thread == actor.thread || actor.known.reads(e.thread) >= e.time) {
      e = mine;
    } else {
      const uint32_t number = new_readers();
      add_reader(*checker().readers[number], e.thread, e.time, e.site);
      add_reader(*checker().readers[number], actor.thread, actor.time, actor.site);
      e = {actor.stamp, number, kMany, actor.site};
    }
  }
}

template <bool is_global>
void note(Cell& cell, const Actor& actor, const Place& place, Kind kind, const Epoch& as) {
  check_against_write<is_global>(cell, actor, place, kind);
  if (kind == Kind::read) {
    record_read<is_global>(cell, actor);
  } else if (kind == Kind::read_only) {
    record_read<is_global>(cell, actor);
    if (cell.read.stamp == actor.stamp && cell.read.thread != kBranches) {
      release_readers(cell.read);
      cell.read.thread = kReadOnly;
    }
  } else {
    check_against_reads<is_global>(cell, actor, place, kind);
    release_readers(cell.read);
    cell.read = {};
    cell.write = as;
  }
}

// ---- a block of memory ----

std::unique_ptr<Cell, Shadow::Free> new_cells(uint64_t count) {
  auto* cells = static_cast<Cell*>(std::calloc(count, sizeof(Cell)));
  if (!cells) throw std::bad_alloc();
  return std::unique_ptr<Cell, Shadow::Free>(cells);
}

// Every cell becomes several, of the same past. A set of readers has one owner.
void split(Shadow& shadow, uint64_t granule) {
  const uint64_t times = shadow.granule / granule;
  auto finer = new_cells(shadow.count * times);
  for (uint64_t i = 0; i < shadow.count * times; i++) {
    Cell& cell = finer.get()[i];
    cell = shadow.cells.get()[i / times];
    if (cell.read.thread == kMany && cell.read.stamp >= checker().launch_first && i % times != 0) {
      const uint32_t number = new_readers();
      *checker().readers[number] = readers_of(cell.read);
      cell.read.time = number;
    }
  }
  shadow.cells = std::move(finer);
  shadow.count *= times;
  shadow.granule = granule;
}

Cell* cells_of(std::unique_ptr<Shadow>& shadow, uint64_t all_bytes, uint64_t offset, uint64_t bytes) {
  if (!shadow || shadow->count * shadow->granule < all_bytes) {
    shadow = std::make_unique<Shadow>();
    shadow->count = (all_bytes + 3) / 4;
    shadow->cells = new_cells(shadow->count);
  }
  const uint64_t granule = uint64_t(1) << std::countr_zero(offset | bytes | shadow->granule);
  if (granule < shadow->granule) split(*shadow, granule);
  return shadow->cells.get();
}

Kind kind_of(Access access) {
  return access == Access::read ? Kind::read : access == Access::write ? Kind::write : Kind::read_only;
}

void note_shared_as(Block& block, uint64_t offset, uint64_t bytes, const Actor& actor, Kind kind, const Epoch& as) {
  Cell* cells = cells_of(block.shadow, block.shared_bytes, offset, bytes);
  const uint64_t granule = block.shadow->granule;
  for (uint64_t at = offset / granule; at * granule < offset + bytes; at++) {
    note<false>(cells[at], actor, {nullptr, &block, at * granule}, kind, as);
  }
}

Epoch plain(const Actor& actor) { return {actor.stamp, actor.time, actor.thread, actor.site}; }

}  // namespace

// ---- accesses ----

void note_global(const Allocation& in, uint64_t offset, uint64_t bytes, Access access) {
  const Actor actor = running();
  Cell* cells = cells_of(in.shadow, in.bytes, offset, bytes);
  const uint64_t granule = in.shadow->granule;
  for (uint64_t at = offset / granule; at * granule < offset + bytes; at++) {
    note<true>(cells[at], actor, {&in, nullptr, at * granule}, kind_of(access), plain(actor));
  }
}

void note_shared(uint64_t offset, uint64_t bytes, Access access) {
  const Actor actor = running();
  note_shared_as(*machine.block, offset, bytes, actor, kind_of(access), plain(actor));
}

void races_issue(Delivery& delivery) {
  Fibre& fibre = *machine.fibre;
  delivery.known = fibre.known;
  delivery.time = fibre.time++;
  delivery.site = fibre.site->number;
}

void races_deliver(const Delivery& d, BarrierRecord& barrier) {
  const Fibre& fibre = *d.from;
  const uint32_t stamp = fibre.block->cluster->stamp;
  const Actor actor{&fibre, d.known, stamp, d.time, fibre.index, d.site};
  BarrierClock& b = barrier.clock;
  const auto mark = static_cast<uint16_t>(kBarrier + (b.index - checker().threads));
  note_shared_as(*d.to, d.offset, sizeof(float), actor, Kind::store, {stamp, barrier.phase + 1, mark, d.site});
  Knowledge& k = b.gathering.change();
  if (b.gathered != d.known) {
    if (d.known) join(k.reads, (*d.known).reads);
    b.gathered = d.known;
  }
  set(k.reads, fibre.index, std::max(b.gathering.reads(fibre.index), d.time));
}

void races_start_copy(const Copy& copy, uint64_t from) {
  note_global(*copy.in, from, static_cast<uint64_t>(copy.bytes), Access::read);
  const Actor actor = running();
  note_shared_as(*machine.block, copy.to, static_cast<uint64_t>(copy.bytes), actor, Kind::copy,
                 {actor.stamp, actor.time, static_cast<uint16_t>(kCopy + actor.thread), actor.site});
}

void races_end_copy(const Copy& copy) {
  const Actor actor = running();
  Block& block = *machine.block;
  const uint64_t granule = block.shadow->granule;
  for (uint64_t at = copy.to / granule; at * granule < copy.to + static_cast<uint64_t>(copy.bytes); at++) {
    block.shadow->cells.get()[at].write = plain(actor);
  }
}

// ---- what puts things in order ----

void races_begin_level() {
  Checker& c = checker();
  c.level.clear();
  c.level_first = c.next_stamp;
}

void races_in_branch(int branch) { checker().branch = branch; }

void races_begin_launch(int64_t clusters) {
  Checker& c = checker();
  if (c.branch < 0) races_begin_level();
  c.launch_first = c.next_stamp;
  c.next_stamp += static_cast<uint32_t>(clusters);
  c.level.push_back({c.launch_first, c.branch, machine.kernel->name});
  c.threads = static_cast<size_t>(machine.grid.threads) * static_cast<size_t>(machine.grid.cluster);
  c.free_readers.clear();
  for (size_t i = c.readers.size(); i-- > 0;) c.free_readers.push_back(static_cast<uint32_t>(i));
}

void races_begin_cluster(Cluster& cluster) {
  cluster.stamp = checker().launch_first + static_cast<uint32_t>(cluster.ordinal);
  cluster.barriers = 0;
  for (size_t i = 0; i < checker().threads; i++) {
    Fibre& fibre = cluster.blocks[0].fibres[i];
    fibre.index = static_cast<uint16_t>(i);
    fibre.time = 1;
    fibre.known = {};
  }
}

void races_meet(Fibre* first, int count) {
  Clock met = Clock::copy_of(first->known);
  Knowledge& k = met.change();
  const Clock* last = &first->known;
  for (int i = 1; i < count; i++) {
    if (first[i].known == *last) continue;
    last = &first[i].known;
    if (*last) {
      join(k.writes, (**last).writes);
      join(k.reads, (**last).reads);
    }
  }
  for (int i = 0; i < count; i++) {
    set(k.writes, first[i].index, first[i].time);
    set(k.reads, first[i].index, first[i].time);
  }
  for (int i = 0; i < count; i++) {
    first[i].known = met;
    first[i].time++;
  }
}

void races_initialise(BarrierRecord& barrier, const Cluster& cluster) {
  const Actor actor = running();
  note_shared(barrier.offset, 8, Access::write);
  if (static_cast<size_t>(cluster.barriers) >= kMaximumBarriers) fail("too many barriers in a cluster");
  BarrierClock& b = barrier.clock;
  b.index = checker().threads + static_cast<size_t>(cluster.barriers);
  b.gathering = Clock::copy_of({});
  b.initialiser = actor.thread;
  b.site = actor.site;
  b.initialised = actor.time;
  b.fenced = 0;
}

void races_fence(Block& block) {
  const Fibre& fibre = *machine.fibre;
  for (BarrierRecord& barrier : block.barriers) {
    if (barrier.clock.initialiser == fibre.index && barrier.clock.fenced == 0) barrier.clock.fenced = fibre.time;
  }
}

void races_use(const BarrierRecord& barrier, const Block& block, bool by_store) {
  const Actor actor = running();
  const BarrierClock& b = barrier.clock;
  const std::string which = "race on the barrier at shared offset " + std::to_string(barrier.offset) + " of ";
  if (by_store && b.fenced == 0) {
    refuse(which + name(block) + ": a store_async uses it, and no fence_barriers followed its initialisation" +
           after(actor.site));
  }
  const uint32_t time = by_store ? b.fenced : b.initialised;
  if (b.initialiser != actor.thread && actor.known.writes(b.initialiser) < time) {
    refuse(which + name(block) + ": it is used, and nothing orders this after its initialisation by thread " +
           std::to_string(b.initialiser % machine.grid.threads) + after(actor.site));
  }
}

void races_arrive(BarrierRecord& barrier) {
  Fibre& fibre = *machine.fibre;
  Knowledge& k = barrier.clock.gathering.change();
  if (fibre.known) {
    join(k.writes, (*fibre.known).writes);
    join(k.reads, (*fibre.known).reads);
  }
  set(k.writes, fibre.index, fibre.time);
  set(k.reads, fibre.index, fibre.time);
  fibre.time++;
}

// Called before the phase counts on.
void races_end_phase(BarrierRecord& barrier) {
  BarrierClock& b = barrier.clock;
  Knowledge& k = b.gathering.change();
  set(k.writes, b.index, barrier.phase + 1);
  set(k.reads, b.index, barrier.phase + 1);
  b.ended = std::move(b.gathering);
  b.gathering = Clock::copy_of({});
  b.gathered = {};
  b.joined.clear();
}

void races_wait(BarrierRecord& barrier) {
  BarrierClock& b = barrier.clock;
  if (!b.ended) return;  // the phase before the first
  Clock& known = machine.fibre->known;
  for (const auto& [before, after] : b.joined) {
    if (before == known) {
      known = after;
      return;
    }
  }
  Clock both = Clock::copy_of(known);
  join(both.change().writes, (*b.ended).writes);
  join(both.change().reads, (*b.ended).reads);
  b.joined.emplace_back(known, both);
  known = std::move(both);
}

// ---- clocks ----

std::vector<Clock::Counted*>& Clock::free_list() {
  static auto* const list = new std::vector<Counted*>;
  return *list;
}

Clock Clock::copy_of(const Clock& other) {
  auto& list = free_list();
  if (list.empty()) list.push_back(new Counted);
  Clock made;
  made.at_ = list.back();
  list.pop_back();
  made.at_->owners = 1;
  if (other.at_) {
    made.at_->known = other.at_->known;
  } else {
    made.at_->known.writes.clear();
    made.at_->known.reads.clear();
  }
  return made;
}

void Clock::release() {
  if (at_ && --at_->owners == 0) free_list().push_back(at_);
}

}  // namespace circumplex::emulator

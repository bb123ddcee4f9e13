#pragma once
// The race checker. Two accesses to one place, one of them a write, are a race unless one happens before the other:
// - the operations of a thread are in order;
// - sync_block, sync_warp and sync_cluster put all that their threads did before all that they do after. A shuffle puts
//   nothing in order;
// - barrier_arrive and barrier_expect come before what a thread does after the barrier_wait for their phase;
// - an asynchronous store comes after what its thread did before it, and before what a thread does after the wait for
//   the phase that it completed. It carries no other *write* of its thread with it: the completion of st.async orders
//   the stored value alone. It does carry reads: a value that was computed from what was read cannot be sent before it
//   was read, and so memory may be overwritten by a thread that has received such values from all its readers;
// - an asynchronous copy is under way, and any access to its destination a race, until its thread has waited for it;
// - a barrier may be used once its initialisation is known, and by asynchronous stores once fence_barriers is;
// - blocks of different clusters, and branches of a graph's level, have no order at all. Launches are in order.
// That is decided by vector clocks, not by the order that the schedule happened to take.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emulator/clock.h"

namespace circumplex::emulator {

struct BarrierRecord;
struct Block;
struct Cluster;
struct Copy;
struct Delivery;
struct Fibre;

// An access that was made.
struct Epoch {
  uint32_t stamp;   // of the cluster's run: grows over all launches of the process; 0: there was none
  uint32_t time;    // of the thread, or the phase of the barrier
  uint16_t thread;  // in the cluster; or one of the marks of races.cc
  uint16_t site;    // where the thread had synchronised last
};

// The last accesses to one place in memory.
struct Cell {
  Epoch write, read;
};

// The cells of a block of memory: one for 4 bytes, and finer ones once a narrower access was seen.
struct Shadow {
  struct Free {
    void operator()(Cell* cells) const { std::free(cells); }
  };
  std::unique_ptr<Cell, Free> cells;
  uint64_t count = 0;
  uint64_t granule = 4;  // bytes
};

// A barrier's part in the order of things.
struct BarrierClock {
  size_t index;                                 // in a Knowledge
  Clock gathering, ended;                       // what arrived in this phase; what the last phase to end brought
  Clock gathered;                               // the last one that was put into `gathering`
  std::vector<std::pair<Clock, Clock>> joined;  // with `ended`: before and after
  uint16_t initialiser, site;
  uint32_t initialised, fenced;  // times of the initialiser; 0: not fenced
};

void races_begin_launch(int64_t clusters);
void races_begin_cluster(Cluster& cluster);
// Launches of different branches since the last level began have no order. -1: in order with all others.
void races_begin_level();
void races_in_branch(int branch);

// `count` neighbouring threads of a cluster have met.
void races_meet(Fibre* first, int count);
void races_initialise(BarrierRecord& barrier, const Cluster& cluster);
void races_fence(Block& block);
// The thread that runs is about to use a barrier of its own block, or of another by an asynchronous store.
void races_use(const BarrierRecord& barrier, const Block& block, bool by_store);
void races_arrive(BarrierRecord& barrier);
void races_end_phase(BarrierRecord& barrier);
void races_wait(BarrierRecord& barrier);
void races_issue(Delivery& delivery);
void races_deliver(const Delivery& delivery, BarrierRecord& barrier);
void races_start_copy(const Copy& copy, uint64_t from);
void races_end_copy(const Copy& copy);

}  // namespace circumplex::emulator

#pragma once
// What a test or a tool can ask of the emulator. The settings start from the environment: CIRCUMPLEX_EMULATOR_SEED,
// _RACES, _MULTIPROCESSORS and _ARCHITECTURE.

#include <cstdint>
#include <string>
#include <vector>

namespace circumplex::emulator {

// 0: threads run in order, asynchronous stores and copies land as late as they can. Otherwise threads, asynchronous
// operations and the branches of graphs take a random order that follows from the seed.
void set_seed(uint64_t seed);
// Check every access for races, by happens-before.
void set_races(bool checked);
// What properties() reports; that many blocks are in flight at a time.
void set_multiprocessors(int count);
// Of the device, bytes.
void set_memory(int64_t bytes);
// The compute capability that properties() reports and launches are held to, as in 75, 80, 90.
void set_architecture(int architecture);

// A place in a kernel's source that synchronises. Places are known once a kernel has been there.
struct SiteDescription {
  std::string operation, kernel, file;
  int line, column;
  int64_t visits;  // by threads, so far
};
std::vector<SiteDescription> sites();
// The operation at that place is skipped from now on, as if it were deleted from the kernel; -1: none is.
void disable_site(int index);

}  // namespace circumplex::emulator

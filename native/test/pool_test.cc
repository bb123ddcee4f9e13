// The pool: every task of every region runs once, by a worker that nobody else is at that time, and its results are
// there when the region ends; with more threads than cores, in regions that follow at once and after workers slept.

#include "core/pool.h"

#include <chrono>
#include <random>

#include "check.h"

namespace circumplex::test {
namespace {

struct Region {
  std::vector<int64_t> runs;       // of each task; plain values, so that a race is one for the thread sanitizer
  std::vector<int64_t> by_worker;  // tasks that each worker ran

  static void task(const void* context, int64_t index, int worker) {
    auto& region = *static_cast<Region*>(const_cast<void*>(context));
    region.runs[size_t(index)]++;
    region.by_worker[size_t(worker)]++;
  }
};

void check_regions(int threads, int regions, std::mt19937& random) {
  Pool pool(threads);
  for (int i = 0; i < regions; i++) {
    const int64_t tasks = int64_t(random() % 20);
    Region region{std::vector<int64_t>(size_t(tasks)), std::vector<int64_t>(size_t(threads))};
    pool.run(tasks, &Region::task, &region);
    int64_t total = 0;
    for (int64_t count : region.by_worker) total += count;
    CHECK(total == tasks, "%d threads, region %d: %lld of %lld tasks", threads, i, (long long)total, (long long)tasks);
    for (int64_t runs : region.runs) CHECK(runs == 1, "%d threads, region %d: %lld runs", threads, i, (long long)runs);
    if (random() % 200 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// Tasks that wait for each other end only if as many workers as tasks take part, whether they sleep or spin before.
void check_all_take_part(int threads) {
  Pool pool(threads);
  for (int i = 0; i < 50; i++) {
    std::atomic<int> here{0};
    struct Meeting {
      std::atomic<int>& here;
      int threads;
    } meeting{here, threads};
    pool.run(
        threads,
        [](const void* context, int64_t, int) {
          const auto& [present, all] = *static_cast<const Meeting*>(context);
          present++;
          while (present < all) std::this_thread::yield();
        },
        &meeting);
    CHECK(here == threads, "%d of %d met", here.load(), threads);
    if (i % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace
}  // namespace circumplex::test

int main() {
  using namespace circumplex::test;
  std::mt19937 random(1);
  for (int threads : {1, 2, 3, 8, 33}) check_regions(threads, threads > 8 ? 300 : 5000, random);
  for (int threads : {2, 3, 8}) check_all_take_part(threads);
  std::printf("pool: %d failures\n", failures);
  return failures != 0;
}

// Squares are summed in float64, by slabs of 4096 values, whose sums every block of the second launch adds up alike.

#include <cmath>

#include "cuda/reduce.cuh"
#include "cuda/rows.h"
#include "operators/clip.h"

namespace circumplex::cuda {
namespace {

constexpr int64_t kSlab = 4096;
constexpr int kThreads = 256;

struct Clip {
  Chunk chunk;
  Array<float> gradient;
  Array<double> norm;
  int64_t size, slabs;
  double limit;
  Array<double> partial;  // [slab]
};

// A block a slab.
CIRCUMPLEX_KERNEL(kThreads) square(const CIRCUMPLEX_PARAMETER Clip c) {
  const int64_t replica = block_y(), slab = block_x(), first = slab * kSlab;
  if (!c.chunk.active[replica]) return;
  const int64_t last = first + kSlab < c.size ? first + kSlab : c.size;
  const Global<const float> gradient = c.gradient.of(replica);
  double sum[1] = {0};
  for (int64_t i = first + thread(); i < last; i += threads()) {
    const double g = static_cast<double>(gradient[i]);
    sum[0] += g * g;
  }
  block_sums(sum, shared<double>(0));
  if (thread() == 0) c.partial.of(replica)[slab] = sum[0];
}

CIRCUMPLEX_KERNEL(kThreads) scale(const CIRCUMPLEX_PARAMETER Clip c) {
  const int64_t replica = block_y(), slab = block_x(), first = slab * kSlab;
  if (!c.chunk.active[replica]) return;
  const Global<const double> partial = c.partial.of(replica);
  double sum[1] = {0};
  for (int64_t i = thread(); i < c.slabs; i += threads()) sum[0] += partial[i];
  block_sums(sum, shared<double>(0));
  const double norm = ::sqrt(sum[0]);
  if (slab == 0 && thread() == 0) c.norm.of(replica)[0] = norm;
  if (!(norm > c.limit)) return;
  const float factor = static_cast<float>(c.limit / (norm + 1e-6));
  const int64_t last = first + kSlab < c.size ? first + kSlab : c.size;
  const Global<float> gradient = c.gradient.of(replica);
  for (int64_t i = first + thread(); i < last; i += threads()) gradient[i] *= factor;
}

}  // namespace

void plan_clip(Plan& plan, const Call& call) {
  const ClipCall read = read_clip(plan, call);
  const int64_t size = read.gradient.dims[0], slabs = size ? divide_up(size, kSlab) : 1,
                replicas = plan.control.replicas;
  double* partial = static_cast<double*>(plan.allocate(replicas * slabs * static_cast<int64_t>(sizeof(double))));
  const Clip c = {plan.chunk, array<float>(read.gradient),     array<double>(read.norm), size, slabs,
                  read.limit, {Global<double>(partial), slabs}};
  Grid grid;
  grid.x = static_cast<int>(slabs);
  grid.y = static_cast<int>(replicas);
  grid.threads = kThreads;
  grid.shared = reduce_bytes(grid.threads, 1);
  plan.launch(kernel_of("clip_square", &square), grid, c);
  plan.launch(kernel_of("clip_scale", &scale), grid, c);
  plan.kernel("float64 norm, slabs of 4096 values");
}

}  // namespace circumplex::cuda

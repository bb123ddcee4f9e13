// Squares are summed in float64, by slabs of 4096 values of 16 strided chains each, slabs in order.

#include "operators/clip.h"

#include "cpu/rows.h"

namespace circumplex::CIRCUMPLEX_ISA {
namespace {

constexpr int kChains = 16;

struct Clip : ClipCall {
  int64_t slabs = 0;
  double* partial = nullptr;  // [replica, slab]
};

void square(void* self, int64_t task, Worker&) {
  const Clip& c = *static_cast<const Clip*>(self);
  const int64_t replica = task / c.slabs, first = task % c.slabs * kBlockValues;
  if (!c.control->active[replica]) return;
  const float* g = c.gradient.f32(replica) + first;
  const int64_t count = smaller(kBlockValues, c.gradient.dims[0] - first);
  double chains[kChains] = {};
  for (int64_t i = 0; i + kChains <= count; i += kChains) {
    for (int j = 0; j < kChains; j++) chains[j] += static_cast<double>(g[i + j]) * static_cast<double>(g[i + j]);
  }
  for (int64_t i = count / kChains * kChains; i < count; i++) {
    chains[i % kChains] += static_cast<double>(g[i]) * static_cast<double>(g[i]);
  }
  double sum = 0;
  for (int j = 0; j < kChains; j++) sum += chains[j];
  c.partial[task] = sum;
}

void total(void* self, int64_t replica, Worker&) {
  const Clip& c = *static_cast<const Clip*>(self);
  if (!c.control->active[replica]) return;
  double sum = 0;
  for (int64_t slab = 0; slab < c.slabs; slab++) sum += c.partial[replica * c.slabs + slab];
  c.norm.f64(replica)[0] = __builtin_sqrt(sum);
}

void scale(void* self, int64_t task, Worker&) {
  const Clip& c = *static_cast<const Clip*>(self);
  const int64_t replica = task / c.slabs, first = task % c.slabs * kBlockValues;
  if (!c.control->active[replica]) return;
  const double norm = c.norm.f64(replica)[0];
  if (!(norm > c.limit)) return;
  const float factor = static_cast<float>(c.limit / (norm + 1e-6));
  float* g = c.gradient.f32(replica) + first;
  const int64_t count = smaller(kBlockValues, c.gradient.dims[0] - first);
  for (int64_t i = 0; i < count; i++) g[i] *= factor;
}

}  // namespace

void plan_clip(Plan& plan, const Call& call) {
  Clip& c = *plan.make<Clip>({read_clip(plan, call)});
  c.slabs = divide_up(c.gradient.dims[0], kBlockValues);
  const int64_t sums = plan.control.replicas * c.slabs;
  c.partial = static_cast<double*>(plan.allocate(sums * static_cast<int64_t>(sizeof(double))));
  plan.stage(sums, square, &c);
  plan.stage(plan.control.replicas, total, &c);
  plan.stage(sums, scale, &c);
  plan.kernel("float64 norm, slabs of 4096 values");
}

}  // namespace circumplex::CIRCUMPLEX_ISA

#include "cpu/device.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "core/control.h"
#include "cpu/plan.h"

namespace circumplex::cpu {
namespace {

Span span_of(const Tensor& tensor) {
  const auto* begin = static_cast<const char*>(tensor.data);
  return {begin, !begin ? nullptr : begin + static_cast<size_t>(tensor.size()) * bytes_of(tensor.type)};
}

}  // namespace

void Plan::stage(int64_t tasks, void (*run)(void*, int64_t, Worker&), void* self) {
  round_++;
  beside(tasks, run, self);
}

void Plan::beside(int64_t tasks, void (*run)(void*, int64_t, Worker&), void* self) {
  stages_.push_back({run, self, tasks, round_, false});
}

void Plan::prepare(int64_t tasks, void (*run)(void*, int64_t, Worker&), void* self) {
  round_ = std::max<int64_t>(round_, 0);
  stages_.push_back({run, self, tasks, round_, true});
}

void Plan::weight(const Tensor& tensor) { weights_.push_back(span_of(tensor)); }

void Plan::scratch(int64_t bytes) { scratch_bytes_ = std::max(scratch_bytes_, bytes); }

std::vector<Stage> Plan::take_stages() {
  round_ = -1;
  return std::exchange(stages_, {});
}

std::vector<Span> Plan::take_weights() { return std::exchange(weights_, {}); }

namespace {

// There is no synchronisation but between the rounds of a level.
class CpuExecution final : public Execution {
 public:
  CpuExecution(Device& device, int32_t replicas, int32_t lanes, int32_t chunk)
      : device_(device), plan_(control_, device) {
    control_.replicas = replicas;
    control_.lanes = lanes;
    control_.chunk = chunk;
    lane_state_.resize(4 * static_cast<size_t>(lanes));
    control_.sequence = lane_state_.data();
    control_.start = control_.sequence + lanes;
    control_.length = control_.start + lanes;
    control_.total = control_.length + lanes;
  }

  std::string add(const Call& call, int64_t level) override {
    find_operator(device_.instruction_set().operators, call.op).plan(plan_, call);
    std::vector<Span> writes;
    for (const Tensor& output : call.outputs_) writes.push_back(span_of(output));
    steps_.push_back({level, plan_.take_stages(), plan_.take_weights(), std::move(writes)});
    return plan_.take_kernel();
  }

  void finish() override {
    const size_t bytes = static_cast<size_t>(plan_.scratch_bytes());
    for (int i = 0; i < device_.threads(); i++) {
      scratch_memory_.push_back(std::make_unique<HostMemory>(bytes));
      scratch_.push_back(static_cast<float*>(scratch_memory_.back()->data()));
    }
  }

  const std::vector<ColumnUse>& columns() const override { return plan_.columns(); }

  int64_t run(const Run& run) override {
    settings_ = run.settings;
    control_.learning_rate = settings_.learning_rate.data();
    control_.active = settings_.active.data();
    control_.seed = settings_.seed.data();
    control_.epoch = settings_.epoch;
    control_.bypass = settings_.bypass;
    control_.data = run.data ? run.data->view() : DataView{};

    const int64_t row = control_.lanes * kScheduleColumns;
    const int64_t chunks = static_cast<int64_t>(run.schedule.size()) / row;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      if (run.stop.load(std::memory_order_relaxed)) return chunk;
      set_chunk(run.schedule.data() + chunk * row);
      const bool prepared = chunk > 0 || settings_.prepared;
      for (const Region& region : regions_of(run, prepared)) device_.pool().run(region.tasks, &Region::task, &region);
      run.chunk_done(chunk + 1);
    }
    return chunks;
  }

 private:
  struct Step {
    int64_t level;
    std::vector<Stage> stages;
    std::vector<Span> weights, writes;
  };

  // One parallel region: the same round of every call of a level.
  struct Region {
    std::vector<const Stage*> stages;
    std::vector<int64_t> first;  // of each stage, in the region's numbering
    int64_t tasks = 0;
    float* const* scratch;

    static void task(const void* context, int64_t index, int worker) {
      const Region& region = *static_cast<const Region*>(context);
      size_t s = region.first.size() - 1;
      while (region.first[s] > index) s--;
      Worker w{worker, region.scratch[worker]};
      region.stages[s]->run(region.stages[s]->self, index - region.first[s], w);
    }
  };

  void set_chunk(const int32_t* row) {
    control_.frames = 0;
    for (int32_t lane = 0; lane < control_.lanes; lane++) {
      const int32_t* entry = row + lane * kScheduleColumns;
      control_.sequence[lane] = entry[0];
      control_.start[lane] = entry[1];
      control_.length[lane] = entry[0] < 0 ? 0 : entry[2];
      control_.total[lane] = entry[3];
      control_.frames = std::max(control_.frames, control_.length[lane]);
    }
  }

  // `prepared`: what follows from weights alone is there, where no call of the run writes these weights.
  const std::vector<Region>& regions_of(const Run& run, bool prepared) {
    const auto [at, added] = regions_.try_emplace({run.from_call, run.to_call, prepared});
    if (added) at->second = make_regions(run.from_call, run.to_call, prepared);
    return at->second;
  }

  std::vector<Region> make_regions(int64_t from_call, int64_t to_call, bool prepared) const {
    std::map<std::pair<int64_t, int64_t>, Region> regions;  // of a level and a round
    for (int64_t call = from_call; call < to_call; call++) {
      const Step& step = steps_[static_cast<size_t>(call)];
      const bool ready = prepared && !writes_any(step.weights, from_call, to_call);
      for (const Stage& stage : step.stages) {
        if (stage.tasks == 0 || (stage.prepares && ready)) continue;
        Region& region = regions[{step.level, stage.round}];
        region.stages.push_back(&stage);
        region.first.push_back(region.tasks);
        region.tasks += stage.tasks;
        region.scratch = scratch_.data();
      }
    }
    std::vector<Region> list;
    for (auto& [place, region] : regions) list.push_back(std::move(region));
    return list;
  }

  bool writes_any(const std::vector<Span>& weights, int64_t from_call, int64_t to_call) const {
    for (int64_t call = from_call; call < to_call; call++) {
      for (const Span& written : steps_[static_cast<size_t>(call)].writes) {
        for (const Span& weight : weights) {
          if (written.begin < weight.end && weight.begin < written.end) return true;
        }
      }
    }
    return false;
  }

  Device& device_;
  Control control_{};
  std::vector<int32_t> lane_state_;
  RunSettings settings_;
  Plan plan_;
  std::vector<Step> steps_;
  std::map<std::tuple<int64_t, int64_t, bool>, std::vector<Region>>
      regions_;  // by calls, and whether they are prepared
  std::vector<std::unique_ptr<HostMemory>> scratch_memory_;
  std::vector<float*> scratch_;
};

}  // namespace

Device::Device(int threads, const std::string& isa, bool bf16)
    : set_(choose(isa, bf16)), pool_(threads < 1 ? default_threads() : threads) {
  start();
}

std::unique_ptr<Execution> Device::execution(int32_t replicas, int32_t lanes, int32_t chunk) {
  return std::make_unique<CpuExecution>(*this, replicas, lanes, chunk);
}

}  // namespace circumplex::cpu

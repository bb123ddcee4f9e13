#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/plan.h"

namespace circumplex::cuda {
namespace {

// Chunks that the host may be ahead of the GPU: enough that the GPU never waits, few enough that a stop is prompt.
constexpr size_t kAhead = 8;

class GpuMemory final : public Memory {
 public:
  GpuMemory(Context& context, size_t bytes)
      : Memory(context.allocate(bytes), bytes, context.index()), context_(context) {}
  ~GpuMemory() override { context_.release(data()); }
  void read(size_t offset, void* to, size_t bytes) const override {
    context_.copy_out(to, static_cast<const char*>(data()) + offset, bytes);
  }
  void write(size_t offset, const void* from, size_t bytes) override {
    context_.copy_in(static_cast<char*>(data()) + offset, from, bytes);
  }

 private:
  Context& context_;
};

class MappedMemory final : public Memory {
 public:
  MappedMemory(Context& context, size_t bytes)
      : Memory(context.allocate_mapped(bytes), bytes, context.index()), context_(context) {}
  ~MappedMemory() override { context_.release_mapped(data()); }
  void read(size_t offset, void* to, size_t bytes) const override {
    std::memcpy(to, static_cast<const char*>(data()) + offset, bytes);
  }
  void write(size_t offset, const void* from, size_t bytes) override {
    std::memcpy(static_cast<char*>(data()) + offset, from, bytes);
  }

 private:
  Context& context_;
};

// Where a run stands, on the GPU.
struct Position {
  const int32_t* schedule;
  int64_t chunk;
};

struct Advance {
  int32_t lanes;
  Global<int32_t> sequence, start, length, total;
  Global<Chunk::Now> now;
  Global<Position> position;
};

// Takes the next chunk of the schedule. One block.
CIRCUMPLEX_KERNEL(256) advance(const CIRCUMPLEX_PARAMETER Advance a) {
  const Shared<int32_t> most = shared<int32_t>(0);
  const Position position = a.position[0];
  const Global<const int32_t> row(position.schedule + position.chunk * a.lanes * kScheduleColumns);
  int32_t frames = 0;
  for (int32_t lane = thread(); lane < a.lanes; lane += threads()) {
    const int32_t sequence = row[4 * lane], length = sequence < 0 ? 0 : static_cast<int32_t>(row[4 * lane + 2]);
    a.sequence[lane] = sequence;
    a.start[lane] = row[4 * lane + 1];
    a.length[lane] = length;
    a.total[lane] = row[4 * lane + 3];
    frames = length > frames ? length : frames;
  }
  most[thread()] = frames;
  sync_block();
  if (thread() != 0) return;
  for (int i = 1; i < threads(); i++) frames = most[i] > frames ? static_cast<int32_t>(most[i]) : frames;
  Chunk::Now now = a.now[0];
  now.frames = frames;
  a.now[0] = now;
  a.position[0] = {position.schedule, position.chunk + 1};
}

Precision precision_of(const std::string& name) {
  return name == "tf32" ? Precision::tf32 : name == "bf16" ? Precision::bf16 : Precision::float32;
}

class GpuExecution final : public Execution {
 public:
  GpuExecution(Device& device, int32_t replicas, int32_t lanes, int32_t chunk)
      : device_(device), plan_(sizes_, device, device.context().properties(), precision_of(device.precision())) {
    sizes_.replicas = replicas;
    sizes_.lanes = lanes;
    sizes_.chunk = chunk;
    const size_t n = static_cast<size_t>(lanes), r = static_cast<size_t>(replicas);
    lanes_ = device.allocate(4 * n * sizeof(int32_t));
    rates_ = device.allocate(r * sizeof(float));
    seeds_ = device.allocate(r * sizeof(uint32_t));
    active_ = device.allocate(r);
    now_ = device.allocate(sizeof(Chunk::Now));
    data_ = device.allocate(sizeof(DataView));
    position_ = device.allocate(sizeof(Position));

    auto* state = static_cast<int32_t*>(lanes_->data());
    auto* now = static_cast<Chunk::Now*>(now_->data());
    Chunk& c = plan_.chunk;
    c.replicas = replicas;
    c.lanes = lanes;
    c.most_frames = chunk;
    c.sequence = Global<const int32_t>(state);
    c.start = Global<const int32_t>(state + n);
    c.length = Global<const int32_t>(state + 2 * n);
    c.total = Global<const int32_t>(state + 3 * n);
    c.active = Global<const uint8_t>(static_cast<uint8_t*>(active_->data()));
    c.learning_rate = Global<const float>(static_cast<float*>(rates_->data()));
    c.seed = Global<const uint32_t>(static_cast<uint32_t*>(seeds_->data()));
    c.now = Global<const Chunk::Now>(now);
    c.data = Global<const DataView>(static_cast<DataView*>(data_->data()));

    const Advance a = {lanes,
                       Global<int32_t>(state),
                       Global<int32_t>(state + n),
                       Global<int32_t>(state + 2 * n),
                       Global<int32_t>(state + 3 * n),
                       Global<Chunk::Now>(now),
                       Global<Position>(static_cast<Position*>(position_->data()))};
    Grid grid;
    grid.threads = 256;
    grid.shared = 256 * static_cast<int64_t>(sizeof(int32_t));
    plan_.launch(kernel_of("advance", &advance), grid, a);
    first_ = plan_.take_steps();
  }

  std::string add(const Call& call, int64_t level) override {
    find_operator(operators, call.op).plan(plan_, call);
    calls_.push_back({level, plan_.take_steps()});
    return plan_.take_kernel();
  }
  void finish() override {}
  const std::vector<ColumnUse>& columns() const override { return plan_.columns(); }

  int64_t run(const Run& run) override {
    begin(run);
    Stream& stream = device_.context().stream();
    Graph& graph = graph_of(run.from_call, run.to_call);
    const int64_t chunks = static_cast<int64_t>(run.schedule.size()) / (sizes_.lanes * kScheduleColumns);
    std::deque<Event> ahead;
    int64_t launched = 0, done = 0;
    const auto await_one = [&] {
      ahead.front().wait();
      ahead.pop_front();
      run.chunk_done(++done);
    };
    while (launched < chunks && !run.stop.load(std::memory_order_relaxed)) {
      graph.run(stream);
      ahead.emplace_back(device_.context());
      ahead.back().record(stream);
      launched++;
      if (ahead.size() > kAhead) await_one();
    }
    while (!ahead.empty()) await_one();
    return done;
  }

 private:
  struct Planned {
    int64_t level;
    std::vector<Step> steps;
  };

  // What holds for the run, to the GPU.
  void begin(const Run& run) {
    const size_t bytes = run.schedule.size() * sizeof(int32_t);
    if (!schedule_ || schedule_->bytes() < bytes) {
      schedule_.reset();
      schedule_ = device_.allocate(bytes);
    }
    const auto put = [](Memory& memory, const auto& values) {
      memory.write(0, values.data(), values.size() * sizeof(values[0]));
    };
    put(*schedule_, run.schedule);
    put(*rates_, run.settings.learning_rate);
    put(*seeds_, run.settings.seed);
    put(*active_, run.settings.active);
    const Chunk::Now now = {0, run.settings.epoch, run.settings.bypass};
    now_->write(0, &now, sizeof now);
    const DataView view = run.data ? run.data->view() : DataView{};
    data_->write(0, &view, sizeof view);
    const Position position = {static_cast<const int32_t*>(schedule_->data()), 0};
    position_->write(0, &position, sizeof position);
  }

  Graph& graph_of(int64_t from_call, int64_t to_call) {
    std::unique_ptr<Graph>& graph = graphs_[{from_call, to_call}];
    if (graph) return *graph;
    std::vector<std::vector<std::vector<Step>>> levels = {{first_}};
    for (int64_t call = from_call; call < to_call; call++) {
      const Planned& planned = calls_[static_cast<size_t>(call)];
      const size_t level = static_cast<size_t>(planned.level) + 1;
      if (levels.size() <= level) levels.resize(level + 1);
      if (!planned.steps.empty()) levels[level].push_back(planned.steps);
    }
    std::erase_if(levels, [](const auto& level) { return level.empty(); });
    graph = std::make_unique<Graph>(device_.context(), levels);
    return *graph;
  }

  Device& device_;
  Control sizes_{};
  Plan plan_;
  std::vector<Planned> calls_;
  std::vector<Step> first_;
  std::map<std::pair<int64_t, int64_t>, std::unique_ptr<Graph>> graphs_;
  std::shared_ptr<Memory> lanes_, rates_, seeds_, active_, now_, data_, position_, schedule_;
};

}  // namespace

Device::Device(int index, const std::string& precision) : index_(index), precision_(precision), context_(index) {
  if (!precision.empty() && context_.properties().major < 8) {
    throw Error("ERR_CONFIG", "device '" + name() + "': " + description() + " has no " + precision +
                                  " products (compute capability 8.0); leave the precision out");
  }
  start();
}

std::shared_ptr<Memory> Device::allocate(size_t bytes) { return std::make_shared<GpuMemory>(context_, bytes); }

std::unique_ptr<Execution> Device::execution(int32_t replicas, int32_t lanes, int32_t chunk) {
  return std::make_unique<GpuExecution>(*this, replicas, lanes, chunk);
}

std::shared_ptr<Memory> Device::allocate_column(size_t bytes) {
  try {
    return allocate(bytes);
  } catch (const Error& error) {
    if (error.code != std::string("ERR_OUT_OF_MEMORY")) throw;
    return std::make_shared<MappedMemory>(context_, bytes);
  }
}

CudaReport report() {
  CudaReport report;
  report.built = true;
  report.driver = driver_version();
  report.runtime = runtime_version();
  report.architectures = built_architectures();
  const int count = device_count(&report.problem);
  for (int i = 0; i < count; i++) {
    const DeviceProperties gpu = properties_of(i);
    report.gpus.push_back({gpu.name, gpu.major, gpu.minor, gpu.multiprocessors, gpu.memory});
  }
  return report;
}

}  // namespace circumplex::cuda

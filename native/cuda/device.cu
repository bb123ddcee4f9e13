#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/plan.h"
#include "cuda/staging.h"

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
  now.slot = static_cast<int32_t>(position.chunk % int64_t{Staging::kSlots});
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
    data_ = device.allocate(sizeof(RunData));
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
    c.data = Global<const RunData>(static_cast<RunData*>(data_->data()));

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
    calls_.push_back({level, plan_.take_steps(), plan_.columns().size()});
    return plan_.take_kernel();
  }
  void finish() override {}
  const std::vector<ColumnUse>& columns() const override { return plan_.columns(); }

  int64_t run(const Run& run) override {
    const std::unique_ptr<Staging> staging =
        Staging::make(device_, run, sizes_, plan_.columns(), uses_before(run.from_call), uses_before(run.to_call));
    begin(run, staging.get());
    Stream& stream = device_.context().stream();
    Graph& graph = graph_of(run.from_call, run.to_call);
    const int64_t row = sizes_.lanes * kScheduleColumns, chunks = static_cast<int64_t>(run.schedule.size()) / row;
    const auto chunk = [&](int64_t i) { return run.schedule.data() + i * row; };
    const size_t most_ahead = staging ? Staging::kSlots - 1 : kAhead;
    std::deque<Event> ahead;
    int64_t launched = 0, done = 0;
    const auto await_one = [&] {
      ahead.front().wait();
      ahead.pop_front();
      if (staging) staging->store(done, chunk(done));
      run.chunk_done(++done);
    };
    while (launched < chunks && !run.stop.load(std::memory_order_relaxed)) {
      while (ahead.size() > most_ahead) await_one();
      if (staging) staging->bring(launched, chunk(launched), stream);
      graph.run(stream);
      if (staging) staging->fetch(launched, stream);
      ahead.emplace_back(device_.context());
      ahead.back().record(stream);
      launched++;
    }
    while (!ahead.empty()) await_one();
    return done;
  }

 private:
  struct Planned {
    int64_t level;
    std::vector<Step> steps;
    size_t uses;  // of columns, to the end of this call
  };

  // What holds for the run, to the GPU.
  void begin(const Run& run, const Staging* staging) {
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
    const Chunk::Now now = {0, run.settings.epoch, run.settings.bypass, 0};
    now_->write(0, &now, sizeof now);
    const RunData data = {run.data ? run.data->view() : DataView{}, staging ? staging->table() : nullptr,
                          static_cast<int64_t>(plan_.columns().size())};
    data_->write(0, &data, sizeof data);
    const Position position = {static_cast<const int32_t*>(schedule_->data()), 0};
    position_->write(0, &position, sizeof position);
  }

  size_t uses_before(int64_t call) const { return call == 0 ? 0 : calls_[static_cast<size_t>(call) - 1].uses; }

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
  const char* wish = std::getenv("CIRCUMPLEX_CUDA_DATA");
  const int64_t spare = context_.properties().memory / 8;
  const bool fits = static_cast<int64_t>(bytes) <= context_.available() - spare;
  if (!fits || (wish && std::string(wish) == "host")) return host_column(bytes);
  return allocate(bytes);
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

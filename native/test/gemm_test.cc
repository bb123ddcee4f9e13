// The matrix products of the CUDA backend on the emulator, against float64: every layout, precision and kernel, odd
// sizes and alignments, rows in use, replicas. What no product may read is NaN, what none may write must stay.
//
// Bounds of the error, in units of the sum of |a b| (and |bias|, |c| where they are added):
//   float32   (2 + sqrt(k)) 2^-24 by FMA chains, (8 + sqrt(k)) 2^-24 by three TF32 products: the product of the two
//   small
//             parts, which is left out, and the last bits of these parts are 8 2^-24 at the most
//   tf32      2^-10, two roundings to 11 bits        bf16   2^-7, two roundings to 8 bits

#include "cuda/gemm.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "check.h"
#include "core/error.h"
#include "core/pool.h"
#include "cuda/device.h"
#include "emulator/emulator.h"

namespace circumplex::test {
namespace {

using cuda::Precision;
using cuda::Product;
using Values = std::vector<float>;

enum class Layout { forward, input_gradient, weight_gradient, column_sums };
constexpr Layout kLayouts[] = {Layout::forward, Layout::input_gradient, Layout::weight_gradient, Layout::column_sums};

struct Method {
  const char* name;
  Precision precision;
  int architecture;
};
constexpr Method kMethods[] = {{"FMA chains", Precision::float32, 86},
                               {"3xTF32", Precision::float32, 90},
                               {"TF32", Precision::tf32, 80},
                               {"BF16", Precision::bf16, 120}};

double bound(const Method& method, int64_t k) {
  if (method.precision == Precision::tf32) return 0x1p-10;
  if (method.precision == Precision::bf16) return 0x1p-7;
  return (method.architecture == 90 ? 8 : 2) * 0x1p-24 + std::sqrt(static_cast<double>(k)) * 0x1p-24;
}

// Matrices of all replicas, or of one for all: rows `ld` apart, NaN wherever there is no element.
struct Matrix {
  int64_t rows, columns, ld, offset, stride, copies;
  Values values;

  Matrix(int64_t r, int64_t c, int64_t pad, int64_t shift, int64_t n)
      : rows(r), columns(c), ld(c + pad), offset(shift), stride(n > 1 ? r * (c + pad) + pad : 0), copies(n) {
    values.assign(static_cast<size_t>(offset + std::max<int64_t>(1, (copies - 1) * stride + rows * ld)),
                  std::numeric_limits<float>::quiet_NaN());
  }
  float& at(int64_t replica, int64_t i, int64_t j) {
    return values[static_cast<size_t>(offset + (copies > 1 ? replica : 0) * stride + i * ld + j)];
  }
};

struct Case {
  Layout layout = Layout::forward;
  int64_t u = 8, v = 8;  // forward, input_gradient: c [rows, v] by k = u; weight_gradient: c [u, v]; column_sums: c [u]
  int64_t lanes = 3, chunk = 5, frames = 5, halo = 0;
  int64_t replicas = 1;
  bool shared = false;    // a is one for all replicas
  bool all_rows = false;  // Rows::none: frames, halo and lanes are only what makes the number of rows
  int64_t pad = 0, shift = 0;
  int biases = 0;
  bool add = false, twin = false;
  std::vector<uint8_t> active;
  double spread = 0;  // of exponents
  uint64_t seed = 1;

  bool sums() const { return layout == Layout::weight_gradient || layout == Layout::column_sums; }
  int64_t most() const { return (chunk + halo) * lanes; }
  int64_t used() const { return all_rows ? most() : frames > 0 ? (frames + halo) * lanes : 0; }
  std::string text() const {
    std::string s = "layout " + std::to_string(static_cast<int>(layout));
    for (int64_t n : {u, v, lanes, chunk, frames, halo, replicas, pad, shift}) s += " " + std::to_string(n);
    return s;
  }
};

// A case's matrices as they are before the product.
struct Problem {
  Case c;
  Matrix a, b, bias, second_bias, out, twin;

  explicit Problem(const Case& k)
      : c(k),
        a(k.most(), k.u, k.pad, k.shift, k.shared ? 1 : k.replicas),
        b(k.sums()                      ? k.most()
          : k.layout == Layout::forward ? k.v
                                        : k.u,
          k.layout == Layout::forward ? k.u : k.v, k.pad, k.shift, k.replicas),
        bias(1, k.v, 0, k.shift, k.replicas),
        second_bias(1, k.v, 0, 0, k.replicas),
        out(k.sums() ? k.u : k.most(), k.layout == Layout::column_sums ? 1 : k.v, k.pad, k.shift, k.replicas),
        twin(out) {
    uint64_t seed = 10 * k.seed;
    const auto fill = [&](Matrix& m, int64_t rows) {
      std::mt19937_64 random(seed++);
      const auto draw = [&] { return 2 * std::generate_canonical<double, 53>(random) - 1; };
      for (int64_t r = 0; r < m.copies; r++) {
        for (int64_t i = 0; i < rows; i++) {
          for (int64_t j = 0; j < m.columns; j++) {
            m.at(r, i, j) = static_cast<float>(draw() * std::exp2(k.spread * draw()));
          }
        }
      }
    };
    fill(a, k.used());
    fill(b, k.sums() ? k.used() : b.rows);
    fill(bias, 1);
    fill(second_bias, 1);
    fill(out, out.rows);
    twin = out;
    for (float& x : twin.values) x += 1;
  }

  // Rows and columns of the result that are written, and the steps of its sums.
  int64_t m() const { return c.sums() ? c.u : c.used(); }
  int64_t n() const { return out.columns; }
  int64_t k() const { return c.sums() ? c.used() : c.u; }
  double left(int64_t r, int64_t i, int64_t k) { return c.sums() ? a.at(r, k, i) : a.at(r, i, k); }
  double right(int64_t r, int64_t k, int64_t j) {
    if (c.layout == Layout::column_sums) return 1;
    return c.layout == Layout::forward ? b.at(r, j, k) : b.at(r, k, j);
  }
};

// An emulated GPU.
struct Gpu {
  int architecture = 90, multiprocessors = 4;
  uint64_t seed = 0;
  bool races = false;
};

// Computes several problems of the same replicas, lanes, chunk and frames in one plan; returns out and twin of each.
std::vector<Values> compute(const std::vector<Problem>& problems, Precision precision, const Gpu& gpu = {}) {
  emulator::set_architecture(gpu.architecture);
  emulator::set_multiprocessors(gpu.multiprocessors);
  emulator::set_seed(gpu.seed);
  emulator::set_races(gpu.races);
  const Case& c = problems[0].c;
  cuda::Device device(0, "");
  Control control = {};
  control.replicas = static_cast<int32_t>(c.replicas);
  control.lanes = static_cast<int32_t>(c.lanes);
  control.chunk = static_cast<int32_t>(c.chunk);
  cuda::Plan plan(control, device, device.context().properties(), precision);
  std::vector<std::shared_ptr<Memory>> memory;
  const auto upload = [&](const void* from, size_t bytes) {
    memory.push_back(device.allocate(bytes));
    memory.back()->write(0, from, bytes);
    return memory.back()->data();
  };
  std::vector<uint8_t> active = c.active;
  active.resize(static_cast<size_t>(c.replicas), 1);
  const cuda::Chunk::Now now = {static_cast<int32_t>(c.frames), 0, 0};
  plan.chunk.replicas = control.replicas;
  plan.chunk.lanes = control.lanes;
  plan.chunk.most_frames = control.chunk;
  plan.chunk.active = cuda::Global<const uint8_t>(static_cast<uint8_t*>(upload(active.data(), active.size())));
  plan.chunk.now = cuda::Global<const cuda::Chunk::Now>(static_cast<cuda::Chunk::Now*>(upload(&now, sizeof now)));

  const auto place = [&](const Matrix& m) -> cuda::Array<float> {
    auto* data = static_cast<float*>(upload(m.values.data(), m.values.size() * sizeof(float)));
    return {cuda::Global<float>(data + m.offset), m.stride};
  };
  const auto input = [&](const Matrix& m) -> cuda::Array<const float> {
    const cuda::Array<float> array = place(m);
    return {array.data, array.stride};
  };
  std::vector<Product> products;
  std::vector<std::shared_ptr<Memory>> results;
  for (const Problem& q : problems) {
    const Case& d = q.c;
    Product p = {};
    p.a = {input(q.a), d.sums() ? 1 : q.a.ld, d.sums() ? q.a.ld : 1};
    if (d.layout != Layout::column_sums) {
      p.b = {input(q.b), d.layout == Layout::forward ? 1 : q.b.ld, d.layout == Layout::forward ? q.b.ld : 1};
    }
    p.c = place(q.out);
    results.push_back(memory.back());
    p.ldc = q.out.ld;
    p.m = q.out.rows;
    p.n = q.out.columns;
    p.k = d.sums() ? d.most() : d.u;
    p.rows = d.all_rows ? Product::Rows::none : d.sums() ? Product::Rows::k : Product::Rows::m;
    p.halo = d.all_rows ? 0 : d.halo;
    if (d.biases > 0) p.bias = input(q.bias);
    if (d.biases > 1) p.second_bias = input(q.second_bias);
    p.add = d.add;
    if (d.twin) p.twin = place(q.twin);
    results.push_back(memory.back());
    products.push_back(p);
  }
  cuda::plan_products(plan, products);
  cuda::Graph graph(device.context(), {{plan.take_steps()}});
  cuda::Stream stream(device.context());
  graph.run(stream);
  stream.wait();
  std::vector<Values> values;
  for (const std::shared_ptr<Memory>& result : results) {
    values.emplace_back(result->bytes() / sizeof(float));
    result->read(0, values.back().data(), result->bytes());
  }
  return values;
}

bool same_bits(const Values& x, const Values& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

// Holds a result to float64. Returns the largest error in units of its bound.
double verify(const Problem& problem, const Values& got, const Values& twin, const Method& method) {
  Problem q = problem;
  const Case& c = q.c;
  const std::string name = std::string(method.name) + ", " + c.text();
  double worst = 0;
  Values want_bits = q.out.values, want_twin = q.twin.values;  // where nothing is written
  Matrix result = q.out;
  result.values = got;
  for (int64_t r = 0; r < c.replicas; r++) {
    if (!c.active.empty() && !c.active[static_cast<size_t>(r)]) continue;
    for (int64_t i = 0; i < q.m(); i++) {
      for (int64_t j = 0; j < q.n(); j++) {
        double want = 0, size = 0;
        const auto add = [&](double x) {
          want += x;
          size += std::abs(x);
        };
        for (int64_t k = 0; k < q.k(); k++) add(q.left(r, i, k) * q.right(r, k, j));
        if (c.biases > 0) add(q.bias.at(r, 0, j));
        if (c.biases > 1) add(q.second_bias.at(r, 0, j));
        if (c.add) add(q.out.at(r, i, j));
        const float value = result.at(r, i, j);
        // Beside the bound: what the least of float32's numbers cannot hold.
        const double error = std::abs(value - want) / (bound(method, q.k()) * size + 1e-40);
        if (!(error <= worst)) worst = error;
        const auto index = static_cast<size_t>(&result.at(r, i, j) - result.values.data());
        want_bits[index] = value;
        want_twin[index] = value;
      }
    }
  }
  CHECK(worst <= 1, "%s: error is %g of its bound", name.c_str(), worst);
  CHECK(same_bits(want_bits, got), "%s: wrote where there is no result", name.c_str());
  if (c.twin) CHECK(same_bits(want_twin, twin), "%s: the twin differs", name.c_str());
  return worst;
}

double verify(const Case& c, const Method& method) {
  const Problem problem(c);
  const std::vector<Values> result = compute({problem}, method.precision, {method.architecture});
  return verify(problem, result[0], result[1], method);
}

// ---- sizes, layouts, options ----

void sizes(const Method& method) {
  for (Layout layout : kLayouts) {
    for (int64_t u : {1, 7, 33, 88, 130}) {
      for (int64_t v : {1, 7, 33, 88, 130}) {
        if (layout == Layout::column_sums && v > 1) continue;
        Case c;
        c.layout = layout;
        c.u = u;
        c.v = v;
        c.chunk = 23;
        c.frames = u % 2 ? 23 : 12;
        c.pad = v == 33 ? 3 : 0;
        c.shift = u == 88 ? 1 : 0;
        verify(c, method);
      }
    }
  }
}

// Random sizes and options, all at once.
void mixtures(const Method& method, int count) {
  std::mt19937_64 random(99);
  const auto pick = [&](int64_t most) { return static_cast<int64_t>(random() % static_cast<uint64_t>(most)); };
  for (int i = 0; i < count; i++) {
    Case c;
    c.layout = kLayouts[pick(4)];
    c.u = 1 + pick(pick(2) ? 20 : 140);
    c.v = c.layout == Layout::column_sums ? 1 : 1 + pick(pick(2) ? 20 : 140);
    if (pick(2)) c.u = (c.u + 3) / 4 * 4, c.v = (c.v + 3) / 4 * 4;
    if (c.layout == Layout::column_sums) c.v = 1;
    c.lanes = 1 + pick(6);
    c.chunk = 1 + pick(30);
    c.frames = pick(5) ? 1 + pick(c.chunk) : 0;
    c.halo = pick(2) ? pick(12) : 0;
    c.replicas = 1 + pick(3);
    c.shared = pick(3) == 0;
    c.all_rows = pick(6) == 0;
    c.pad = pick(3) ? 4 * pick(2) : pick(5);
    c.shift = pick(3) ? 4 * pick(2) : pick(5);
    c.biases = c.sums() ? 0 : static_cast<int>(pick(3));
    c.add = pick(3) == 0;
    c.twin = pick(3) == 0;
    if (pick(2)) {
      for (int64_t r = 0; r < c.replicas; r++) c.active.push_back(pick(3) > 0);
    }
    c.spread = pick(2) ? 20. : 0.;
    c.seed = random();
    verify(c, method);
  }
}

// Sums over more rows than a slab has.
void slabs(const Method& method) {
  for (Layout layout : {Layout::weight_gradient, Layout::column_sums}) {
    for (int64_t frames : {0, 1, 682, 683, 1500, 3500}) {
      Case c;
      c.layout = layout;
      c.u = 5;
      c.v = layout == Layout::column_sums ? 1 : 6;
      c.chunk = 3500;
      c.frames = frames;
      c.halo = frames == 1500 ? 4 : 0;
      c.replicas = frames == 1 ? 2 : 1;
      c.add = frames == 683;
      c.twin = frames == 1500;
      c.pad = 2;
      if (c.replicas == 2) c.active = {0, 1};
      verify(c, method);
    }
  }
}

// ---- accuracy ----

// Root mean square of the errors in units of 2^-24 times the sum of |a b|, over a tile's results.
double typical_error(const Method& method, int64_t k, double spread, bool positive) {
  Case c;
  c.u = k;
  c.v = 64;
  c.lanes = 1;
  c.chunk = c.frames = 64;
  c.spread = spread;
  Problem q(c);
  if (positive) {
    for (Matrix* m : {&q.a, &q.b}) {
      for (float& x : m->values) x = std::abs(x);
    }
  }
  const std::vector<Values> result = compute({q}, method.precision, {method.architecture});
  verify(q, result[0], result[1], method);
  double sum = 0;
  for (int64_t i = 0; i < 64; i++) {
    for (int64_t j = 0; j < 64; j++) {
      double want = 0, size = 0;
      for (int64_t l = 0; l < k; l++) {
        want += q.left(0, i, l) * q.right(0, l, j);
        size += std::abs(q.left(0, i, l) * q.right(0, l, j));
      }
      sum += std::pow((result[0][static_cast<size_t>(i * 64 + j)] - want) / size * 0x1p24, 2);
    }
  }
  return std::sqrt(sum / 4096);
}

// Three TF32 products are as good as a chain of float32 FMAs.
void accuracy() {
  for (int64_t k : {16, 88, 2048}) {
    for (double spread : {0., 30.}) {
      for (bool positive : {false, true}) {
        const double chain = typical_error(kMethods[0], k, spread, positive);
        const double three = typical_error(kMethods[1], k, spread, positive);
        std::printf("k %4d, exponents +-%2g, %s: %.3f by FMA chains, %.3f by 3xTF32\n", static_cast<int>(k), spread,
                    positive ? "positive" : "both signs", chain, three);
        CHECK(three <= 2 * chain + 0.5, "3xTF32: %g, FMA chains: %g", three, chain);
      }
    }
  }
}

// What is not finite shows in its own row alone, and nothing finite comes of it.
void infinities(const Method& method) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (float x : {inf, -inf, nan, std::numeric_limits<float>::max()}) {
    Case c;
    c.u = 20;
    c.v = 9;
    Problem q(c);
    q.a.at(0, 4, 13) = x;
    Matrix result = q.out;
    result.values = compute({q}, method.precision, {method.architecture})[0];
    for (int64_t i = 0; i < q.m(); i++) {
      for (int64_t j = 0; j < q.n(); j++) {
        const float y = result.at(0, i, j);
        if (i != 4) {
          CHECK(std::isfinite(y), "%s: %g went astray", method.name, x);
        } else if (std::isfinite(x)) {
          const double want = double{x} * q.b.at(0, j, 13);
          CHECK(!std::isfinite(y) || std::abs(y - want) <= 0.01 * std::abs(want), "%s: %g", method.name, x);
        } else {
          CHECK(std::isnan(x) ? std::isnan(y) : !std::isfinite(y), "%s: %g became %g", method.name, x, y);
        }
      }
    }
  }
}

// ---- what changes no bit ----

std::vector<Problem> several() {
  std::vector<Problem> problems;
  for (Layout layout : kLayouts) {
    for (int64_t u : {70, 8}) {
      Case c;
      c.layout = layout;
      c.u = u;
      c.v = layout == Layout::column_sums ? 1 : 12;
      c.chunk = 800;
      c.frames = 790;
      c.replicas = 2;
      c.biases = c.sums() ? 0 : 1;
      c.seed = static_cast<uint64_t>(u);
      problems.emplace_back(c);
    }
  }
  return problems;
}

// Neither the GPU's size, nor the order in which threads run, nor what else is in the launch.
void invariance(const Method& method) {
  const std::vector<Problem> problems = several();
  const std::vector<Values> together = compute(problems, method.precision, {method.architecture});
  for (size_t i = 0; i < problems.size(); i++) {
    const std::vector<Values> alone = compute({problems[i]}, method.precision, {method.architecture, 1, 7});
    CHECK(same_bits(alone[0], together[2 * i]), "%s, %s: alone, on one multiprocessor, other bits", method.name,
          problems[i].c.text().c_str());
    verify(problems[i], together[2 * i], together[2 * i + 1], method);
  }
}

// Neither the room for more rows, nor alignment, nor a row's neighbours.
void rows_alone(const Method& method) {
  for (Layout layout : kLayouts) {
    Case c;
    c.layout = layout;
    c.u = 36;
    c.v = layout == Layout::column_sums ? 1 : 20;
    c.lanes = 1;
    c.frames = 100;
    std::vector<Values> results;
    for (int64_t chunk : {100, 5000}) {
      for (int64_t shift : {0, 3}) {
        c.chunk = c.sums() ? chunk : 100;
        c.shift = shift;
        c.pad = shift;
        Problem q(c);
        Matrix out = q.out;
        out.values = compute({q}, method.precision, {method.architecture})[0];
        results.emplace_back();
        for (int64_t i = 0; i < q.m(); i++) {
          for (int64_t j = 0; j < q.n(); j++) results.back().push_back(out.at(0, i, j));
        }
      }
    }
    for (const Values& other : results) CHECK(same_bits(results[0], other), "%s: %s", method.name, c.text().c_str());
    if (c.sums()) continue;
    c.frames = 7;
    Problem q(c);
    Matrix out = q.out;
    out.values = compute({q}, method.precision, {method.architecture})[0];
    for (int64_t i = 0; i < q.m() * q.n(); i++) {
      CHECK(out.at(0, i / q.n(), i % q.n()) == results[0][static_cast<size_t>(i)], "%s: %s", method.name,
            c.text().c_str());
    }
  }
}

// ---- the kernels' synchronisation ----

// No race, and none of it can be taken away unnoticed.
void synchronisation(const Method& method) {
  Case c;
  c.u = 100;
  std::vector<Problem> problems;
  for (Layout layout : kLayouts) {
    c.layout = layout;
    c.v = layout == Layout::column_sums ? 1 : 7;
    c.chunk = c.frames = 45;
    problems.emplace_back(c);
  }
  const Gpu gpu = {method.architecture, 2, 3, true};
  const std::vector<Values> want = compute(problems, method.precision, gpu);
  const std::vector<emulator::SiteDescription> sites = emulator::sites();
  for (size_t i = 0; i < sites.size(); i++) {
    if (sites[i].file.find("gemm.cu") == std::string::npos || sites[i].visits == 0) continue;
    emulator::disable_site(static_cast<int>(i));
    bool noticed = false;
    try {
      noticed = compute(problems, method.precision, gpu) != want;
    } catch (const Error&) {
      noticed = true;
    }
    CHECK(noticed, "%s: %s at gemm.cu:%d is not needed", method.name, sites[i].operation.c_str(), sites[i].line);
  }
  emulator::disable_site(-1);
}

void all() {
  for (const Method& method : kMethods) {
    sizes(method);
    mixtures(method, 150);
    slabs(method);
    infinities(method);
    invariance(method);
    rows_alone(method);
    synchronisation(method);
  }
  accuracy();
}

}  // namespace
}  // namespace circumplex::test

int main() {
  circumplex::FlushDenormals flush;
  circumplex::test::all();
  std::printf("%d failures\n", circumplex::test::failures);
  return circumplex::test::failures ? 1 : 0;
}

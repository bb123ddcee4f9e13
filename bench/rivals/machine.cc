// What the machine can do, for bench/gemm.ts and bench/roofline.ts: answers a line of words with a line of JSON.
//   fma                       FLOP/s of fused multiply-adds in registers, all threads
//   read BYTES                bytes/s read from memory, all threads
//   sgemm LIBRARY M N K       seconds of C [M,N] = A [M,K] B' [N,K], by openblas or onednn, where they are installed
// g++ -O3 -march=native -std=gnu++20 -pthread machine.cc -ldl; ./a.out THREADS
#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

int threads = 1;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Seconds until all threads have run `body`, from when all have started.
double on_all(const std::function<void(int)>& body) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::thread> list;
  for (int i = 0; i < threads; i++) {
    list.emplace_back([&, i] {
      ready++;
      while (!go) {
      }
      body(i);
    });
  }
  while (ready < threads) {
  }
  const double started = now();
  go = true;
  for (auto& t : list) t.join();
  return now() - started;
}

#if defined(__AVX512F__)
typedef float Vector __attribute__((vector_size(64)));
#else
typedef float Vector __attribute__((vector_size(32)));
#endif
constexpr int kWidth = sizeof(Vector) / sizeof(float);

volatile float sink;

double fma_rate() {
  constexpr int64_t kRounds = 30'000'000;
  constexpr int kChains = 10;  // more than the latency of one times what starts in a cycle
  const double seconds = on_all([](int) {
    Vector x, y;
    for (int i = 0; i < kWidth; i++) x[i] = 1.0000001f, y[i] = 1e-9f;
    Vector a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;  // an array would not stay in registers
    for (int64_t round = 0; round < kRounds; round++) {
      a = a * x + y, b = b * x + y, c = c * x + y, d = d * x + y, e = e * x + y;
      f = f * x + y, g = g * x + y, h = h * x + y, i = i * x + y, j = j * x + y;
    }
    const float total = (a + b + c + d + e + f + g + h + i + j)[0];
    sink = total;
  });
  return 2.0 * kWidth * kChains * kRounds * threads / seconds;
}

double read_rate(size_t bytes) {
  const size_t each = bytes / static_cast<size_t>(threads) / sizeof(Vector);
  std::vector<std::vector<Vector>> memory(static_cast<size_t>(threads));
  for (auto& m : memory) m.assign(each, Vector{});
  const int rounds = static_cast<int>(std::max<size_t>(1, (size_t{4} << 30) / bytes));
  const double seconds = on_all([&](int i) {
    const Vector* at = memory[static_cast<size_t>(i)].data();
    Vector a{}, b{}, c{}, d{};
    for (int r = 0; r < rounds; r++) {
      for (size_t k = 0; k + 4 <= each; k += 4) a += at[k], b += at[k + 1], c += at[k + 2], d += at[k + 3];
    }
    a += b + c + d;
    sink = a[0];
  });
  return static_cast<double>(each * sizeof(Vector)) * threads * rounds / seconds;
}

using Cblas = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);
using Dnnl = int (*)(char, char, int64_t, int64_t, int64_t, float, const float*, int64_t, const float*, int64_t, float,
                     float*, int64_t);

void* symbol(const std::vector<const char*>& libraries, const char* name) {
  for (const char* library : libraries) {
    if (void* handle = dlopen(library, RTLD_NOW | RTLD_LOCAL)) {
      if (void* found = dlsym(handle, name)) return found;
    }
  }
  return nullptr;
}

const std::vector<const char*> kOpenblas = {"libopenblas.so.0", "libopenblas.so"};
const std::vector<const char*> kDnnl = {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so"};

double sgemm(const std::string& library, int m, int n, int k) {
  static const auto cblas = reinterpret_cast<Cblas>(symbol(kOpenblas, "cblas_sgemm"));
  static const auto dnnl = reinterpret_cast<Dnnl>(symbol(kDnnl, "dnnl_sgemm"));
  static const auto set = reinterpret_cast<void (*)(int)>(symbol(kOpenblas, "openblas_set_num_threads"));
  if (set) set(threads);
  const auto count = [](int a, int b) { return static_cast<size_t>(a) * static_cast<size_t>(b); };
  std::vector<float> a(count(m, k), .5f), b(count(n, k), .25f), c(count(m, n));
  const auto once = [&] {
    if (library == "openblas") {
      cblas(101, 111, 112, m, n, k, 1, a.data(), k, b.data(), k, 0, c.data(), n);
    } else {
      dnnl('N', 'T', m, n, k, 1, a.data(), k, b.data(), k, 0, c.data(), n);
    }
  };
  if (library == "openblas" ? !cblas : !dnnl) return 0;
  once();
  int repeats = 0;
  const double started = now();
  do {
    once();
    repeats++;
  } while (now() - started < .15);
  return (now() - started) / repeats;
}

}  // namespace

int main(int count, char** arguments) {
  threads = count > 1 ? std::max(1, std::atoi(arguments[1])) : 1;
  std::printf("{\"threads\": %d, \"vector\": %d}\n", threads, kWidth);
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what, library;
    words >> what;
    double value = 0;
    if (what == "fma") value = fma_rate();
    if (what == "read") {
      size_t bytes = 0;
      words >> bytes;
      value = read_rate(bytes);
    }
    if (what == "sgemm") {
      int m = 0, n = 0, k = 0;
      words >> library >> m >> n >> k;
      value = sgemm(library, m, n, k);
    }
    std::printf("{\"value\": %.17g}\n", value);
    std::fflush(stdout);
  }
}

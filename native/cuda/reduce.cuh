#pragma once
// Sums and maxima over threads, in an order that their number fixes; every thread receives the results.

#include "cuda/device.cuh"

namespace circumplex::cuda {

struct Sum {
  template <class T>
  CIRCUMPLEX_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  template <class T>
  CIRCUMPLEX_DEVICE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

// Over `size` neighbouring lanes, a power of two. All lanes of the warp take part.
template <class T, class Combine>
CIRCUMPLEX_DEVICE T team_reduce(T v, int size, Combine combine) {
  for (int gap = size / 2; gap > 0; gap /= 2) v = combine(v, shuffle_xor(v, gap));
  return v;
}

// N values each over a block of whole warps, no more than 32. `scratch` holds N values a warp; `identity` changes
// nothing.
template <int N, class Combine>
CIRCUMPLEX_DEVICE void block_reduce(double (&v)[N], Shared<double> scratch, double identity, Combine combine) {
  for (int i = 0; i < N; i++) v[i] = team_reduce(v[i], 32, combine);
  sync_block();  // what was reduced before has been read
  if (lane() == 0) {
    for (int i = 0; i < N; i++) scratch[N * warp() + i] = v[i];
  }
  sync_block();
  for (int i = 0; i < N; i++) {
    double one = identity;
    if (lane() < threads() / 32) one = scratch[N * lane() + i];
    v[i] = team_reduce(one, 32, combine);
  }
}

template <int N>
CIRCUMPLEX_DEVICE void block_sums(double (&v)[N], Shared<double> scratch) {
  block_reduce(v, scratch, 0., Sum());
}

constexpr int64_t reduce_bytes(int threads, int values) {
  return int64_t{threads / 32} * values * static_cast<int64_t>(sizeof(double));
}

}  // namespace circumplex::cuda

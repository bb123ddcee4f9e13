#pragma once
// The eight tile registers of AMX: 16 rows of 64 bytes each, or what configure() says. multiply_tiles<C, A, B>(), with
// an a of [rows][16 pairs] of bfloat16 and a b of [16 pairs][16]: the even products of an element are added up from 0
// in order, the odd ones beside them, and the two sums are added to it; every step rounds once, and denormals are 0.

#include "cpu/bfloat16.h"

namespace circumplex::CIRCUMPLEX_ISA {

struct TileShapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};  // of a row
  uint8_t rows[16] = {};
};

#if defined(__AMX_BF16__)

// The compiler's own intrinsics do not tell it that they read memory.
CIRCUMPLEX_INLINE void configure(const TileShapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes)); }
CIRCUMPLEX_INLINE void release_tiles() { asm volatile("tilerelease"); }
template <int T>
CIRCUMPLEX_INLINE void clear_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(T));
}
// `step`: bytes from row to row.
template <int T>
CIRCUMPLEX_INLINE void load_tile(const void* from, int64_t step) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(step), "i"(T) : "memory");
}
template <int T>
CIRCUMPLEX_INLINE void store_tile(void* to, int64_t step) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(step), "i"(T) : "memory");
}
template <int C, int A, int B>
CIRCUMPLEX_INLINE void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
}

#else  // for the tests of processors without AMX: the same bits from memory

struct Tile {
  uint32_t pairs[16][16];
};
struct Tiles {
  TileShapes shapes;
  Tile tile[8];
};
static thread_local Tiles tiles;

CIRCUMPLEX_INLINE void configure(const TileShapes& shapes) {
  tiles = {};
  tiles.shapes = shapes;
}
CIRCUMPLEX_INLINE void release_tiles() { tiles = {}; }
template <int T>
CIRCUMPLEX_INLINE void clear_tile() {
  tiles.tile[T] = {};
}
template <int T>
CIRCUMPLEX_INLINE void load_tile(const void* from, int64_t step) {
  clear_tile<T>();
  for (int r = 0; r < tiles.shapes.rows[T]; r++) {
    std::memcpy(tiles.tile[T].pairs[r], static_cast<const char*>(from) + r * step, tiles.shapes.bytes[T]);
  }
}
template <int T>
CIRCUMPLEX_INLINE void store_tile(void* to, int64_t step) {
  for (int r = 0; r < tiles.shapes.rows[T]; r++) {
    std::memcpy(static_cast<char*>(to) + r * step, tiles.tile[T].pairs[r], tiles.shapes.bytes[T]);
  }
}
CIRCUMPLEX_INLINE V half_of(V pairs, bool odd) {
  uint32_t bits[W];
  std::memcpy(bits, &pairs, sizeof bits);
  for (uint32_t& b : bits) b = odd ? b & 0xffff0000 : b << 16;
  std::memcpy(&pairs, bits, sizeof bits);
  return pairs;
}
template <int C, int A, int B>
CIRCUMPLEX_INLINE void multiply_tiles() {
  static_assert(W == 16);
  for (int r = 0; r < tiles.shapes.rows[C]; r++) {
    V even = zero(), odd = zero();
    for (int i = 0; i < tiles.shapes.rows[B]; i++) {
      const V b = load(reinterpret_cast<const float*>(tiles.tile[B].pairs[i]));
      V a;
      for (int w = 0; w < W; w++) std::memcpy(reinterpret_cast<uint32_t*>(&a) + w, &tiles.tile[A].pairs[r][i], 4);
      even = fma(half_of(a, false), half_of(b, false), even);
      odd = fma(half_of(a, true), half_of(b, true), odd);
    }
    float* c = reinterpret_cast<float*>(tiles.tile[C].pairs[r]);
    store(c, load(c) + (even + odd));
  }
}

#endif

}  // namespace circumplex::CIRCUMPLEX_ISA

#pragma once
// All that a kernel may use of the hardware. Two implementations of the same names: the one below, for nvcc, and
// emulator/device.h, which runs every CUDA thread as a fibre on the host and checks what it does.

#ifdef CIRCUMPLEX_EMULATOR
#include "emulator/device.h"
#else

#include <cstdint>

// A kernel takes exactly one plain struct, by value:
//   template <...> CIRCUMPLEX_KERNEL(256) name(const CIRCUMPLEX_PARAMETER Args args)
#define CIRCUMPLEX_KERNEL(threads) __global__ void __launch_bounds__(threads, 1)
#define CIRCUMPLEX_KERNEL_N(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define CIRCUMPLEX_PARAMETER __grid_constant__
#define CIRCUMPLEX_DEVICE __device__ __forceinline__
#define CIRCUMPLEX_UNROLL _Pragma("unroll")

// What the architecture being compiled for has. A function of the list below that it lacks compiles, and traps.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define CIRCUMPLEX_HAS_CLUSTERS 1
#else
#define CIRCUMPLEX_HAS_CLUSTERS 0
#endif
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
#define CIRCUMPLEX_HAS_TENSOR_CORES 1  // of tf32 and bf16; asynchronous copies too
#else
#define CIRCUMPLEX_HAS_TENSOR_CORES 0
#endif

namespace circumplex::cuda {

// ---- where a thread is; blocks are one-dimensional ----

CIRCUMPLEX_DEVICE int thread() { return static_cast<int>(threadIdx.x); }
CIRCUMPLEX_DEVICE int threads() { return static_cast<int>(blockDim.x); }
CIRCUMPLEX_DEVICE int lane() { return thread() & 31; }
CIRCUMPLEX_DEVICE int warp() { return thread() >> 5; }
CIRCUMPLEX_DEVICE int block_x() { return static_cast<int>(blockIdx.x); }
CIRCUMPLEX_DEVICE int block_y() { return static_cast<int>(blockIdx.y); }
CIRCUMPLEX_DEVICE int block_z() { return static_cast<int>(blockIdx.z); }
CIRCUMPLEX_DEVICE int blocks_x() { return static_cast<int>(gridDim.x); }
CIRCUMPLEX_DEVICE int blocks_y() { return static_cast<int>(gridDim.y); }
CIRCUMPLEX_DEVICE int blocks_z() { return static_cast<int>(gridDim.z); }

// ---- memory ----

template <class T>
using Global = T*;
template <class T>
using Shared = T*;

extern __shared__ __align__(128) unsigned char dynamic_shared[];

// The block's dynamic shared memory, the only shared memory there is, from a byte offset on.
template <class T>
CIRCUMPLEX_DEVICE Shared<T> shared(int64_t byte_offset) {
  return reinterpret_cast<T*>(dynamic_shared + byte_offset);
}

struct alignas(16) Float4 {
  float x, y, z, w;
};

// Four floats from or to an address that is a multiple of 16 bytes.
CIRCUMPLEX_DEVICE Float4 load4(const float* p) {
  const float4 v = *reinterpret_cast<const float4*>(p);
  return {v.x, v.y, v.z, v.w};
}
CIRCUMPLEX_DEVICE void store4(float* p, Float4 v) { *reinterpret_cast<float4*>(p) = make_float4(v.x, v.y, v.z, v.w); }

// Memory that nobody writes during the kernel.
template <class T>
CIRCUMPLEX_DEVICE T load_read_only(const T* p) {
  return __ldg(p);
}

// The compiler moves no memory access across it: bounds what is loaded ahead, and so the registers that takes.
CIRCUMPLEX_DEVICE void keep_order() { asm volatile("" ::: "memory"); }

// ---- a block, a warp ----

CIRCUMPLEX_DEVICE void sync_block() { __syncthreads(); }
CIRCUMPLEX_DEVICE void sync_warp() { __syncwarp(); }

// A value of another lane; all 32 lanes take part. A shuffle does not order memory: sync_warp does.
template <class T>
CIRCUMPLEX_DEVICE T shuffle(T v, int source_lane) {
  return __shfl_sync(~0u, v, source_lane);
}
template <class T>
CIRCUMPLEX_DEVICE T shuffle_xor(T v, int mask) {
  return __shfl_xor_sync(~0u, v, mask);
}

// ---- clusters and distributed shared memory (sm_90) ----

CIRCUMPLEX_DEVICE uint32_t shared_address(const void* p) { return static_cast<uint32_t>(__cvta_generic_to_shared(p)); }

CIRCUMPLEX_DEVICE int cluster_rank() {
#if CIRCUMPLEX_HAS_CLUSTERS
  uint32_t rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return static_cast<int>(rank);
#else
  return 0;
#endif
}

CIRCUMPLEX_DEVICE int cluster_size() {
#if CIRCUMPLEX_HAS_CLUSTERS
  uint32_t size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return static_cast<int>(size);
#else
  return 1;
#endif
}

// All threads of all blocks of the cluster; orders their memory operations, shared and global.
CIRCUMPLEX_DEVICE void sync_cluster() {
#if CIRCUMPLEX_HAS_CLUSTERS
  asm volatile("barrier.cluster.arrive.release.aligned;\n\tbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  __trap();
#endif
}

// An mbarrier in shared memory. A phase ends once `count` threads have arrived and as many bytes were stored as
// expected.
struct alignas(8) Barrier {
  uint64_t state;
};

// By one thread; then fence_barriers() by the same thread, and sync_cluster() before anybody uses the barrier.
CIRCUMPLEX_DEVICE void barrier_initialise(Shared<Barrier> b, int count) {
#if CIRCUMPLEX_HAS_CLUSTERS
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(count) : "memory");
#else
  __trap();
#endif
}

CIRCUMPLEX_DEVICE void fence_barriers() {
#if CIRCUMPLEX_HAS_CLUSTERS
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
  __trap();
#endif
}

CIRCUMPLEX_DEVICE void barrier_arrive(Shared<Barrier> b) {
#if CIRCUMPLEX_HAS_CLUSTERS
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
#else
  __trap();
#endif
}

// Arrives, and makes the phase wait for so many more bytes.
CIRCUMPLEX_DEVICE void barrier_expect(Shared<Barrier> b, int bytes) {
#if CIRCUMPLEX_HAS_CLUSTERS
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes)
               : "memory");
#else
  __trap();
#endif
}

// Returns when the phase of that parity (0 for the first, then 1, 0, ...) has ended.
CIRCUMPLEX_DEVICE void barrier_wait(Shared<Barrier> b, int parity) {
#if CIRCUMPLEX_HAS_CLUSTERS
  uint32_t ended;
  do {
    asm volatile(
        "{\n\t.reg .pred p;\n\t"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n\t"
        "selp.u32 %0, 1, 0, p;\n\t}"
        : "=r"(ended)
        : "r"(shared_address(b)), "r"(parity)
        : "memory");
  } while (!ended);
#else
  __trap();
#endif
}

// Stores v into block `rank`'s copy of p and completes 4 bytes on its copy of b; both are given as this block's own.
CIRCUMPLEX_DEVICE void store_async(Shared<float> p, int rank, float v, Shared<Barrier> b) {
#if CIRCUMPLEX_HAS_CLUSTERS
  asm volatile(
      "{\n\t.reg .u32 to, on;\n\t"
      "mapa.shared::cluster.u32 to, %0, %3;\n\t"
      "mapa.shared::cluster.u32 on, %1, %3;\n\t"
      "st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [to], %2, [on];\n\t}" ::"r"(shared_address(p)),
      "r"(shared_address(b)), "r"(__float_as_uint(v)), "r"(rank)
      : "memory");
#else
  __trap();
#endif
}

// ---- asynchronous copies (sm_80; before, they are made at once) ----

CIRCUMPLEX_DEVICE void copy_async4(Shared<float> to, Global<const float> from) {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared_address(to)), "l"(__cvta_generic_to_global(from))
               : "memory");
#else
  *to = *from;
#endif
}

CIRCUMPLEX_DEVICE void copy_async16(Shared<float> to, Global<const float> from) {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)),
               "l"(__cvta_generic_to_global(from))
               : "memory");
#else
  store4(to, load4(from));
#endif
}

// Makes a group of the copies since the last commit.
CIRCUMPLEX_DEVICE void copy_commit() {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

// Waits until at most N of this thread's groups are under way. The other threads see the copies after a sync_block.
template <int N>
CIRCUMPLEX_DEVICE void copy_wait() {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// ---- tensor cores (sm_80). Fragments, with g = lane / 4 and t = lane % 4: ----
//   d (16 x 8):        d[0], d[1] = (g, 2t), (g, 2t + 1); d[2], d[3] = (g + 8, 2t), (g + 8, 2t + 1)
//   tf32 a (16 x 8):   a[0..3] = (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4);  b (8 x 8): (t, g), (t + 4, g)
//   bf16 a (16 x 16):  pairs of columns: a[0..3] = (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8)
//        b (16 x 8):   pairs of rows: b[0], b[1] = (2t, g), (2t + 8, g); the lower index in the lower half

CIRCUMPLEX_DEVICE uint32_t to_tf32(float x) {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#else
  __trap();
  return 0;
#endif
}

CIRCUMPLEX_DEVICE void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

CIRCUMPLEX_DEVICE uint32_t to_bf16x2(float low, float high) {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  uint32_t y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
#else
  __trap();
  return 0;
#endif
}

CIRCUMPLEX_DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if CIRCUMPLEX_HAS_TENSOR_CORES
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

// ---- arithmetic. nvcc compiles with -fmad=false: an FMA happens only where fma is written ----

CIRCUMPLEX_DEVICE float fma(float a, float b, float c) { return ::fmaf(a, b, c); }
CIRCUMPLEX_DEVICE double fma(double a, double b, double c) { return ::fma(a, b, c); }
CIRCUMPLEX_DEVICE float exp2_fast(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
CIRCUMPLEX_DEVICE float reciprocal(float x) { return __frcp_rn(x); }
CIRCUMPLEX_DEVICE float divide(float a, float b) { return __fdiv_rn(a, b); }
CIRCUMPLEX_DEVICE float square_root(float x) { return __fsqrt_rn(x); }
CIRCUMPLEX_DEVICE uint32_t multiply_high(uint32_t a, uint32_t b) { return __umulhi(a, b); }

}  // namespace circumplex::cuda

#endif

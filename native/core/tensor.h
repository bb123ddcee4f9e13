#pragma once
#include <cstddef>
#include <cstdint>

// A function that host and device code share.
#if defined(__CUDACC__)
#define CIRCUMPLEX_HOST_DEVICE __host__ __device__
#else
#define CIRCUMPLEX_HOST_DEVICE
#endif

namespace circumplex {

enum class Type : uint8_t { f32, f64, i32, u8 };
size_t bytes_of(Type type);  // of one element

// A view of device memory: [replica, dims...], row-major, `stride` elements from one replica to the next.
// A tensor that all replicas share (data, masks) has stride 0. Activations are [replica, time, lane, feature].
struct Tensor {
  void* data;
  Type type;
  int32_t rank;      // without the replica axis
  int64_t dims[4];   // without the replica axis
  int64_t stride;    // elements between replicas; 0: shared
  int64_t replicas;  // 1 when shared

  CIRCUMPLEX_HOST_DEVICE int64_t size() const {  // elements of one replica
    int64_t n = 1;
    for (int32_t i = 0; i < rank; i++) n *= dims[i];
    return n;
  }
  CIRCUMPLEX_HOST_DEVICE float* f32(int64_t replica = 0) const { return static_cast<float*>(data) + replica * stride; }
  CIRCUMPLEX_HOST_DEVICE double* f64(int64_t replica = 0) const {
    return static_cast<double*>(data) + replica * stride;
  }
  CIRCUMPLEX_HOST_DEVICE int32_t* i32(int64_t replica = 0) const {
    return static_cast<int32_t*>(data) + replica * stride;
  }
  CIRCUMPLEX_HOST_DEVICE uint8_t* u8(int64_t replica = 0) const {
    return static_cast<uint8_t*>(data) + replica * stride;
  }
};

}  // namespace circumplex

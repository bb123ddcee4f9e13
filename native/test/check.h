#pragma once
// The checks of the C++ tests: a failure is printed with its place, and main returns the count of them.

#include <cstdio>

namespace circumplex::test {

inline int failures = 0;

#define CHECK(condition, ...)                                       \
  do {                                                              \
    if (!(condition)) {                                             \
      if (++circumplex::test::failures <= 40) {                     \
        std::printf("%s:%d: %s: ", __FILE__, __LINE__, #condition); \
        std::printf(__VA_ARGS__);                                   \
        std::printf("\n");                                          \
      }                                                             \
    }                                                               \
  } while (0)

}  // namespace circumplex::test

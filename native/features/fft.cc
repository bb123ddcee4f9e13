#include "features/fft.h"

#include <cmath>
#include <utility>

namespace circumplex::features {

namespace {
constexpr double kPi = 3.14159265358979323846;
}

RealFft::RealFft(int size) : size_(size), order_(size / 2), cosine_(size / 2), sine_(size / 2) {
  const int half = size / 2;
  for (int i = 0, reversed = 0; i < half; i++) {
    order_[i] = reversed;
    int bit = half >> 1;
    for (; bit > 0 && (reversed & bit); bit >>= 1) reversed ^= bit;
    reversed |= bit;
  }
  for (int k = 0; k < half; k++) {
    cosine_[k] = std::cos(2 * kPi * k / size);
    sine_[k] = std::sin(2 * kPi * k / size);
  }
}

// Even and odd values as one complex transform of half the size (radix 2, decimation in time), then taken apart.
void RealFft::forward(const double* values, double* real, double* imaginary, double* work) const {
  const int half = size_ / 2;
  double* re = work;
  double* im = work + half;
  for (int i = 0; i < half; i++) {
    re[i] = values[2 * order_[i]];
    im[i] = values[2 * order_[i] + 1];
  }
  for (int span = 1; span < half; span *= 2) {
    const int step = half / span;  // in the table, whose angles are 2 pi k / size
    for (int start = 0; start < half; start += 2 * span) {
      for (int k = 0; k < span; k++) {
        const double c = cosine_[k * step], s = -sine_[k * step];
        const int a = start + k, b = a + span;
        const double x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
        re[b] = re[a] - x;
        im[b] = im[a] - y;
        re[a] += x;
        im[a] += y;
      }
    }
  }
  real[0] = re[0] + im[0];
  imaginary[0] = 0;
  real[half] = re[0] - im[0];
  imaginary[half] = 0;
  for (int k = 1; k < half; k++) {
    const int mirrored = half - k;
    const double even_re = 0.5 * (re[k] + re[mirrored]), even_im = 0.5 * (im[k] - im[mirrored]);
    const double odd_re = 0.5 * (im[k] + im[mirrored]), odd_im = 0.5 * (re[mirrored] - re[k]);
    const double c = cosine_[k], s = -sine_[k];
    real[k] = even_re + odd_re * c - odd_im * s;
    imaginary[k] = even_im + odd_re * s + odd_im * c;
  }
}

}  // namespace circumplex::features

#pragma once

#include <vector>

namespace circumplex::features {

// The discrete Fourier transform of a power of two of real values, in double: what follows takes logarithms of small
// differences. A plan is read only once it is made, and serves any number of threads.
class RealFft {
 public:
  explicit RealFft(int size);

  int size() const { return size_; }

  // `values` [size] becomes the spectrum's bins 0 to size / 2: `real` and `imaginary` [size / 2 + 1].
  // `work` [size].
  void forward(const double* values, double* real, double* imaginary, double* work) const;

 private:
  int size_;
  std::vector<int> order_;             // of the half-size transform's inputs
  std::vector<double> cosine_, sine_;  // of 2 pi k / size
};

}  // namespace circumplex::features

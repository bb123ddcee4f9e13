#include "features/log_mel.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/old_libraries.h"
#include "features/fft.h"

namespace circumplex::features {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kRate = 16000, kLowest = 125, kHighest = 7500, kOffset = 0.01;
constexpr int kBins = LogMel::kFft / 2 + 1;

double mel(double hertz) { return 1127 * std::log1p(hertz / 700); }

// The weights of a band, of neighbouring bins.
struct Band {
  int first = 0;
  std::vector<double> weights;
};

struct Tables {
  RealFft fft{LogMel::kFft};
  std::vector<double> window = std::vector<double>(LogMel::kWindow);
  std::vector<Band> bands = std::vector<Band>(LogMel::kBands);

  Tables() {
    for (int i = 0; i < LogMel::kWindow; i++) window[i] = 0.5 - 0.5 * std::cos(2 * kPi * i / LogMel::kWindow);
    const double lowest = mel(kLowest), step = (mel(kHighest) - lowest) / (LogMel::kBands + 1);
    for (int b = 0; b < LogMel::kBands; b++) bands[b] = triangle(lowest + b * step, step);
  }

  // Rises from `foot` to foot + step, falls to foot + 2 step.
  static Band triangle(double foot, double step) {
    Band band;
    for (int bin = 1; bin < kBins; bin++) {
      const double place = (mel(bin * kRate / LogMel::kFft) - foot) / step;
      const double weight = std::min(place, 2 - place);
      if (weight <= 0) continue;
      if (band.weights.empty()) band.first = bin;
      band.weights.push_back(weight);
    }
    return band;
  }
};

const Tables& tables() {
  static const Tables made;
  return made;
}

}  // namespace

int64_t log_mel_frames(int64_t samples) {
  return samples < LogMel::kWindow ? 0 : (samples - LogMel::kWindow) / LogMel::kHop + 1;
}

void log_mel(const float* samples, int64_t count, float* frames) {
  const Tables& t = tables();
  double values[LogMel::kFft] = {};  // zero beyond the window
  double real[kBins], imaginary[kBins], magnitude[kBins], work[LogMel::kFft];
  const int64_t total = log_mel_frames(count);
  for (int64_t j = 0; j < total; j++) {
    const float* x = samples + j * LogMel::kHop;
    for (int i = 0; i < LogMel::kWindow; i++) values[i] = x[i] * t.window[i];
    t.fft.forward(values, real, imaginary, work);
    for (int k = 0; k < kBins; k++) magnitude[k] = std::sqrt(real[k] * real[k] + imaginary[k] * imaginary[k]);
    float* row = frames + j * LogMel::kBands;
    for (int b = 0; b < LogMel::kBands; b++) {
      const Band& band = t.bands[b];
      double sum = 0;
      for (size_t i = 0; i < band.weights.size(); i++) sum += band.weights[i] * magnitude[band.first + i];
      row[b] = static_cast<float>(std::log(sum + kOffset));
    }
  }
}

}  // namespace circumplex::features

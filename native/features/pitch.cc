#include "features/pitch.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/old_libraries.h"
#include "features/fft.h"

namespace circumplex::features {

namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kRate = 16000, kVoiced = 0.45, kOctaveCost = 0.01, kFloor = 1e-3;
constexpr int kBins = Pitch::kFft / 2 + 1;
constexpr int kShortest = 32, kLongest = 213;  // lags of 500 and 75 Hz

struct Scratch {
  double values[Pitch::kFft], real[kBins], imaginary[kBins], work[Pitch::kFft];
};

// `values` [kFft], zero behind the window, becomes its autocorrelation: lags 0 to kLongest + 1 are those of no
// wrapping.
void autocorrelate(const RealFft& fft, Scratch& s) {
  fft.forward(s.values, s.real, s.imaginary, s.work);
  for (int k = 0; k < kBins; k++) s.values[k] = s.real[k] * s.real[k] + s.imaginary[k] * s.imaginary[k];
  for (int k = kBins; k < Pitch::kFft; k++) s.values[k] = s.values[Pitch::kFft - k];
  fft.forward(s.values, s.real, s.imaginary, s.work);  // of an even, real sequence: the inverse but for the scale
  for (int lag = 0; lag < kBins; lag++) s.values[lag] = s.real[lag] / Pitch::kFft;
}

struct Tables {
  RealFft fft{Pitch::kFft};
  std::vector<double> window = std::vector<double>(Pitch::kWindow);
  std::vector<double> of_window = std::vector<double>(kLongest + 2);  // its autocorrelation, 1 at lag 0

  Tables() {
    Scratch s{};
    for (int i = 0; i < Pitch::kWindow; i++) {
      window[i] = s.values[i] = 0.5 - 0.5 * std::cos(2 * kPi * (i + 0.5) / Pitch::kWindow);
    }
    autocorrelate(fft, s);
    for (size_t lag = 0; lag < of_window.size(); lag++) of_window[lag] = s.values[lag] / s.values[0];
  }
};

const Tables& tables() {
  static const Tables made;
  return made;
}

struct Peak {
  double lag = 0, height = 0;
};

// The highest peak of r(lag), with the parabola through its three points.
Peak highest_peak(const double* r) {
  Peak best;
  double best_strength = -1;
  for (int lag = kShortest; lag <= kLongest; lag++) {
    if (!(r[lag] > r[lag - 1] && r[lag] >= r[lag + 1])) continue;
    const double slope = 0.5 * (r[lag + 1] - r[lag - 1]), bend = 2 * r[lag] - r[lag - 1] - r[lag + 1];
    const double shift = bend > 0 ? slope / bend : 0, height = r[lag] + 0.5 * slope * shift;
    const double strength = height - kOctaveCost * std::log2((lag + shift) / kShortest);
    if (strength <= best_strength) continue;
    best_strength = strength;
    best = {lag + shift, height};
  }
  return best;
}

}  // namespace

int64_t pitch_frames(int64_t samples) {
  return samples < Pitch::kWindow ? 0 : (samples - Pitch::kWindow) / Pitch::kHop + 1;
}

void pitch(const float* samples, int64_t count, float* frames) {
  const Tables& t = tables();
  Scratch s{};
  double r[kLongest + 2];
  const int64_t total = pitch_frames(count);
  for (int64_t j = 0; j < total; j++) {
    const float* x = samples + j * Pitch::kHop;
    double mean = 0, power = 0;
    for (int i = 0; i < Pitch::kWindow; i++) mean += x[i];
    mean /= Pitch::kWindow;
    for (int i = 0; i < Pitch::kWindow; i++) power += (x[i] - mean) * (x[i] - mean);
    float* row = frames + 2 * j;
    row[0] = row[1] = 0;
    if (!(power > kFloor * kFloor * Pitch::kWindow)) continue;
    for (int i = 0; i < Pitch::kWindow; i++) s.values[i] = (x[i] - mean) * t.window[i];
    std::fill(s.values + Pitch::kWindow, s.values + Pitch::kFft, 0.0);
    autocorrelate(t.fft, s);
    for (int lag = 0; lag <= kLongest + 1; lag++) r[lag] = s.values[lag] / (s.values[0] * t.of_window[lag]);
    const Peak peak = highest_peak(r);
    row[0] = peak.height >= kVoiced ? static_cast<float>(kRate / peak.lag) : 0;
    row[1] = static_cast<float>(std::clamp(peak.height, 0.0, 1.0));
  }
}

}  // namespace circumplex::features

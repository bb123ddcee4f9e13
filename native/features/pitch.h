#pragma once

#include <cstdint>

namespace circumplex::features {

// The fundamental frequency of 16 kHz mono, by autocorrelation (Boersma 1993, "Accurate short-term analysis of the
// fundamental frequency and the harmonics-to-noise ratio of a sampled sound"): the autocorrelation of the windowed
// samples over that of the window, its highest peak at lags of 75 to 500 Hz, lower lags preferred by 0.01 an octave.
//
// window: 640 samples (three periods of 75 Hz), Hann; hop 160. Every frame is decided on its own.
struct Pitch {
  static constexpr int kWindow = 640, kHop = 160, kFft = 1024;
};

int64_t pitch_frames(int64_t samples);

// `samples` [..] to `frames` [pitch_frames, 2]: Hz, 0 where the peak is below 0.45 or the level below -60 dB of full
// scale (unvoiced); the height of the peak, 0 to 1.
void pitch(const float* samples, int64_t count, float* frames);

}  // namespace circumplex::features

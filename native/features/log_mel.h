#pragma once

#include <cstdint>

namespace circumplex::features {

// The front end of VGGish (Hershey et al. 2017; tensorflow/models, research/audioset/vggish), of 16 kHz mono:
//
//   ln(mel . |FFT512(window * samples)| + 0.01)
//
// window: 400 samples, periodic Hann; hop 160; no padding. mel: 64 triangles from 125 to 7500 Hz, equally wide in mel =
// 1127 ln(1 + f / 700) and straight in mel, not in Hz; bin 0 in none; not normalised.
struct LogMel {
  static constexpr int kWindow = 400, kHop = 160, kFft = 512, kBands = 64;
};

// How many frames `samples` hold whole.
int64_t log_mel_frames(int64_t samples);

// `samples` [..] to `frames` [log_mel_frames, kBands]; frame j covers samples kHop j to kHop j + kWindow.
void log_mel(const float* samples, int64_t count, float* frames);

}  // namespace circumplex::features

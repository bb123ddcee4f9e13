#pragma once
#include <cstdint>

#include "core/data.h"

namespace circumplex {

// What changes from chunk to chunk. Kernels read it through this one block, so that a program never has to be rebuilt.
struct Control {
  int32_t replicas, lanes, chunk;  // the program's sizes

  // Of the current chunk, per lane.
  int32_t* sequence;  // index in the data set, -1: the lane idles
  int32_t* start;     // the chunk's first frame in its sequence; 0 resets the lane's state
  int32_t* length;    // valid frames of the chunk, 0..chunk
  int32_t* total;     // frames of the whole sequence
  int32_t frames;     // the largest length

  // Of the current run, per replica where an array.
  uint8_t* active;  // a stopped replica's work is skipped
  float* learning_rate;
  uint32_t* seed;
  uint32_t epoch;
  int32_t bypass;  // 1: attention feeds the centre frame and is not trained
  DataView data;
};

}  // namespace circumplex

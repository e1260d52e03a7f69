// Numbers in 8 bits: blocks of neighbours along a row share a scale, the largest magnitude being 127 of it. As GGUF's Q8_0, which has
// blocks of 32 and scales in half precision.
#pragma once

#include <cmath>
#include <cstdint>

namespace trainyard {
namespace {

// Numbers of a row that share a scale.
constexpr int64_t roundedBlock = 64;
// Below this a block is zero: its scale would not be a normal number.
constexpr float smallestMagnitude = 1e-30f;

// The largest magnitude of so many numbers; infinite or not a number when one of them is.
static inline float magnitudeOf(const float* from, int64_t count) {
  float most = 0.0f, probe = 0.0f;
  for (int64_t i = 0; i < count; i++) {
    const float size = std::fabs(from[i]);
    most = size > most ? size : most;
    probe += from[i] * 0.0f;
  }
  return probe == 0.0f ? most : NAN;
}

// Rounds each block of each row to what 8 bits hold, and leaves blocks as they are that hold what is no finite number.
static inline void roundRows(float* data, int64_t size, int64_t width) {
  for (int64_t row = 0; row < size; row += width)
    for (int64_t i = 0; i < width; i += roundedBlock) {
      float* at = data + row + i;
      const int64_t count = width - i < roundedBlock ? width - i : roundedBlock;
      const float most = magnitudeOf(at, count);
      if (most != most) continue;
      const float scale = most / 127.0f, inverse = most < smallestMagnitude ? 0.0f : 127.0f / most;
      for (int64_t j = 0; j < count; j++) at[j] = std::nearbyint(at[j] * inverse) * scale;
    }
}

}  // namespace
}  // namespace trainyard

#include "baselines/hadamard.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>

namespace nwc {
namespace {

void flip_signs(Samples& samples, uint64_t seed) {
  std::mt19937_64 random(seed);
  for (uint64_t c = 0; c < samples.columns; ++c) {
    if (random() >> 63 == 0) continue;
    float* const column = samples.values.data() + c * samples.rows;
    for (uint64_t r = 0; r < samples.rows; ++r) column[r] = -column[r];
  }
}

// In place on columns [first, first + size), size a power of two; its own inverse.
void transform_block(Samples& samples, uint64_t first, uint64_t size) {
  const uint64_t rows = samples.rows;
  for (uint64_t half = 1; half < size; half *= 2) {
    for (uint64_t c = 0; c < size; ++c) {
      if ((c & half) != 0) continue;
      float* const a = samples.values.data() + (first + c) * rows;
      float* const b = a + half * rows;
      for (uint64_t r = 0; r < rows; ++r) {
        const float sum = a[r] + b[r], difference = a[r] - b[r];
        a[r] = sum;
        b[r] = difference;
      }
    }
  }
  const float scale = 1.0f / std::sqrt(static_cast<float>(size));
  float* const block = samples.values.data() + first * rows;
  for (uint64_t i = 0; i < size * rows; ++i) block[i] *= scale;
}

void transform_blocks(Samples& samples) {
  for (uint64_t first = 0; first < samples.columns;) {
    const uint64_t size = std::min(kLargestHadamard, std::bit_floor(samples.columns - first));
    transform_block(samples, first, size);
    first += size;
  }
}

}  // namespace

void hadamard_transform(Samples& samples, uint64_t seed) {
  flip_signs(samples, seed);
  transform_blocks(samples);
}

void inverse_hadamard_transform(Samples& samples, uint64_t seed) {
  transform_blocks(samples);
  flip_signs(samples, seed);
}

}  // namespace nwc

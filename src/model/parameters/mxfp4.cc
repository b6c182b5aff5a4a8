#include "model/parameters/mxfp4.h"

#include <array>
#include <cmath>
#include <limits>

namespace nwc {
namespace {

constexpr std::array<float, 16> kValues{0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1.0f, -1.5f, -2, -3, -4, -6};
constexpr uint8_t kNanScale = 255;
constexpr int kScaleBias = 127;

float factor_of(uint8_t scale) {
  if (scale == kNanScale) return std::numeric_limits<float>::quiet_NaN();
  return std::ldexp(1.0f, scale - kScaleBias);
}

// One block, to weights that lie `stride` apart.
void decode_block(const uint8_t* bytes, float factor, float* weights, size_t stride) {
  for (size_t i = 0; i < kMxfp4Bytes; ++i) {
    weights[2 * i * stride] = kValues[bytes[i] & 15] * factor;
    weights[(2 * i + 1) * stride] = kValues[bytes[i] >> 4] * factor;
  }
}

}  // namespace

void decode_mxfp4_transposed(std::span<const uint8_t> blocks, std::span<const uint8_t> scales, size_t rows,
                             size_t columns, std::span<float> weights) {
  const size_t blocks_per_row = columns / kMxfp4Weights;
  // Down a column of blocks, neighbouring rows write neighbouring weights.
  for (size_t b = 0; b < blocks_per_row; ++b) {
    for (size_t row = 0; row < rows; ++row) {
      const size_t block = row * blocks_per_row + b;
      decode_block(&blocks[block * kMxfp4Bytes], factor_of(scales[block]), &weights[b * kMxfp4Weights * rows + row],
                   rows);
    }
  }
}

}  // namespace nwc

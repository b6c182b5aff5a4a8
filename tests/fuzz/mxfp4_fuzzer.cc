// Any bytes as a matrix in MXFP4: every weight is what the format page of the type says, computed once more from it
// (OCP Microscaling Formats 1.0: E2M1 elements, one E8M0 scale per 32).
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "model/parameters/mxfp4.h"

namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

// Sign, two bits of exponent (bias 1), one of mantissa.
double element(unsigned code) {
  const unsigned exponent = code >> 1 & 3, mantissa = code & 1;
  const double magnitude =
      exponent == 0 ? mantissa * 0.5 : std::ldexp(1.0 + mantissa * 0.5, static_cast<int>(exponent) - 1);
  return (code & 8) != 0 ? -magnitude : magnitude;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t rows = 1 + data[0] % 9, blocks_per_row = data[1] % 5, columns = blocks_per_row * nwc::kMxfp4Weights;
  const size_t count = rows * blocks_per_row;
  if (size - 2 < count * (nwc::kMxfp4Bytes + 1)) return 0;
  // Copies of exactly their size, so that the sanitizer sees a read past the end.
  const uint8_t* const at = data + 2;
  const std::vector<uint8_t> blocks(at, at + count * nwc::kMxfp4Bytes);
  const std::vector<uint8_t> scales(at + blocks.size(), at + blocks.size() + count);
  std::vector<float> weights(rows * columns);
  nwc::decode_mxfp4_transposed(blocks, scales, rows, columns, weights);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t column = 0; column < columns; ++column) {
      const float weight = weights[column * rows + row];
      const unsigned scale = scales[row * blocks_per_row + column / 32];
      const unsigned pair = blocks[(row * columns + column) / 2], code = column % 2 == 0 ? pair & 15 : pair >> 4;
      if (scale == 255) {
        require(std::isnan(weight));
        continue;
      }
      // The largest, 6 * 2^127, is beyond binary32; the smallest, 2^-128, is a subnormal of it.
      const float expected = static_cast<float>(std::ldexp(element(code), static_cast<int>(scale) - 127));
      require(weight == expected && std::signbit(weight) == std::signbit(expected));
    }
  }
  return 0;
}

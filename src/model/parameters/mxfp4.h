// MXFP4 as gpt-oss checkpoints store it: blocks of 32 weights with four bits each and one scale.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace nwc {

inline constexpr size_t kMxfp4Weights = 32;  // per block
inline constexpr size_t kMxfp4Bytes = 16;    // per block

// Each byte holds two weights, the first in its low bits: a sign and one of 0, 0.5, 1, 1.5, 2, 3, 4, 6, times
// 2^(scale - 127); a scale of 255 makes its block NaN. The matrix is stored [rows, columns], one scale per 32 columns,
// and written as [columns, rows]. Preconditions: columns is a multiple of 32; blocks has rows * columns / 2, scales
// rows * columns / 32 and weights rows * columns elements.
void decode_mxfp4_transposed(std::span<const uint8_t> blocks, std::span<const uint8_t> scales, size_t rows,
                             size_t columns, std::span<float> weights);

}  // namespace nwc

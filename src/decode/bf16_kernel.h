// The last step of decoding to BF16, a row of weights at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nwcodec/isa.h"

namespace nwc {

// out[i] = values[i] * scales[i] * factor, each product rounded to binary32, then to the nearest BF16, ties to even;
// what exceeds its largest finite number becomes that. Finite values, scales and factors. The same bits on every
// instruction set.
void store_bf16(const float* values, const float* scales, float factor, uint16_t* out, size_t n, Isa isa);

}  // namespace nwc

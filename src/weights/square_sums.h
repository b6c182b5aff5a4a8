// The inner loop of normalisation: sums of squares of many lines at once.
#pragma once

#include <cstddef>

#include "nwcodec/dtype.h"
#include "nwcodec/isa.h"

namespace nwc {

// sums[i] += (values[i] * scale)^2 for i < n, in binary64; `values`: n neighbouring numbers of `dtype`, unaligned.
// Products and sums are rounded one by one, so all instruction sets give the same bits.
void add_squares(const std::byte* values, DType dtype, double scale, double* sums, size_t n, Isa isa);
// to[i * stride] = values[i] in binary32.
void spread_floats(const std::byte* values, DType dtype, float* to, size_t stride, size_t n);

}  // namespace nwc

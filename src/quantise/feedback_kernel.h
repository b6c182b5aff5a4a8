// The inner loop of feedback: sums of columns of errors.
#pragma once

#include <cstddef>

#include "nwcodec/isa.h"

namespace nwc {

// target[i] += sum over j in [begin, end), descending (the oldest errors first, so that a device may add up blocks of
// them ahead of time), of coefficients[j] * errors[j * stride + i], for i < n. Products and sums are rounded one by
// one, so all instruction sets give the same bits.
void add_weighted_columns(const float* errors, size_t stride, const float* coefficients, size_t begin, size_t end,
                          float* target, size_t n, Isa isa);

}  // namespace nwc

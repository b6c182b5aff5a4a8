// Cholesky factors of positive definite matrices, the same bits on every machine.
#pragma once

#include <cstdint>
#include <span>

#include "nwcodec/isa.h"

namespace nwc {

// In place on the lower triangle of a [n, n], row by row: A = C C^T, C lower; what stands above the diagonal stays.
// False if A is not positive definite: `a` then holds nothing of use. Products, sums and quotients are rounded one by
// one, and each entry's sum runs from the first column on, whatever the number of threads and the instruction set.
bool cholesky(std::span<double> a, uint64_t n, int threads, Isa isa);

}  // namespace nwc

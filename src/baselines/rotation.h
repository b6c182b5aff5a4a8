// A random rotation of the inputs (paper, Table 1).
#pragma once

#include <cstdint>
#include <vector>

#include "baselines/samples.h"

namespace nwc {

// Orthonormal [size, size], row-major: a Gaussian matrix made orthogonal, so that all rotations are equally likely.
std::vector<double> random_orthogonal(uint64_t size, uint64_t seed);

// Multiplies every row of the matrix by random orthogonal matrices, one per block of kRotationBlock neighbouring
// columns (the last block has what is left). Blocks keep the cost at 2 * kRotationBlock operations a weight. The norm
// of every row is kept.
inline constexpr uint64_t kRotationBlock = 256;
void random_rotation(Samples& samples, uint64_t seed, int threads);

}  // namespace nwc

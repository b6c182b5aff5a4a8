// The random Hadamard transform that quantisers for Gaussian weights put in front (paper, Table 1 and Figure 6; QuIP#,
// QTIP).
#pragma once

#include <cstdint>

#include "baselines/samples.h"

namespace nwc {

// Mixes the inputs: every row of the matrix, that is the weights of one output, is multiplied by random signs (one per
// column, from `seed`) and by orthonormal Hadamard matrices. Columns are cut into blocks of powers of two, largest
// first and at most kLargestHadamard, which together cover every number of columns: 1,408 = 1,024 + 256 + 128. The last
// blocks of an odd number of columns mix little. The norm of every row is kept.
inline constexpr uint64_t kLargestHadamard = 4096;
void hadamard_transform(Samples& samples, uint64_t seed);
// Undoes it.
void inverse_hadamard_transform(Samples& samples, uint64_t seed);

}  // namespace nwc

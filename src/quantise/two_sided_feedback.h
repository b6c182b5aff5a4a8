// Quantisation with feedback along columns and along rows. With the output side G = M A M^T and the input side
// P H P^T = L D L^T of a layer's Fisher information, errors E of its weights cost tr(G E H E^T), and the weight in row
// i at position k aims at
//   w + u + sum over rows i' > i of v_i' M[i'][i],   u = sum over positions k' > k of e_k' L[k'][k],
// where e = w - decoded are the errors of its own row, and v = w + u - decoded what rows below left over in its column.
#pragma once

#include <cstdint>

#include "quantise/column_rounding.h"
#include "quantise/feedback.h"

namespace nwc {

// A whole matrix. `rows`: of the output side; `task.factor` is of the input side, both in this machine's memory.
// Blocks of rows and columns that do not wait for each other run side by side. Independent of `threads` and of the
// instruction set. Precondition: with a trellis, chunks of kTwoSidedRows.
inline constexpr uint64_t kTwoSidedRows = 64;  // of a block
QuantisedStripes quantise_two_sided(const StripeTask& task, const FeedbackFactor& rows, const ColumnRounding& rounding,
                                    uint64_t matrix, int threads);

}  // namespace nwc

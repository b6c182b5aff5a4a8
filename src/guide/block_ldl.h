// Block LDL of a Hessian, for feedback inside a layer (paper, Section 3.3; docs/architecture.md, "Feedback").
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/device_buffer.h"
#include "nwcodec/result.h"

namespace nwc {

struct LdlOptions {
  double damping = 0.01;    // times the mean of the diagonal is added to the diagonal; the authors' value
  uint32_t block_size = 1;  // columns that are quantised together, without feedback among them: 1 to 128
};

// Whether damping lies between 0 and 1 and blocks have 1 to 128 columns. Errors: kInvalidArgument.
Status check_options(const LdlOptions& options);

// The coefficients of a FeedbackFactor in a device's memory, and what its kernels read beside them.
struct DeviceCoefficients {
  DeviceBuffer coefficients;  // float [columns][stride], by positions: L[j][k] in row j
  DeviceBuffer order;         // uint32_t [columns]
  DeviceBuffer pivots;        // double [columns]
  uint64_t stride = 0;
};

// P H P^T = L D L^T with L unit block lower triangular and P an order of the columns. Columns are quantised from the
// last position to the first, and the one at position k aims at
//   w_k + sum over positions j > k in another block of (w_j - decoded w_j) L[j][k],
// with the original w_j: the errors already made, not the corrected targets.
struct FeedbackFactor {
  uint64_t columns = 0;
  uint32_t block_size = 1;
  std::vector<uint32_t> order;  // the column at each position
  // In this machine's memory, row k (a position, as all below) holds L[k + 1][k], ..., L[columns - 1][k]:
  // [columns][columns], the entries up to k unused. Or in a device's (guide/factoriser.h).
  std::variant<std::vector<float>, DeviceCoefficients> coefficients;
  // With blocks of 1, D: what an error in column k costs after all others have been compensated.
  std::vector<double> pivots;
  double damping = 0.0;  // the one that it took

  // Precondition: coefficients in this machine's memory.
  const float* row(uint64_t position) const {
    return std::get<std::vector<float>>(coefficients).data() + position * columns;
  }
};

// `order`: the column at each position. `triangle`: the lower triangle row by row, columns * (columns + 1) / 2 numbers.
// A matrix that is not positive definite is damped ten times more, up to the mean of its diagonal. Independent of
// `threads`. Errors: kInvalidArgument for options out of range or a triangle or order of another size; kNonFinite;
// kCorrupt if no damping helps.
Result<FeedbackFactor> factorise(std::span<const float> triangle, uint64_t columns, std::vector<uint32_t> order,
                                 const LdlOptions& options, int threads);

// For bodies of factorise() elsewhere: checks its arguments, and returns the mean of the diagonal, which damping is a
// share of.
Result<double> checked_diagonal_mean(std::span<const float> triangle, uint64_t columns, std::span<const uint32_t> order,
                                     const LdlOptions& options);
// Calls attempt(damping), a Result<bool>, with rising damping until it returns true; returns that damping.
inline constexpr double kMostDamping = 1.0;
Error not_positive_definite();
template <class Attempt>
Result<double> damp_until(double least, Attempt attempt) {
  for (double damping = least; damping <= kMostDamping; damping = std::max(1e-6, damping * 10)) {
    NWC_ASSIGN_OR_RETURN(const bool done, attempt(damping));
    if (done) return damping;
  }
  return not_positive_definite();
}

// The diagonal of the inverse of the Hessian, damped in the same way (Appendix E.3). Errors as above.
Result<std::vector<double>> inverse_diagonal(std::span<const float> triangle, uint64_t columns, double damping,
                                             int threads);

}  // namespace nwc

// The output side of a layer's Fisher information, for feedback along rows (quantise/two_sided_feedback.h).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "guide/block_ldl.h"
#include "nwcodec/result.h"

namespace nwc {

class Factoriser;

// The LDL of E[g g^T], `triangle` as in block_ldl.h, rows in their own order. Entries beside the diagonal count 1 -
// `shrinkage` of what calibration measured: they are averages over few gradients, and feedback along rows that trusts
// them fully makes a model worse. Errors: those of factorise().
Result<FeedbackFactor> factorise_output_side(std::span<const float> triangle, uint64_t rows, double shrinkage,
                                             const LdlOptions& options, int threads, Factoriser* device);

// The least shrinkage for averages over so many tokens: fewer than there are rows leave most of what stands beside the
// diagonal to chance.
inline double shrinkage_of_few(uint64_t rows, int64_t tokens) {
  const double r = static_cast<double>(rows), t = static_cast<double>(tokens);
  return r > 0 ? r / (r + t) : 0.0;
}

}  // namespace nwc

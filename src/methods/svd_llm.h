// SVD-LLM's truncation of one matrix, and version 2's shares.
#pragma once

#include <cstdint>
#include <vector>

#include "guide/guide.h"
#include "methods/input_groups.h"
#include "nwcodec/result.h"

namespace nwc {

struct SvdOptions {
  unsigned version = 1;       // 1: whitened by Cholesky's factor; 2: by eigenvalues
  unsigned factor_bits = 16;  // 16: F16; 2 to 8: on GPTQ's grids
  uint64_t group = 128;       // columns of the factors' grids; 0 means all
  double kept = 0.25;         // numbers in the factors over numbers in the matrix
};

// Errors: those of dense.h and gptq.h.
Result<QuantisedMatrix> svd_llm(const MatrixTask& task, const HessianView& hessian, const SvdOptions& options);

// What each matrix of a type may keep, of its numbers, where all together keep `kept`; from their truncation losses,
// all above 1.
std::vector<double> svd_llm_shares(const std::vector<double>& losses, double kept);

}  // namespace nwc

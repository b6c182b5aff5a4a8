// What errors of a tensor's weights cost by the Fisher information that calibration has kept (guide/hessian_file.h).
//
// An error E of a matrix changes the model's prediction by about
//   KL divergence = 1/2 share sum_i (r_i / sum r) (E G E^T)_ii per position,
// with G = E[|g|^2 x x^T], r_i = E[g_i^2], and share the positions that reach the matrix: the quadratic form itself,
// whatever feedback has done, without damping and floors, but for those of an embedding's and a head's rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "guide/guide.h"
#include "guide/hessian_store.h"
#include "nwcodec/isa.h"
#include "nwcodec/result.h"
#include "tensor/tensor_encoder.h"
#include "weights/weight_matrix.h"

namespace nwc {

// Rows whose forms are taken together: what the kernel keeps in registers.
inline constexpr uint64_t kFormRows = 64;

// Adds (X H X^T)_ii to forms[i] for the rows of X, given as x[column][kFormRows]. `triangle`: of H, row by row.
// Independent of the instruction set.
void add_quadratic_forms(const float* x, uint64_t columns, std::span<const float> triangle, Isa isa,
                         std::span<double, kFormRows> forms);

class FeltError {
 public:
  // None where calibration did not walk backwards, or no gradient came. Errors: those of reading; kMismatch for factors
  // of another shape.
  static Result<std::optional<FeltError>> of(const HessianStore& hessians, const TensorView& tensor,
                                             const WeightMatrix& weights);
  // In nats per position, of rows [first, first + count) of a matrix, count <= kFormRows; errors [column][kFormRows],
  // 0 behind the last row. `pivots`: what rows count where others make up for their errors (quantise/
  // two_sided_feedback.h), [rows]; empty: r_i.
  double of_rows(uint64_t matrix, uint64_t first, uint64_t count, const float* errors, Isa isa,
                 std::span<const double> pivots = {}) const;
  // Of a matrix, on average: its inputs, each a coefficient of feedback, for each token that they were fitted to, where
  // tokens count by their gradients (guide/hessian_file.h, effective).
  double inputs_per_token() const { return inputs_per_token_; }

 private:
  double inputs_per_token_ = 0;
  std::vector<StoredFisher> uses_;         // two of a tensor that is embedding and head
  std::vector<std::vector<double>> sums_;  // of each: the sum of a matrix's r_i, over its share of positions
};

// About what encode_tensor() will cost, from at most `parts` runs of stripes, evenly spaced. The quantiser's own
// errors, with feedback if the guide has it. Precondition: a codec without a transform (codec/encode/plain_codec.h).
// Same arguments, same number, whatever `threads`. Errors: those of encode_tensor().
Result<double> sample_felt_error(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                 const EncodeOptions& options, const FeltError& felt, uint64_t parts, int threads);

}  // namespace nwc

// Steps by sensitivity: every weight is quantised as finely as the model feels it, by the Kronecker factors of the
// Fisher information (guide/hessian_file.h).
//
// An error e in weight (i, j), after later columns have compensated for it, changes the model's prediction by
//   KL divergence = e^2 s_ij / 2 per position,   s_ij = share D_j r_i / sum r,
// with D the pivots of the LDL of E[|g|^2 x x^T], r_i = E[g_i^2], and share the positions that reach the layer; where
// rows below compensate too (Feedback::kTwoSided), r_i are the pivots of the LDL of E[g g^T] instead. With
// steps c / sqrt(s_ij) every weight of the checkpoint costs c^2 / 24, and c is the one number that decides the rate.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "guide/guide.h"
#include "guide/hessian_file.h"
#include "nwcodec/result.h"
#include "weights/weight_matrix.h"

namespace nwc {

// What of the layer's inputs is known beside its Fisher factors.
// Both uses of a tensor that is embedding and head: what a weight's error costs is the sum of both costs, here as the
// nearest product of a column's and a row's share, which have the same sums over columns and over rows.
StoredFisher both_uses(const StoredFisher& head, const StoredFisher& lookup);

// The least share of the mean that a row of the tensor counts.
inline constexpr double kLeastRow = 0x1p-10;
// Rows of embeddings and heads are tokens, of which calibration sees few.
inline constexpr double kLeastToken = 0x1p-4;
// The same of a look-up, whose rows are 0 for tokens that it has not seen, among `tokens` that it has: other texts hold
// the more of those the fewer it saw (docs/lab/rare_tokens.md). kLeastToken where hardly a row is 0, as of a head.
double least_token(std::span<const float> rows, int64_t tokens);
// Raises rows to that share of the mean, matrix by matrix, and the inputs with their sum, so that what the other rows
// count stays. `tokens`: of each matrix.
void raise_rare_tokens(StoredFisher& use, std::span<const int64_t> tokens);

struct LayerUse {
  std::span<const int64_t> tokens;  // that reached each matrix
  int64_t positions = 0;            // that reached the block
  double least_row = kLeastRow;
};

// Column steps and row factors for c = 1, and feedback. Columns that the model hardly feels are quantised at most 2^5
// times more coarsely than the matrix on average, rows by use.least_row. Matrices (experts) that hardly a token reached
// count a quarter of the tensor's mean; where no token reached any of them, there are no column steps. Errors:
// kMismatch for factors of another shape; those of factorise() and of weights that are not finite.
Result<TensorGuide> make_sensitivity_guide(const StoredFisher& fisher, const LayerUse& use, const WeightMatrix& weights,
                                           const GuideOptions& options, int threads, Factoriser* device);

// Moves steps to the c that makes `centre`, the mean of log2(spread / step) over the checkpoint's weights, 0, rounds
// them as streams store them, and adds line scales, whose classes add up to kCentreContext for weights that spread over
// one step. Where no token told anything, spreads are half a step, one octave below the checkpoint's mean. Errors: of
// weights that are not finite.
Status settle_steps(const WeightMatrix& weights, double centre, int threads, TensorGuide& guide);

inline constexpr int kCentreContext = 64;
inline constexpr int kPlainContexts = 128;
// The mean of log2(spread / step) at a rate: half the log2 of a Gaussian's entropy power is left of it, and with a
// trellis, which leaves a weight every other multiple of the step, a bit more.
constexpr double octaves_for(double bits, bool trellis) { return bits - 2.047 + (trellis ? 1 : 0); }

// The sum over weights of log2(spread of the column / step), and their number; columns of zeros do not count.
struct SpreadSum {
  double log2_spread = 0, weights = 0;
};
Result<SpreadSum> sum_of_spreads(const WeightMatrix& weights, const TensorGuide& guide, int threads);

}  // namespace nwc

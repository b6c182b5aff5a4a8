// Normalisation (paper, Section 3.1, equation 2, and Figure 9a): what weights are divided by before the analysis
// transform.
//
//   normalised weight [r, c] = weight [r, c] / column scale [c] / row factor [r]
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "format/line_scales.h"
#include "nwcodec/result.h"
#include "weights/weight_matrix.h"

namespace nwc {

class DeviceWeights;

enum class Normalisation : uint8_t {
  kColumn,  // a scale per column: 16 / rows bits per weight
  kRow,     // a factor per row: 16 / columns bits
  kBoth,    // both
  kTensor,  // one scale per tensor
  kModel,   // one scale for all tensors of a model
};

// "column", "row", "both", "tensor", "model".
std::string_view name_of(Normalisation normalisation);

// How many binary16 numbers a stream stores: column scales and row factors.
uint64_t stored_scales(const WeightMatrix& weights, Normalisation kind);

struct NormalisationOptions {
  Normalisation kind = Normalisation::kColumn;
  // Divides all column scales: normalised weights then have this root mean square, and take log2(gain) more bits.
  double gain = 1.0;
  double model_rms = 0.0;  // of all weights to be compressed; for kModel only
};

// What a stream stores (docs/format.md, section 6), and what encoder and decoder compute with.
struct WeightScales {
  int16_t exponent = 0;          // common to the column scales
  bool one_scale = false;        // one column scale for all columns
  std::vector<uint16_t> stored;  // binary16: 1 or matrices * columns column scales, then the row factors
  std::vector<float> columns;    // [matrices * columns]: f32(f16 * 2^exponent)
  std::vector<float> rows;       // [matrices * rows]; empty without row factors
  // 1 without row factors.
  float row_factor(uint64_t index) const { return rows.empty() ? 1.0f : rows[index]; }
};

// A scale is a root mean square: the standard deviation about zero, so that a constant column has one too. 0 for zeros
// only. Row factors have a root mean square of about 1 and leave the magnitude to the column scales; with kBoth the two
// are found in turns. `column_gains`, [matrices * columns] or empty: each column's scale is divided by its own, too
// (not with one scale for all). `device`: the same weights in a device's memory, where sums are then taken, with the
// same result; null for the cores. Independent of `threads`. Errors: the device's, and kNonFinite with the position of
// the first NaN or infinite weight.
Result<WeightScales> weight_scales(const WeightMatrix& weights, const NormalisationOptions& options,
                                   std::span<const double> column_gains, int threads,
                                   const DeviceWeights* device = nullptr);

// Those of line scales, whose base is 1 / `gain`.
WeightScales scales_by_lines(const LineScales& lines, double gain);

// The root mean square of each column after division by row factors ([matrices * rows], or none: 1), [matrices *
// columns]. Errors as above.
Result<std::vector<double>> column_rms(const WeightMatrix& weights, std::span<const double> row_factors, int threads);

// The same of rows, after division by column scales, [matrices * columns]: [matrices * rows].
Result<std::vector<double>> row_rms(const WeightMatrix& weights, std::span<const double> column_scales, int threads);

// The sum of the squares of all weights. Errors as above.
Result<double> sum_of_squares(const WeightMatrix& weights, int threads);

}  // namespace nwc

// What a report says of tensors whose steps are by sensitivity (guide/sensitivity.h): where the bits went, what their
// errors cost beside what steps alone let expect, and how far the steps of columns and rows differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/codec_file.h"
#include "decode/tensor_decoder.h"
#include "study/output/svg_plot.h"

namespace nwc {

struct CompressionReport;
struct ReportedTensor;

struct FeltTensor {
  // 1/2 sum s_ij (decoded - original)^2 as the quadratic form that it stands for (tensor/felt_error.h), on the
  // calibration's tokens, in nats per position; none where no gradient came. Rows count alone: where two-sided feedback
  // lets them make up for each other, the model feels less of it.
  std::optional<double> divergence;
  // What steps alone let expect, up to a factor that all tensors share: each weight costs the same, but for those that
  // spread over less than a step. In squared steps.
  double expected = 0;
  std::vector<float> column_octaves, row_octaves;  // log2 of a line's step over the geometric mean of their kind
};

// Nothing for streams without line scales. `errors`: rounding_errors() of the codec. `divergence` is left empty.
std::optional<FeltTensor> felt_tensor_of(const TensorDecoder& decoder, const std::vector<double>& errors);

// 1 / base of a stream's line scales, the gain of its compression.
double gain_of(const TensorDecoder& decoder, std::span<const std::byte> scales);

// Of tensors together: shares of what is known of all of them.
struct FeltBlock {
  int64_t depth = -1;  // number of the block; -1 for tensors outside
  uint64_t weights = 0, bytes = 0;
  double divergence_share = 0, expected_share = 0;
  double bits_per_weight() const {
    return weights > 0 ? 8 * static_cast<double>(bytes) / static_cast<double>(weights) : 0;
  }
};
// By depth. Empty if no tensor's steps are by sensitivity.
std::vector<FeltBlock> felt_blocks(const CompressionReport& report);

// Of all tensors of the report with a divergence: its sum, and that of what was expected of them.
struct FeltSums {
  double divergence = 0, expected = 0;
};
FeltSums felt_sums(const CompressionReport& report);

// Shares by block beside each other, then of each layer type the share of its columns and of its rows by their octaves.
std::vector<PlotPanel> felt_panels(const CompressionReport& report);

// The values at these shares of the sorted numbers: least, 5 %, 25 %, 50 %, 75 %, 95 %, largest. Empty of none.
std::vector<double> spread_of(std::vector<float> values);

}  // namespace nwc

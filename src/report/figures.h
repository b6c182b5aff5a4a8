// The plots of a report, as SVG.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/report.h"
#include "study/output/svg_plot.h"

namespace nwc {

// Error in dB and bits by block, a curve per layer type.
std::vector<PlotPanel> block_panels(const CompressionReport& report);

// diag(H) against the inverse of the column error, both as decimal logarithms (paper, Figure 8, top): of every layer
// type the tensor of the middle block, with columns of one level in one colour. Only some hundred columns of a tensor,
// evenly spaced by rank. Empty without Hessians.
std::vector<PlotPanel> column_panels(const CompressionReport& report);

// Pearson's correlation of these logarithms over all columns; none without a Hessian or variation.
std::optional<double> diagonal_correlation(const ReportedTensor& tensor);

// Which columns have which level, one map for each layer type: a row per tensor, columns from left to right, each dot
// in the colour of its highest level. Empty if all columns of all tensors have level 0.
struct LevelMap {
  std::string type;
  size_t tensors = 0, shown = 0;  // rows there could be, rows there are
  std::string svg;                // an element; classes level1, level2, ...
};
std::vector<LevelMap> level_maps(const CompressionReport& report);

}  // namespace nwc

// Charts of one number per tensor: by block, one curve per layer type (paper, Figure 13).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "study/output/svg_plot.h"

namespace nwc {

struct DepthValue {
  std::string type;
  int64_t depth;
  double value;
};

// Curves are in the order of their types' names, so that all panels of a study agree on colours; points in the order
// given.
PlotPanel depth_panel(const std::string& title, const std::string& y_label, const std::vector<DepthValue>& values);

}  // namespace nwc

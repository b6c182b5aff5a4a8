#include <fmt/format.h>

#include "reproduce/weight_statistics.h"
#include "study/output/depth_panel.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const StatisticsReport report, weight_statistics(bench, progress));
  ExperimentResult result;
  std::vector<DepthValue> kurtosis, deviation;
  result.table.push_back({"tensor", "block", "layer", "excess kurtosis", "standard deviation"});
  for (const TensorStatistics& t : report.tensors) {
    const Moments& m = t.at("original");
    kurtosis.push_back({t.type, t.depth, m.excess_kurtosis});
    deviation.push_back({t.type, t.depth, m.deviation});
    result.table.push_back({t.name, std::to_string(t.depth), t.type, fmt::format("{:.3f}", m.excess_kurtosis),
                            fmt::format("{:.5f}", m.deviation)});
  }
  result.panels = {depth_panel("kurtosis", "excess kurtosis", kurtosis),
                   depth_panel("standard deviation", "standard deviation", deviation)};
  result.remarks = {"The paper's kurtosis is 0 for a Gaussian, as here."};
  return result;
}

}  // namespace

extern const Experiment kFigure13{"Figure 13", "Llama 3-8B: kurtosis and standard deviation of each layer by depth",
                                  run, nullptr};

}  // namespace nwc

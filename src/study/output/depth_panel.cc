#include "study/output/depth_panel.h"

#include <map>

namespace nwc {

PlotPanel depth_panel(const std::string& title, const std::string& y_label, const std::vector<DepthValue>& values) {
  std::map<std::string, PlotSeries> by_type;
  for (const DepthValue& v : values) {
    PlotSeries& series = by_type.try_emplace(v.type, PlotSeries{v.type, {}, true}).first->second;
    series.points.emplace_back(static_cast<double>(v.depth), v.value);
  }
  PlotPanel panel{title, "block", y_label, {}};
  for (auto& [type, series] : by_type) panel.series.push_back(std::move(series));
  return panel;
}

}  // namespace nwc

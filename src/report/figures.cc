#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "study/output/depth_panel.h"

namespace nwc {
namespace {

constexpr size_t kDots = 400;                        // columns of a scatter plot
constexpr size_t kMaxTypes = 12;                     // scatter plots of a report
constexpr size_t kMapRows = 160, kMapColumns = 400;  // of a level map
constexpr double kRowHeight = 4, kMapHeight = 72;    // pixels; maps of few rows are stretched

double decibels_of(double ratio) { return 10 * std::log10(ratio); }

PlotPanel by_block(const CompressionReport& report, const std::string& title, const std::string& unit,
                   const std::function<std::optional<double>(const ReportedTensor&)>& value) {
  std::vector<DepthValue> values;
  for (const ReportedTensor& t : report.tensors) {
    if (const std::optional<double> v = value(t)) values.push_back({t.type, t.depth, *v});
  }
  return depth_panel(title, unit, values);
}

std::map<std::string, std::vector<const ReportedTensor*>> by_type(const CompressionReport& report) {
  std::map<std::string, std::vector<const ReportedTensor*>> types;
  for (const ReportedTensor& t : report.tensors) types[t.type].push_back(&t);
  return types;
}

struct Column {
  double diagonal, inverse_error;  // logarithms
  uint8_t level;
};

// Those of which both logarithms exist.
std::vector<Column> columns_of(const ReportedTensor& t) {
  std::vector<Column> columns;
  for (size_t k = 0; k < t.diagonal.size() && k < t.column_error.size(); ++k) {
    const double diagonal = std::log10(t.diagonal[k]), inverse = -std::log10(t.column_error[k]);
    if (!std::isfinite(diagonal) || !std::isfinite(inverse)) continue;
    columns.push_back({diagonal, inverse, t.levels.empty() ? uint8_t{0} : t.levels[k]});
  }
  return columns;
}

PlotPanel scatter(const ReportedTensor& t) {
  std::vector<Column> columns = columns_of(t);
  std::sort(columns.begin(), columns.end(), [](const Column& a, const Column& b) { return a.diagonal < b.diagonal; });
  std::map<uint8_t, PlotSeries> series;
  const size_t dots = std::min(kDots, columns.size());
  for (size_t i = 0; i < dots; ++i) {
    const Column& c = columns[dots < 2 ? 0 : i * (columns.size() - 1) / (dots - 1)];  // both ends are among them
    series.try_emplace(c.level, PlotSeries{fmt::format("level {}", c.level), {}, false})
        .first->second.points.emplace_back(c.diagonal, c.inverse_error);
  }
  PlotPanel panel{t.record.name, "log10 of diag(H)", "log10 of 1 / column error", {}};
  for (auto& [level, s] : series) panel.series.push_back(std::move(s));
  return panel;
}

// The highest level in each of `dots` equal runs of columns.
std::vector<uint8_t> dots_of(const std::vector<uint8_t>& levels, size_t dots) {
  std::vector<uint8_t> highest(dots, 0);
  for (size_t k = 0; k < levels.size(); ++k) {
    uint8_t& dot = highest[k * dots / levels.size()];
    dot = std::max(dot, levels[k]);
  }
  return highest;
}

std::string draw_map(const std::vector<const ReportedTensor*>& rows) {
  std::map<uint8_t, std::string> paths;  // one per level: far smaller than an element per dot
  for (size_t y = 0; y < rows.size(); ++y) {
    if (rows[y]->levels.empty()) continue;
    const std::vector<uint8_t> dots = dots_of(rows[y]->levels, kMapColumns);
    for (size_t x = 0; x < dots.size();) {
      size_t end = x + 1;
      while (end < dots.size() && dots[end] == dots[x]) ++end;
      if (dots[x] > 0)
        paths[dots[x]] += fmt::format("M{} {}h{}", x, static_cast<double>(y) * kRowHeight + kRowHeight / 2, end - x);
      x = end;
    }
  }
  const double height = static_cast<double>(rows.size()) * kRowHeight;
  std::string svg = fmt::format(
      "<svg class=\"map\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" "
      "preserveAspectRatio=\"none\" style=\"height:{2}px\">\n"
      "<rect class=\"frame\" width=\"{0}\" height=\"{1}\" fill=\"none\" stroke=\"#444444\"/>\n",
      kMapColumns, height, std::max(height, kMapHeight));
  for (const auto& [level, path] : paths)
    svg +=
        fmt::format("<path class=\"level{}\" d=\"{}\" stroke-width=\"{}\" fill=\"none\"/>\n", level, path, kRowHeight);
  return svg + "</svg>\n";
}

}  // namespace

std::vector<PlotPanel> block_panels(const CompressionReport& report) {
  std::vector<PlotPanel> panels;
  panels.push_back(by_block(report, "error", "NMSE in dB", [](const ReportedTensor& t) {
    return std::optional(decibels_of(t.record.measured->nmse));
  }));
  if (report.hessian_error) {
    panels.push_back(
        by_block(report, "Hessian-weighted error", "tr(E H E') / tr(W H W') in dB", [](const ReportedTensor& t) {
          const std::optional<double>& error = t.record.measured->hessian_error;
          return error ? std::optional(decibels_of(*error)) : std::nullopt;
        }));
  }
  panels.push_back(by_block(report, "bits with side information", "bits per weight",
                            [](const ReportedTensor& t) { return std::optional(t.record.bits_per_weight()); }));
  return panels;
}

std::vector<PlotPanel> column_panels(const CompressionReport& report) {
  std::vector<PlotPanel> panels;
  for (const auto& [type, tensors] : by_type(report)) {
    if (panels.size() == kMaxTypes) break;
    const ReportedTensor& middle = *tensors[tensors.size() / 2];
    if (columns_of(middle).size() > 1) panels.push_back(scatter(middle));
  }
  return panels;
}

std::optional<double> diagonal_correlation(const ReportedTensor& tensor) {
  const std::vector<Column> columns = columns_of(tensor);
  const double n = static_cast<double>(columns.size());
  double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (const Column& c : columns) {
    x += c.diagonal / n;
    y += c.inverse_error / n;
  }
  for (const Column& c : columns) {
    xx += (c.diagonal - x) * (c.diagonal - x);
    yy += (c.inverse_error - y) * (c.inverse_error - y);
    xy += (c.diagonal - x) * (c.inverse_error - y);
  }
  if (!(xx > 0 && yy > 0)) return std::nullopt;
  return xy / std::sqrt(xx * yy);
}

std::vector<LevelMap> level_maps(const CompressionReport& report) {
  std::vector<LevelMap> maps;
  for (const auto& [type, tensors] : by_type(report)) {
    const bool any = std::any_of(tensors.begin(), tensors.end(), [](const ReportedTensor* t) {
      return std::any_of(t->levels.begin(), t->levels.end(), [](uint8_t l) { return l > 0; });
    });
    if (!any) continue;
    const size_t shown = std::min(kMapRows, tensors.size());
    std::vector<const ReportedTensor*> rows;
    for (size_t i = 0; i < shown; ++i) rows.push_back(tensors[i * tensors.size() / shown]);
    maps.push_back({type, tensors.size(), shown, draw_map(rows)});
  }
  return maps;
}

}  // namespace nwc

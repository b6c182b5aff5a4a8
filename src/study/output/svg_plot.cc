#include "study/output/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace nwc {
namespace {

// Lengths in pixels.
constexpr double kPanelWidth = 440, kPanelHeight = 300, kLeft = 62, kRight = 14, kTop = 30, kBottom = 46;
constexpr double kTitleHeight = 34, kLegendRow = 18, kLegendColumn = 210, kMargin = 12;

// Twelve colours that can be told apart on white and on near-black; after them, dashes.
constexpr std::array<const char*, 12> kColours{"#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf",
                                               "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#5f6bd8", "#0f8a6d"};
constexpr std::array<const char*, 4> kDashes{"", "6 3", "2 2", "8 3 2 3"};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double v) {
    low = std::min(low, v);
    high = std::max(high, v);
  }
  // Room around the data, and a width where there is none.
  void pad() {
    if (!(low <= high)) low = 0, high = 1;
    const double room = high > low ? (high - low) * 0.05 : std::max(0.5, std::abs(low) * 0.1);
    low -= room;
    high += room;
  }
};

bool is_drawable(const std::pair<double, double>& p) { return std::isfinite(p.first) && std::isfinite(p.second); }

// 1, 2 or 5 times a power of ten, giving about six intervals.
double tick_step(const Range& range) {
  const double rough = (range.high - range.low) / 6, power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

std::string text_at(double x, double y, const char* anchor, double size, const std::string& text,
                    const std::string& more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" font-size=\"{}\"{}>{}</text>\n", x, y, anchor,
                     size, more, xml_escaped(text));
}

std::string grid_line(double x1, double y1, double x2, double y2) {
  return fmt::format(
      "<line class=\"grid\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#e5e5e5\"/>\n", x1, y1, x2,
      y2);
}

struct Style {
  const char* colour;
  std::string dash;  // an attribute, or nothing
};

Style style_of(size_t number) {
  const char* dash = kDashes[number / kColours.size() % kDashes.size()];
  return {kColours[number % kColours.size()], *dash == '\0' ? "" : fmt::format(" stroke-dasharray=\"{}\"", dash)};
}

class PanelDrawing {
 public:
  PanelDrawing(const PlotPanel& panel, double left, double top, const std::vector<std::string>& labels)
      : panel_(panel), left_(left), top_(top), labels_(labels) {
    for (const PlotSeries& series : panel.series) {
      for (const auto& p : series.points) {
        if (!is_drawable(p)) continue;
        x_.add(p.first);
        y_.add(p.second);
      }
    }
    x_.pad();
    y_.pad();
  }

  std::string draw() const {
    const double right = left_ + kPanelWidth - kRight, bottom = top_ + kPanelHeight - kBottom;
    std::string svg = text_at(left_ + kPanelWidth / 2, top_ + 18, "middle", 13, panel_.title);
    const double x_step = tick_step(x_), y_step = tick_step(y_);
    // Counted in whole steps, so that rounding adds up nowhere.
    for (double k = std::ceil(x_.low / x_step); k * x_step <= x_.high; ++k) {
      svg += grid_line(at_x(k * x_step), top_ + kTop, at_x(k * x_step), bottom);
      svg += text_at(at_x(k * x_step), bottom + 15, "middle", 11, fmt::format("{:.6g}", k * x_step + 0.0));
    }
    for (double k = std::ceil(y_.low / y_step); k * y_step <= y_.high; ++k) {
      svg += grid_line(left_ + kLeft, at_y(k * y_step), right, at_y(k * y_step));
      svg += text_at(left_ + kLeft - 5, at_y(k * y_step) + 4, "end", 11, fmt::format("{:.6g}", k * y_step + 0.0));
    }
    svg += fmt::format(
        "<rect class=\"frame\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" "
        "stroke=\"#444444\"/>\n",
        left_ + kLeft, top_ + kTop, right - left_ - kLeft, bottom - top_ - kTop);
    svg += text_at((left_ + kLeft + right) / 2, bottom + 34, "middle", 12, panel_.x_label);
    const double middle = (top_ + kTop + bottom) / 2;
    svg += text_at(left_ + 14, middle, "middle", 12, panel_.y_label,
                   fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", left_ + 14, middle));
    for (const PlotSeries& series : panel_.series) svg += draw(series);
    return svg;
  }

 private:
  double at_x(double x) const {
    return left_ + kLeft + (x - x_.low) / (x_.high - x_.low) * (kPanelWidth - kLeft - kRight);
  }
  double at_y(double y) const {
    return top_ + kPanelHeight - kBottom - (y - y_.low) / (y_.high - y_.low) * (kPanelHeight - kTop - kBottom);
  }

  std::string draw(const PlotSeries& series) const {
    const Style style =
        style_of(static_cast<size_t>(std::find(labels_.begin(), labels_.end(), series.label) - labels_.begin()));
    std::string marks, path;
    for (const auto& p : series.points) {
      if (!is_drawable(p)) continue;
      path += fmt::format("{}{:.1f},{:.1f}", path.empty() ? "" : " ", at_x(p.first), at_y(p.second));
      marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.4\" fill=\"{}\"/>\n", at_x(p.first),
                           at_y(p.second), style.colour);
    }
    if (!series.line || path.empty()) return marks;
    return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\"{}/>\n", path,
                       style.colour, style.dash) +
           marks;
  }

  const PlotPanel& panel_;
  double left_, top_;
  const std::vector<std::string>& labels_;
  Range x_, y_;
};

}  // namespace

std::string xml_escaped(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? "\xEF\xBF\xBD" : std::string(1, c);
    }
  }
  return escaped;
}

std::string svg_element(const std::string& title, const std::vector<PlotPanel>& panels, size_t panels_per_row) {
  std::vector<std::string> labels;
  for (const PlotPanel& panel : panels) {
    for (const PlotSeries& series : panel.series) {
      if (std::find(labels.begin(), labels.end(), series.label) == labels.end()) labels.push_back(series.label);
    }
  }
  const size_t across = std::max<size_t>(1, std::min(panels_per_row, panels.size())),
               down = (panels.size() + across - 1) / across;
  const double width = 2 * kMargin + kPanelWidth * static_cast<double>(across);
  const size_t legend_across = std::max<size_t>(1, static_cast<size_t>((width - 2 * kMargin) / kLegendColumn));
  const size_t legend_down = (labels.size() + legend_across - 1) / legend_across;
  const double title_height = title.empty() ? 0.0 : kTitleHeight;
  const double legend_top = title_height + kPanelHeight * static_cast<double>(down) + kMargin;
  const double height = legend_top + kLegendRow * static_cast<double>(legend_down) + kMargin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"sans-serif\">\n"
      "<rect class=\"background\" width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      width, height);
  if (!title.empty()) svg += text_at(width / 2, 22, "middle", 15, title);
  for (size_t i = 0; i < panels.size(); ++i) {
    const double left = kMargin + kPanelWidth * static_cast<double>(i % across),
                 top = title_height + kPanelHeight * static_cast<double>(i / across);
    svg += PanelDrawing(panels[i], left, top, labels).draw();
  }
  for (size_t i = 0; i < labels.size(); ++i) {
    const double x = kMargin + kLegendColumn * static_cast<double>(i % legend_across),
                 y = legend_top + kLegendRow * static_cast<double>(i / legend_across);
    const Style style = style_of(i);
    svg += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"2\"{}/>\n", x, y,
        x + 22, y, style.colour, style.dash);
    svg += text_at(x + 28, y + 4, "start", 11, labels[i]);
  }
  return svg + "</svg>\n";
}

std::string render_svg(const std::string& title, const std::vector<PlotPanel>& panels, size_t panels_per_row) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + svg_element(title, panels, panels_per_row);
}

}  // namespace nwc

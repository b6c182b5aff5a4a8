// Line charts as SVG text: a grid of panels with one legend.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace nwc {

struct PlotSeries {
  std::string label;                              // series of one label have one colour and one entry in the legend
  std::vector<std::pair<double, double>> points;  // in drawing order; those that are not finite are left out
  bool line = true;                               // connect the points
};

struct PlotPanel {
  std::string title, x_label, y_label;
  std::vector<PlotSeries> series;
};

// An SVG element, `panels_per_row` panels beside each other; without a title there is no room for one. Texts may hold
// anything: they are escaped, and control characters replaced. Colours are assigned in the order in which labels first
// occur. What a page with a dark background may want to draw otherwise has a class: background, grid, frame.
std::string svg_element(const std::string& title, const std::vector<PlotPanel>& panels, size_t panels_per_row);

// The same as a complete document.
std::string render_svg(const std::string& title, const std::vector<PlotPanel>& panels, size_t panels_per_row);

// For XML text and attributes.
std::string xml_escaped(const std::string& text);

}  // namespace nwc

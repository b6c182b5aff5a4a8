// Parts of the pages that reports are: self-contained, with inline SVG, without scripts, and forbidden to fetch
// anything; they follow the reader's choice of light or dark, and fit a phone. Texts are escaped here, unless a
// parameter is called html.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "study/output/svg_plot.h"

namespace nwc {

std::string page(const std::string& title, const std::string& body_html);
std::string page_tile(const std::string& value, const std::string& what);  // stand in a <div class="tiles">
std::string page_warnings(const std::vector<std::string>& warnings);       // nothing where there are none
std::string page_figures(const std::vector<PlotPanel>& panels);            // one beside the other

// The first row is the header.
std::string page_table(const std::vector<std::vector<std::string>>& rows);
struct PageCell {
  std::string html;
  const char* style = "";  // "left": not aligned to the right; "wide text": of a text that wraps
};
std::string page_table(const std::vector<std::vector<PageCell>>& rows);

// Text of a stranger as HTML: line breaks, tabs and other controls are shown by a sign, as are characters that would
// turn the direction of the text around them. `lines`: line breaks also break the line, where the style keeps them.
std::string corpus_html(std::string_view text, bool lines);

// A bar of this share of its cell, 0 to 1, with a label.
std::string bar_html(double share, const std::string& label);

}  // namespace nwc

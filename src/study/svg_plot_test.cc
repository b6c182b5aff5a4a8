#include "study/svg_plot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "study/depth_panel.h"

namespace nwc {
namespace {

// Whether `text` is well-formed XML of the simple kind that we write: every element closed in its order, attributes quoted, no bare
// ampersand. Independent of the writer.
::testing::AssertionResult well_formed(const std::string& text) {
  std::vector<std::string> open;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '&') {
      const size_t end = text.find(';', i);
      if (end == std::string::npos || end - i > 6) return ::testing::AssertionFailure() << "bare ampersand at " << i;
    }
    if (text[i] == '>') return ::testing::AssertionFailure() << "stray > at " << i;
    if (static_cast<unsigned char>(text[i]) < 0x20 && text[i] != '\n') return ::testing::AssertionFailure() << "control character at " << i;
    if (text[i] != '<') continue;
    const size_t end = text.find('>', i);
    if (end == std::string::npos) return ::testing::AssertionFailure() << "unclosed tag at " << i;
    const std::string tag = text.substr(i + 1, end - i - 1);
    i = end;
    if (tag.starts_with('?')) continue;
    if (tag.find('<') != std::string::npos) return ::testing::AssertionFailure() << "tag in tag: " << tag;
    size_t quotes = 0;
    for (const char c : tag) quotes += c == '"';
    if (quotes % 2 != 0) return ::testing::AssertionFailure() << "open attribute: " << tag;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return ::testing::AssertionFailure() << "closes nothing: " << tag;
      open.pop_back();
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  if (!open.empty()) return ::testing::AssertionFailure() << "never closed: " << open.back();
  return ::testing::AssertionSuccess();
}

TEST(WellFormed, CanFail) {
  EXPECT_TRUE(well_formed("<a b=\"c\"><d/>x &lt; y</a>"));
  EXPECT_FALSE(well_formed("<a><b></a></b>"));
  EXPECT_FALSE(well_formed("<a>R & D</a>"));
  EXPECT_FALSE(well_formed("<a b=\"c>x</a>"));
  EXPECT_FALSE(well_formed("<a>x > y</a>"));
}

TEST(Svg, WellFormedWhateverTheLabels) {
  const std::string nasty = "</svg><a & \"b\" 'c'\n\x1b[0m";
  const std::string svg = render_svg(nasty, {{nasty, nasty, nasty, {{nasty, {{1, 2}, {2, 3}}}, {"other", {{1, 5}}, false}}}}, 2);
  EXPECT_TRUE(well_formed(svg));
  EXPECT_NE(svg.find("&lt;/svg&gt;&lt;a &amp; &quot;b&quot; &#39;c&#39;"), std::string::npos);
}

TEST(Svg, LeavesOutWhatIsNotFinite) {
  const std::string svg = render_svg("t", {{"p", "x", "y", {{"s", {{1, NAN}, {2, 3}, {INFINITY, 1}, {3, 4}}}}}}, 1);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  size_t circles = 0;
  for (size_t at = 0; (at = svg.find("<circle", at)) != std::string::npos; ++at) ++circles;
  EXPECT_EQ(circles, 2u);
}

TEST(Svg, EmptyAndSinglePointPanels) {
  EXPECT_TRUE(well_formed(render_svg("t", {}, 2)));
  const std::string svg = render_svg("t", {{"none", "x", "y", {}}, {"one", "x", "y", {{"s", {{0, 0}}}}}, {"big", "x", "y", {{"s", {{1e9, 1e9}}}}}}, 2);
  EXPECT_TRUE(well_formed(svg));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(DepthPanel, OneCurvePerTypeInTheOrderOfNames) {
  const PlotPanel panel = depth_panel("t", "y", {{"q", 0, 1}, {"k", 0, 2}, {"q", 1, 3}});
  ASSERT_EQ(panel.series.size(), 2u);
  EXPECT_EQ(panel.series[0].label, "k");
  EXPECT_EQ(panel.series[1].points, (std::vector<std::pair<double, double>>{{0, 1}, {1, 3}}));
}

}  // namespace
}  // namespace nwc

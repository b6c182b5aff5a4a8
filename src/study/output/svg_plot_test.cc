#include "study/output/svg_plot.h"

#include <gtest/gtest.h>

#include <cmath>

#include "study/output/depth_panel.h"
#include "support/well_formed.h"

namespace nwc {
namespace {

using testing::well_formed;

TEST(WellFormed, CanFail) {
  EXPECT_TRUE(well_formed("<a b=\"c\"><d/>x &lt; y</a>"));
  EXPECT_FALSE(well_formed("<a><b></a></b>"));
  EXPECT_FALSE(well_formed("<a>R & D</a>"));
  EXPECT_FALSE(well_formed("<a b=\"c>x</a>"));
  EXPECT_FALSE(well_formed("<a>x > y</a>"));
}

TEST(Svg, WellFormedWhateverTheLabels) {
  const std::string nasty = "</svg><a & \"b\" 'c'\n\x1b[0m";
  const std::string svg =
      render_svg(nasty, {{nasty, nasty, nasty, {{nasty, {{1, 2}, {2, 3}}}, {"other", {{1, 5}}, false}}}}, 2);
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
  const std::string svg = render_svg(
      "t", {{"none", "x", "y", {}}, {"one", "x", "y", {{"s", {{0, 0}}}}}, {"big", "x", "y", {{"s", {{1e9, 1e9}}}}}}, 2);
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

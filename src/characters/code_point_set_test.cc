#include "characters/code_point_set.h"

#include <gtest/gtest.h>

namespace nwc::characters {
namespace {

using Ranges = std::vector<CodePointSet::Range>;

TEST(CodePointSet, JoinsWhatTouchesOrOverlaps) {
  const CodePointSet set({{20, 30}, {1, 3}, {3, 5}, {25, 26}, {40, 40}});
  EXPECT_EQ(set.ranges(), (Ranges{{1, 5}, {20, 30}}));
}

TEST(CodePointSet, ReadsDistancesAndLengths) {
  EXPECT_EQ(CodePointSet::parse("0 1 z 10 1 2").ranges(), (Ranges{{0, 1}, {36, 72}, {73, 75}}));
  EXPECT_TRUE(CodePointSet::parse("").empty());
}

TEST(CodePointSet, KnowsItsMembers) {
  const CodePointSet set({{5, 7}, {0x10FFFF, 0x110000}});
  for (const uint32_t c : {0u, 4u, 7u, 0x10FFFEu, 0x110000u}) EXPECT_FALSE(set.contains(c)) << c;
  for (const uint32_t c : {5u, 6u, 0x10FFFFu}) EXPECT_TRUE(set.contains(c)) << c;
  EXPECT_FALSE(CodePointSet().contains(0));
}

TEST(CodePointSet, UnitesAndSubtracts) {
  const CodePointSet a({{0, 10}, {20, 30}});
  const CodePointSet b({{2, 3}, {5, 25}, {28, 29}});
  EXPECT_EQ((a | b).ranges(), (Ranges{{0, 30}}));
  EXPECT_EQ((a - b).ranges(), (Ranges{{0, 2}, {3, 5}, {25, 28}, {29, 30}}));
  EXPECT_EQ((b - a).ranges(), (Ranges{{10, 20}}));
  EXPECT_TRUE((a - a).empty());
}

}  // namespace
}  // namespace nwc::characters

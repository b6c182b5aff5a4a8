// Expectations are what the `tokenizers` library gives.
#include "text/stages/split.h"

#include <gtest/gtest.h>

#include "text/stages/pattern.h"
#include "text/unicode.h"

namespace nwc::text {
namespace {

using Strings = std::vector<std::string>;

Strings split(std::string_view text, std::string_view pattern, SplitBehavior behavior, bool inverted) {
  regex::Budget budget(text.size());
  std::vector<Segment> segments = segments_of(text.size(), *Pattern::from_regex(pattern)->find_all(text, budget));
  if (inverted) invert(segments);
  std::vector<Piece> pieces;
  split_piece({std::string(text), true}, segments, behavior, pieces);
  Strings texts;
  for (const Piece& piece : pieces) texts.push_back(piece.text);
  return texts;
}

TEST(Split, FollowsEveryBehavior) {
  const char* text = "--a-b--c-";
  const char* pattern = "-|(?=c)";
  using enum SplitBehavior;
  EXPECT_EQ(split(text, pattern, kIsolated, false), (Strings{"-", "-", "a", "-", "b", "-", "-", "c", "-"}));
  EXPECT_EQ(split(text, pattern, kIsolated, true), (Strings{"-", "-", "a", "-", "b", "-", "-", "c", "-"}));
  EXPECT_EQ(split(text, pattern, kRemoved, false), (Strings{"a", "b", "c"}));
  EXPECT_EQ(split(text, pattern, kRemoved, true), (Strings{"-", "-", "-", "-", "-", "-"}));
  EXPECT_EQ(split(text, pattern, kMergedWithPrevious, false), (Strings{"-", "-", "a-", "b-", "-", "c-"}));
  EXPECT_EQ(split(text, pattern, kMergedWithPrevious, true), (Strings{"-", "-a", "-b", "-", "-c", "-"}));
  EXPECT_EQ(split(text, pattern, kMergedWithNext, false), (Strings{"-", "-a", "-b", "-", "-c", "-"}));
  EXPECT_EQ(split(text, pattern, kMergedWithNext, true), (Strings{"-", "-", "a-", "b-", "-", "c-"}));
  EXPECT_EQ(split(text, pattern, kContiguous, false), (Strings{"--", "a", "-", "b", "--", "c", "-"}));
  EXPECT_EQ(split(text, pattern, kContiguous, true), (Strings{"--", "a", "-", "b", "--", "c", "-"}));
}

TEST(Split, TakesEveryDelimitingCharacterByItself) {
  const std::vector<Segment> segments = segments_of("a  \u3000b", is_white_space);
  ASSERT_EQ(segments.size(), 5u);
  EXPECT_EQ(segments[3].begin, 3u);
  EXPECT_EQ(segments[3].end, 6u);
  EXPECT_TRUE(segments[3].is_delimiter);
  EXPECT_FALSE(segments[4].is_delimiter);
}

TEST(Split, OnlyThePieceAtTheStartStaysThere) {
  std::vector<Piece> pieces;
  split_piece({" a b", true}, segments_of(" a b", is_white_space), SplitBehavior::kMergedWithNext, pieces);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_TRUE(pieces[0].at_start);
  EXPECT_FALSE(pieces[1].at_start);
  pieces.clear();
  split_piece({" a b", true}, segments_of(" a b", is_white_space), SplitBehavior::kRemoved, pieces);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_FALSE(pieces[0].at_start);
}

}  // namespace
}  // namespace nwc::text

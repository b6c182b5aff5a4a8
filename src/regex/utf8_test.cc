#include "regex/utf8.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(Utf8, WalksThroughCharactersOfEveryLength) {
  const std::string text = "a\u00e9\u4e2d\U0001f600";
  size_t pos = 0;
  EXPECT_EQ(next_code_point(text, pos), U'a');
  EXPECT_EQ(next_code_point(text, pos), 0xE9u);
  EXPECT_EQ(next_code_point(text, pos), 0x4E2Du);
  EXPECT_EQ(next_code_point(text, pos), 0x1F600u);
  EXPECT_EQ(pos, text.size());
}

TEST(Utf8, AppendsCharactersOfEveryLength) {
  std::string text;
  for (const char32_t c :
       {U'a', char32_t{0x7FF}, char32_t{0x800}, char32_t{0xFFFF}, char32_t{0x10000}, char32_t{0x10FFFF}}) {
    append_utf8(c, text);
  }
  EXPECT_EQ(text, "a\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
}

TEST(Utf8, RecognisesIllFormedText) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8(std::string_view("\0\xF4\x8F\xBF\xBF", 5)));
  EXPECT_FALSE(is_valid_utf8("\x80"));
  EXPECT_FALSE(is_valid_utf8("\xC0\x80"));          // overlong
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_valid_utf8("a\xE2\x82"));         // cut off
}

TEST(Utf8, ReplacesMaximalIllFormedParts) {
  EXPECT_EQ(to_valid_utf8("ok \u00e9"), "ok \u00e9");
  EXPECT_EQ(to_valid_utf8("a\xE2\x82z"), "a\uFFFDz");  // one part of two bytes
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // no prefix of a surrogate is well formed
  EXPECT_EQ(to_valid_utf8("\xC0\xAF\xFF"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xE2\x82\xE2\x82\xAC"), "\uFFFD\u20AC");
}

}  // namespace
}  // namespace nwc

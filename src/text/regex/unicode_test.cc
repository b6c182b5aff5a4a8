#include "text/regex/unicode.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

TEST(Unicode, WalksThroughCharactersOfEveryLength) {
  const std::string text = "a\u00e9\u4e2d\U0001f600";
  size_t pos = 0;
  EXPECT_EQ(next_code_point(text, pos), U'a');
  EXPECT_EQ(next_code_point(text, pos), 0xE9u);
  EXPECT_EQ(next_code_point(text, pos), 0x4E2Du);
  EXPECT_EQ(next_code_point(text, pos), 0x1F600u);
  EXPECT_EQ(pos, text.size());
}

TEST(Unicode, AppendsCharactersOfEveryLength) {
  std::string text;
  for (const char32_t c :
       {U'a', char32_t{0x7FF}, char32_t{0x800}, char32_t{0xFFFF}, char32_t{0x10000}, char32_t{0x10FFFF}}) {
    append_utf8(c, text);
  }
  EXPECT_EQ(text, "a\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
}

TEST(Unicode, RecognisesIllFormedText) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8(std::string_view("\0\xF4\x8F\xBF\xBF", 5)));
  EXPECT_FALSE(is_valid_utf8("\x80"));
  EXPECT_FALSE(is_valid_utf8("\xC0\x80"));          // overlong
  EXPECT_FALSE(is_valid_utf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(is_valid_utf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(is_valid_utf8("a\xE2\x82"));         // cut off
}

TEST(Unicode, ReplacesMaximalIllFormedParts) {
  EXPECT_EQ(to_valid_utf8("ok \u00e9"), "ok \u00e9");
  EXPECT_EQ(to_valid_utf8("a\xE2\x82z"), "a\uFFFDz");  // one part of two bytes
  EXPECT_EQ(to_valid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");  // no prefix of a surrogate is well formed
  EXPECT_EQ(to_valid_utf8("\xC0\xAF\xFF"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(to_valid_utf8("\xE2\x82\xE2\x82\xAC"), "\uFFFD\u20AC");
}

TEST(Unicode, KnowsWhiteSpace) {
  for (const char32_t c : {U' ', U'\t', U'\n', U'\r', U'\v', U'\f', char32_t{0x85}, char32_t{0xA0}, char32_t{0x2003},
                           char32_t{0x2028}, char32_t{0x3000}}) {
    EXPECT_TRUE(is_white_space(c)) << static_cast<unsigned>(c);
  }
  for (const char32_t c : {U'a', char32_t{0x1C}, char32_t{0x180E}, char32_t{0x200B}, char32_t{0xFEFF}}) {
    EXPECT_FALSE(is_white_space(c)) << static_cast<unsigned>(c);
  }
}

TEST(Unicode, KnowsWordCharacters) {
  for (const char32_t c : {U'a', U'Z', U'0', U'_', char32_t{0xE9}, char32_t{0x301}, char32_t{0x4E2D}, char32_t{0x200D},
                           char32_t{0x203F}}) {
    EXPECT_TRUE(is_word(c)) << static_cast<unsigned>(c);
  }
  for (const char32_t c : {U' ', U'-', char32_t{0xB2}, char32_t{0x3002}, char32_t{0x1F600}}) {
    EXPECT_FALSE(is_word(c)) << static_cast<unsigned>(c);
  }
}

TEST(Unicode, KnowsNumbersAndPunctuation) {
  EXPECT_TRUE(is_numeric(U'7'));
  EXPECT_TRUE(is_numeric(0xB2));    // superscript two
  EXPECT_TRUE(is_numeric(0x2167));  // Roman eight
  EXPECT_FALSE(is_numeric(U'x'));
  for (const char32_t c : {U'!', U'$', U'+', U'/', U':', U'@', U'[', U'`', U'{', U'~', char32_t{0x3002}}) {
    EXPECT_TRUE(is_punctuation(c)) << static_cast<unsigned>(c);
  }
  for (const char32_t c : {U' ', U'0', U'9', U'A', U'Z', U'a', U'z', char32_t{0x7F}, char32_t{0xA2}}) {
    EXPECT_FALSE(is_punctuation(c)) << static_cast<unsigned>(c);
  }
}

TEST(Unicode, ComposesAndDecomposes) {
  const std::string text = "e\u0301 \u00c5 \ufb01 \u1e9b\u0323";
  EXPECT_EQ(*normalize(text, NormalForm::kNfc), "\u00e9 \u00c5 \ufb01 \u1e9b\u0323");
  EXPECT_EQ(*normalize(text, NormalForm::kNfd), "e\u0301 A\u030a \ufb01 \u017f\u0323\u0307");
  EXPECT_EQ(*normalize(text, NormalForm::kNfkc), "\u00e9 \u00c5 fi \u1e69");
  EXPECT_EQ(*normalize(text, NormalForm::kNfkd), "e\u0301 A\u030a fi s\u0323\u0307");
}

TEST(Unicode, LowersCaseCharacterByCharacter) {
  EXPECT_EQ(lower_case("AbC \u00c9 \u0391\u03a3 \u1e9e \u01c5"),
            "abc \u00e9 \u03b1\u03c3 \u00df \u01c6");  // no final sigma
  EXPECT_EQ(lower_case("\u0130"), "i\u0307");
}

}  // namespace
}  // namespace nwc::text

#include "text/unicode.h"

#include <gtest/gtest.h>

#include "regex/utf8.h"

namespace nwc::text {
namespace {

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

// What ICU makes of them depends on its version; the reference's tables are older than these characters.
TEST(Unicode, NormalFormsLeaveNewCharactersAlone) {
  for (const NormalForm form : {NormalForm::kNfc, NormalForm::kNfd, NormalForm::kNfkc, NormalForm::kNfkd}) {
    EXPECT_EQ(*normalize("\u32ff\u0301", form), "\u32ff\u0301");  // Unicode 12.1, a compatibility character
    EXPECT_EQ(*normalize("\U000105c9a", form), "\U000105c9a");    // 16, decomposes
  }
  EXPECT_EQ(*normalize("a\u0345\u08d3", NormalForm::kNfd), "a\u0345\u08d3");  // 11: its class is not known
}

TEST(Unicode, LowersCaseCharacterByCharacter) {
  EXPECT_EQ(lower_case("AbC \u00c9 \u0391\u03a3 \u1e9e \u01c5"),
            "abc \u00e9 \u03b1\u03c3 \u00df \u01c6");  // no final sigma
  EXPECT_EQ(lower_case("\u0130"), "i\u0307");
}

}  // namespace
}  // namespace nwc::text

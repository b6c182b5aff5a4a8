#include "report/divergence/token_class.h"

#include <gtest/gtest.h>

namespace nwc {
namespace {

TEST(TokenClass, IsToldFromTheTextAndWhatStandsBefore) {
  struct Case {
    const char *text, *before;
    TokenClass expected;
  };
  using enum TokenClass;
  for (const Case& c : {Case{" the", "in", kWordStart},
                        {"the", "", kWordStart},
                        {"the", "(", kWordStart},
                        {"(the", "x", kWordStart},
                        {"ing", " go", kWordContinuation},
                        {"n", "2", kWordContinuation},
                        {"'t", "don", kWordContinuation},
                        {"t", "don\xE2\x80\x99", kWordContinuation},
                        {" \xC3\xA9t\xC3\xA9", "l'", kWordStart},  // été
                        {"\xCC\x81", "e", kWordContinuation},      // a combining accent
                        {"42", "a", kNumber},
                        {" 1", "", kNumber},
                        {"$5", "", kNumber},
                        {"\xC2\xBD", "", kNumber},  // one half
                        {" ,", "a", kPunctuation},
                        {".\n", "a", kPunctuation},
                        {"<", "", kPunctuation},
                        {"\xE2\x82\xAC", "", kPunctuation},  // euro sign
                        {"  ", "a", kWhiteSpace},
                        {"\xC2\xA0", "a", kWhiteSpace},  // no-break space
                        {"\n\n  ", "a", kLineBreak},
                        {"\xE2\x80\xA8", "a", kLineBreak},               // line separator
                        {" \xD0\xB4\xD0\xB0", "a", kOtherScript},        // Cyrillic
                        {"\xE4\xBD\xA0", "a", kOtherScript},             // Chinese
                        {"\xE0\xA4\xBE", "\xE0\xA4\x95", kOtherScript},  // a mark of Devanagari
                        {"\xEF\xBF\xBD", "a", kCharacterPiece},
                        {" \xEF\xBF\xBD", "a", kCharacterPiece},
                        {"\x01", "a", kOther},
                        {"", "a", kOther}}) {
    EXPECT_EQ(name_of(class_of(c.text, false, c.before)), name_of(c.expected)) << "'" << c.text << "'";
  }
  EXPECT_EQ(class_of("<s>", true, ""), TokenClass::kSpecial);
}

}  // namespace
}  // namespace nwc

#include "characters/sets.h"

#include <gtest/gtest.h>

namespace nwc::characters {
namespace {

TEST(Sets, AreThoseOfUnicode16) {
  // The counts are those of DerivedGeneralCategory-16.0.0.txt.
  const auto count = [](std::string_view name) {
    size_t n = 0;
    for (const CodePointSet::Range& r : general_category(name)->ranges()) n += r.end - r.begin;
    return n;
  };
  EXPECT_EQ(count("Lu"), 1858u);
  EXPECT_EQ(count("Ll"), 2258u);
  EXPECT_EQ(count("Lt"), 31u);
  EXPECT_EQ(count("Lo"), 136'477u);
  EXPECT_EQ(count("Mn"), 2020u);
  EXPECT_EQ(count("Nd"), 760u);
  EXPECT_EQ(count("So"), 7376u);
  EXPECT_EQ(count("L&"), 1858u + 2258u + 31u);
  EXPECT_EQ(count("C") + count("L") + count("M") + count("N") + count("P") + count("S") + count("Z"), 0x110000u);
  EXPECT_EQ(general_category("Q"), nullptr);
}

TEST(Sets, HaveNewCharacters) {
  EXPECT_TRUE(general_category("So")->contains(0x1FA77));  // pink heart, Unicode 15
  EXPECT_TRUE(general_category("So")->contains(0x1FAE9));  // face with bags under eyes, 16
  EXPECT_TRUE(general_category("Lo")->contains(0x2EBF0));  // ideograph, 15.1
  EXPECT_TRUE(script("han")->contains(0x2EBF0));
  EXPECT_TRUE(script("garay")->contains(0x10D50));
  EXPECT_TRUE(binary_property("alphabetic")->contains(0x10D50));
  EXPECT_FALSE(general_category("L")->contains(0x16EA0));  // Unicode 17
}

TEST(Sets, GoByLongAndShortNames) {
  EXPECT_EQ(script("hani"), script("han"));
  EXPECT_TRUE(script("zyyy")->contains('!'));
  EXPECT_EQ(script("klingon"), nullptr);
  EXPECT_TRUE(binary_property("whitespace")->contains(0x3000));
  EXPECT_EQ(binary_property("han"), nullptr);
}

TEST(Sets, OfTheReferenceAreOlder) {
  const auto holds = [](ReferenceSet set, char32_t c) { return reference_set(set).contains(c); };
  EXPECT_TRUE(holds(ReferenceSet::kWord, 0x200D));
  EXPECT_TRUE(holds(ReferenceSet::kWord, 0x24B6));  // alphabetic, but a symbol
  EXPECT_TRUE(holds(ReferenceSet::kNumeric, 0xBD));
  EXPECT_TRUE(holds(ReferenceSet::kPunctuation, '$'));
  EXPECT_FALSE(holds(ReferenceSet::kPunctuation, 0x2E52));  // Unicode 14
  EXPECT_TRUE(holds(ReferenceSet::kWhiteSpace, 0x85));
  EXPECT_TRUE(holds(ReferenceSet::kMark, 0x903));
  EXPECT_FALSE(holds(ReferenceSet::kNonspacingMark, 0x903));
  EXPECT_TRUE(holds(ReferenceSet::kNonspacingMark, 0x301));
  EXPECT_TRUE(holds(ReferenceSet::kBertRemoved, 0xFFFD));
  EXPECT_TRUE(holds(ReferenceSet::kBertSpace, 0x3000));
  EXPECT_TRUE(holds(ReferenceSet::kBertIdeograph, 0x4E00));
  EXPECT_FALSE(holds(ReferenceSet::kBertIdeograph, 0x3042));
  EXPECT_TRUE(holds(ReferenceSet::kGraphemeExtend, 0x301));
  EXPECT_TRUE(holds(ReferenceSet::kGraphemePrepend, 0x600));
  EXPECT_TRUE(holds(ReferenceSet::kGraphemeControl, '\n'));
}

TEST(LowerCase, OfSingleCharacters) {
  EXPECT_TRUE(lower_case('A') == U'a');
  EXPECT_TRUE(lower_case('a') == U'a');
  EXPECT_TRUE(lower_case(0xC9) == 0xE9u);
  EXPECT_TRUE(lower_case(0x100) == 0x101u);
  EXPECT_TRUE(lower_case(0x101) == 0x101u);
  EXPECT_TRUE(lower_case(0x1E9E) == 0xDFu);
  EXPECT_TRUE(lower_case(0x130) == 0x130u);
  EXPECT_TRUE(lower_case(0x10D50) == 0x10D70u);  // Unicode 16
  EXPECT_TRUE(lower_case(0x110000) == 0x110000u);
}

}  // namespace
}  // namespace nwc::characters

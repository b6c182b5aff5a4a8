#include "regex/character_sets.h"

#include <gtest/gtest.h>

#include "regex/property_members.h"
#include "regex/regex.h"

namespace nwc::regex {
namespace {

TEST(CharacterSets, KnowsEveryGeneralCategoryByItsTwoNames) {
  const std::pair<const char*, const char*> categories[] = {
      {"C", "Other"},
      {"Cc", "Control"},
      {"Cf", "Format"},
      {"Cn", "Unassigned"},
      {"Co", "Private_Use"},
      {"Cs", "Surrogate"},
      {"L", "Letter"},
      {"Ll", "Lowercase_Letter"},
      {"Lm", "Modifier_Letter"},
      {"Lo", "Other_Letter"},
      {"Lt", "Titlecase_Letter"},
      {"Lu", "Uppercase_Letter"},
      {"M", "Mark"},
      {"Mc", "Spacing_Mark"},
      {"Me", "Enclosing_Mark"},
      {"Mn", "Nonspacing_Mark"},
      {"N", "Number"},
      {"Nd", "Decimal_Number"},
      {"Nl", "Letter_Number"},
      {"No", "Other_Number"},
      {"P", "Punctuation"},
      {"Pc", "Connector_Punctuation"},
      {"Pd", "Dash_Punctuation"},
      {"Pe", "Close_Punctuation"},
      {"Pf", "Final_Punctuation"},
      {"Pi", "Initial_Punctuation"},
      {"Po", "Other_Punctuation"},
      {"Ps", "Open_Punctuation"},
      {"S", "Symbol"},
      {"Sc", "Currency_Symbol"},
      {"Sk", "Modifier_Symbol"},
      {"Sm", "Math_Symbol"},
      {"So", "Other_Symbol"},
      {"Z", "Separator"},
      {"Zl", "Line_Separator"},
      {"Zp", "Paragraph_Separator"},
      {"Zs", "Space_Separator"},
  };
  ASSERT_EQ(std::size(categories), 37u);
  for (const auto& [short_name, long_name] : categories) {
    const std::string set = category_members(short_name);
    EXPECT_EQ(property_set(short_name, false), set);
    EXPECT_EQ(property_set(long_name, false), set);
    EXPECT_TRUE(Regex::compile("[" + set + "]", Syntax::kPerl).ok()) << set;
  }
  EXPECT_EQ(property_set("LC", false), category_members("L&"));
  EXPECT_EQ(property_set("Cased_Letter", false), category_members("L&"));
}

TEST(CharacterSets, NamesAreLoose) {
  for (const char* name : {"uppercase letter", "UPPERCASE-LETTER", "lu", "LU"}) {
    EXPECT_EQ(property_set(name, false), category_members("Lu")) << name;
  }
  EXPECT_EQ(property_set("White Space", false), property_members("whitespace"));
  EXPECT_EQ(property_set("Old_Italic", false), property_members("olditalic"));
  EXPECT_EQ(property_set("Ital", false), property_members("ital"));
}

TEST(CharacterSets, UnknownNames) {
  for (const char* name : {"", "_", "Klingon", "script:Han", "L&", "Lu}", "greek2", "^Lu", "In_Greek"}) {
    EXPECT_EQ(property_set(name, false), std::nullopt) << name;
  }
  EXPECT_EQ(posix_set("letter"), std::nullopt);
}

TEST(CharacterSets, CaseMattersToSomeOnly) {
  for (const char* name : {"Lu", "Ll", "Lt", "upper", "Lowercase"}) {
    EXPECT_TRUE(depends_on_case(*property_set(name, true))) << name;
  }
  for (const char* name : {"L", "LC", "Han", "alpha", "word"}) {
    EXPECT_FALSE(depends_on_case(*property_set(name, true))) << name;
  }
}

}  // namespace
}  // namespace nwc::regex

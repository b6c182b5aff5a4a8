// Expectations are what the `tokenizers` library (Oniguruma) finds.
#include "regex/regex.h"

#include <gtest/gtest.h>

#include "characters/sets.h"
#include "nwcodec/limits.h"
#include "regex/utf8.h"

namespace nwc::regex {
namespace {

using Strings = std::vector<std::string>;

// The matches, or the error.
Strings matches(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = Regex::compile(pattern, Syntax::kOniguruma);
  if (!regex) return {"error: " + regex.error().to_string()};
  Budget budget(text.size());
  const Result<std::vector<Range>> ranges = regex->find_all(text, budget);
  if (!ranges) return {"error: " + ranges.error().to_string()};
  Strings found;
  for (const Range& range : *ranges) found.emplace_back(text.substr(range.begin, range.end - range.begin));
  return found;
}

TEST(Regex, FindsMatchesFromLeftToRight) {
  EXPECT_EQ(matches("a+|b", "xaabxa"), (Strings{"aa", "b", "a"}));
  EXPECT_EQ(matches("x", ""), Strings{});
  EXPECT_EQ(matches("b*", "abc"), (Strings{"", "b", ""}));  // no empty match right behind "b"
  EXPECT_EQ(matches("", "a\u00e9"), (Strings{"", "", ""}));
}

TEST(Regex, SplitsAsGpt2) {
  EXPECT_EQ(matches(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
                    "It's 12  caf\u00e9s!\n\n x\t"),
            (Strings{"It", "'s", " 12", " ", " caf\u00e9s", "!", "\n\n", " x", "\t"}));
}

TEST(Regex, SplitsAsLlama3) {
  EXPECT_EQ(matches(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
                    "I'LL pay 12345 (now)!\r\n  \n  ok"),
            (Strings{"I", "'LL", " pay", " ", "123", "45", " (", "now", ")!\r\n", "  \n", " ", " ok"}));
}

TEST(Regex, KnowsWhatOnigurumaCallsSpaceAndWord) {
  EXPECT_EQ(matches(R"(\s+)", "a\u180eb\u0085c\u00a0d\u2028e\u200bf\x1cg"), (Strings{"\u0085", "\u00a0", "\u2028"}));
  EXPECT_EQ(matches(R"(\w+)", "a_b\u200dc\u0301d\u203fe\u00b2-"), (Strings{"a_b", "c\u0301d\u203fe\u00b2"}));
  EXPECT_EQ(matches(R"([\w]+)", "e\u00b2-"), Strings{"e"});
  EXPECT_EQ(matches(R"(\p{Han}+)", "\u6f22\u3005\u3006\u3001\u304b\u30fc\u4e00"), (Strings{"\u6f22\u3005", "\u4e00"}));
  EXPECT_EQ(matches(R"([[:punct:]]+)", "a$+\u00a7b"), Strings{"$+\u00a7"});
  EXPECT_EQ(matches("(?i:k)", "kK\u212a"), (Strings{"k", "K", "\u212a"}));
}

// DeepSeek's pattern, whose words take one character along that is no letter, punctuation or symbol.
TEST(Regex, KnowsCharactersThatTheSystemMayNotKnow) {
  const char* pattern = R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  EXPECT_EQ(matches(pattern, "\U0001fa77world"), (Strings{"\U0001fa77", "world"}));  // Unicode 15
  EXPECT_EQ(matches(pattern, "\U0001fae9world"), (Strings{"\U0001fae9", "world"}));  // 16
  EXPECT_EQ(matches(pattern, "\U00010d50x"), Strings{"\U00010d50x"});                // 16, a letter
  EXPECT_EQ(matches(pattern, "\U00016ea0x"), Strings{"\U00016ea0x"});                // 17, unassigned: taken along
  EXPECT_EQ(matches(R"(\p{Han}+)", "\U0002ebf0a\U00031350"), (Strings{"\U0002ebf0", "\U00031350"}));
  EXPECT_EQ(matches(R"(\p{Garay}+)", "a\U00010d50\U00010d41"), Strings{"\U00010d50\U00010d41"});
}

// At the edges of every range of a set, in brackets and without.
TEST(Regex, SetsAreThoseOfOurTables) {
  const std::pair<const char*, const characters::CodePointSet*> sets[] = {
      {"L", characters::general_category("L")},        {"Lo", characters::general_category("Lo")},
      {"Mn", characters::general_category("Mn")},      {"N", characters::general_category("N")},
      {"P", characters::general_category("P")},        {"So", characters::general_category("So")},
      {"Cn", characters::general_category("Cn")},      {"Han", characters::script("han")},
      {"Common", characters::script("common")},        {"Alphabetic", characters::binary_property("alphabetic")},
      {"Emoji", characters::binary_property("emoji")}, {"Lowercase", characters::binary_property("lowercase")},
  };
  for (const auto& [name, set] : sets) {
    ASSERT_NE(set, nullptr) << name;
    std::string text;
    Strings members;
    const auto add = [&](char32_t c) {
      if (c >= 0x110000 || (c >= 0xD800 && c < 0xE000)) return;
      std::string character;
      append_utf8(c, character);
      text += character;
      if (set->contains(c)) members.push_back(character);
    };
    for (const characters::CodePointSet::Range& range : set->ranges()) {
      if (range.begin > 0) add(range.begin - 1);
      add(range.begin);
      add(range.end - 1);
      add(range.end);
    }
    EXPECT_EQ(matches("\\p{" + std::string(name) + "}", text), members) << name;
    EXPECT_EQ(matches("[^\\P{" + std::string(name) + "}]", text), members) << name;
  }
}

TEST(Regex, KnowsWhereLinesBeginAndEnd) {
  EXPECT_EQ(matches("(?m:.)+", "a\nb"), Strings{"a\nb"});
  EXPECT_EQ(matches(".+", "a\r\nb\u2028c"), (Strings{"a\r", "b\u2028c"}));
  EXPECT_EQ(matches("^.", "ab\ncd"), (Strings{"a", "c"}));
  EXPECT_EQ(matches(".$", "ab\ncd\n"), (Strings{"b", "d"}));
}

TEST(Regex, QuotesThePatternInErrors) {
  EXPECT_EQ(matches("a(", "x"), Strings{"error: regular expression 'a(', byte 2: a parenthesis is not closed"});
  const std::string message = Regex::compile("a{3,2}", Syntax::kOniguruma).error().to_string();
  EXPECT_TRUE(message.starts_with("regular expression 'a{3,2}', byte ")) << message;
  EXPECT_TRUE(message.ends_with(": numbers out of order in {} quantifier")) << message;
}

// PCRE2 sees another pattern than the user, whose classes and repetitions are longer. Its versions place an error
// before or behind what is wrong.
TEST(Regex, PlacesPcre2sComplaintsInWhatWasWritten) {
  struct Case {
    const char* pattern;
    size_t begin, end;  // of what is wrong
  };
  for (const Case& c :
       {Case{R"(\s\s(?<n>a)\wx{3,2})", 14, 19}, Case{R"(\w+(?<=a+)b)", 3, 10}, Case{R"(\p{Han}{1}?[z-a])", 11, 16},
        Case{R"(\w**(?<n>a)(?<n>b))", 11, 17}, Case{R"(\b\w{2}?[[:alpha:]][\d-a]\b(?<=\w*))", 27, 35}}) {
    const Result<Regex> regex = Regex::compile(c.pattern, Syntax::kOniguruma);
    ASSERT_FALSE(regex.ok()) << c.pattern;
    const std::string begin = "regular expression '" + std::string(c.pattern) + "', byte ";
    const std::string message = regex.error().message();
    ASSERT_TRUE(message.starts_with(begin)) << message;
    const size_t position = std::stoul(message.substr(begin.size()));
    EXPECT_GE(position, c.begin) << message;
    EXPECT_LE(position, c.end) << message;
  }
}

TEST(Regex, PerlsSyntaxIsPcre2sOwn) {
  const auto found = [](std::string_view pattern, std::string_view text) {
    Budget budget(text.size());
    return *Regex::compile(pattern, Syntax::kPerl)->found_in(text, budget);
  };
  EXPECT_TRUE(found("(?x) a  b # comment", "xab"));
  EXPECT_TRUE(found(R"(^(\w+)\.(?1)$)", "ab.cd")) << "a call of a group";
  EXPECT_TRUE(found("", ""));
  EXPECT_TRUE(found("b*$", "aaa"));
  EXPECT_FALSE(found("b", ""));
  EXPECT_FALSE(found("^b", "ab"));
  EXPECT_TRUE(found("\u00e9$", "a\u00e9"));
  Budget budget(1);
  const Result<bool> endless = Regex::compile("(?0)a", Syntax::kPerl)->found_in("a", budget);
  ASSERT_FALSE(endless.ok());
  EXPECT_EQ(endless.error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(endless.error().message(), "regular expression '(?0)a' calls itself again before it has matched anything");
  for (const char* pattern : {"a(?", R"(a\C)", "a\xff", "a**("}) {
    const Result<Regex> regex = Regex::compile(pattern, Syntax::kPerl);
    ASSERT_FALSE(regex.ok()) << pattern;
    const std::string begin = "regular expression '" + std::string(pattern) + "', byte ";
    EXPECT_TRUE(regex.error().message().starts_with(begin)) << regex.error().message();
  }
}

}  // namespace
}  // namespace nwc::regex

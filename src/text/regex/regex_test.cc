// Expectations are what the `tokenizers` library (Oniguruma) finds.
#include "text/regex/regex.h"

#include <gtest/gtest.h>

#include "nwcodec/limits.h"

namespace nwc::text {
namespace {

using Strings = std::vector<std::string>;

// The matches, or the error.
Strings matches(std::string_view pattern, std::string_view text) {
  const Result<Regex> regex = Regex::compile(pattern);
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
  EXPECT_EQ(
      matches(
          R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
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

TEST(Regex, KnowsWhereLinesBeginAndEnd) {
  EXPECT_EQ(matches("(?m:.)+", "a\nb"), Strings{"a\nb"});
  EXPECT_EQ(matches(".+", "a\r\nb\u2028c"), (Strings{"a\r", "b\u2028c"}));
  EXPECT_EQ(matches("^.", "ab\ncd"), (Strings{"a", "c"}));
  EXPECT_EQ(matches(".$", "ab\ncd\n"), (Strings{"b", "d"}));
}

TEST(Regex, QuotesThePatternInErrors) {
  EXPECT_EQ(matches("a(", "x"), Strings{"error: regular expression 'a(', byte 2: a parenthesis is not closed"});
  EXPECT_EQ(matches("a{3,2}", "x"),
            Strings{"error: regular expression 'a{3,2}' is refused by PCRE2: numbers out of order in {} quantifier"});
  EXPECT_EQ(Regex::compile(std::string(limits::kMaxRegexPattern + 1, 'a')).error().code(), ErrorCode::kLimit);
}

TEST(Regex, GivesUpOnHostilePatterns) {
  const std::string text(100'000, 'a');
  for (const char* pattern : {"(a+)+b", "(a|aa)+$b", "a*a*b", "(?:a?){30}a{30}b"}) {
    const Strings found = matches(pattern, text);
    ASSERT_EQ(found.size(), 1u) << pattern;
    EXPECT_EQ(found[0], "error: regular expression '" + std::string(pattern) + "' backtracks too much on this text");
  }
}

TEST(Regex, BudgetCoversSeveralSearches) {
  const Result<Regex> slow = Regex::compile("(a|aa)+$b");
  ASSERT_TRUE(slow);
  const std::string text(25, 'a');  // some tenths of a second
  Budget budget(text.size());
  int searches = 0;
  while (searches < 10'000 && slow->find_all(text, budget)) ++searches;
  EXPECT_LT(searches, 10'000);
}

TEST(Regex, TakesLongRunsOfWhiteSpace) {
  const std::string text(400'000, ' ');
  EXPECT_EQ(matches(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", text), Strings{text});
}

}  // namespace
}  // namespace nwc::text

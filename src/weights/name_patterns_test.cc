#include "weights/name_patterns.h"

#include <gtest/gtest.h>
#include <time.h>

namespace nwc {
namespace {

bool matches(const std::string& pattern, const std::string& name) {
  const Result<NamePatterns> patterns = NamePatterns::compile("--include", {pattern});
  EXPECT_TRUE(patterns.ok()) << patterns.error().to_string();
  if (!patterns) return false;
  const Result<bool> match = patterns->match(name);
  EXPECT_TRUE(match.ok()) << match.error().to_string();
  return match && *match;
}

// What ECMAScript and Perl agree on, and what --help shows.
TEST(NamePatterns, AreSearchedInTheName) {
  const std::string name = "model.layers.10.self_attn.q_proj.weight";
  for (const char* pattern : {"", "q_proj", R"(\.q_proj\.)", R"(layers\.\d+\.)", R"(layers\.(9|1[0-2])\.)", "^model",
                              "weight$", R"((?i)SELF_attn)", R"([qkv]_proj)", R"(self_attn(?!.*bias))", R"(\bq_proj\b)",
                              "[[:digit:]]", R"(layers\.1\d\.)", R"(.*)", R"(\w+\.\w{6}\.)"}) {
    EXPECT_TRUE(matches(pattern, name)) << pattern;
  }
  for (const char* pattern : {"^layers", "model$", R"(layers\.1\.)", "Q_PROJ", R"(\bproj)", "lm_head", "^$"}) {
    EXPECT_FALSE(matches(pattern, name)) << pattern;
  }
}

TEST(NamePatterns, AnyOfThemMatches) {
  const Result<NamePatterns> patterns = NamePatterns::compile("--include", {"a", "b"});
  ASSERT_TRUE(patterns.ok());
  EXPECT_TRUE(*patterns->match("xb"));
  EXPECT_TRUE(*patterns->match("ax"));
  EXPECT_FALSE(*patterns->match("x"));
  EXPECT_FALSE(*patterns->match(""));
  EXPECT_FALSE(*NamePatterns().match("a"));
}

// What follows "byte" is PCRE2's, and differs a little with its version.
TEST(NamePatterns, RefusesWhatIsNoPatternWithItsPlace) {
  for (const char* pattern : {"(", "*", "[z-a]", "a{2,1}", "[", "a)", "\xff", "\\C"}) {
    const Result<NamePatterns> patterns = NamePatterns::compile("--exclude", {"a", pattern});
    ASSERT_FALSE(patterns.ok()) << pattern;
    EXPECT_EQ(patterns.error().code(), ErrorCode::kInvalidArgument);
    const std::string begin = "--exclude: regular expression '" + std::string(pattern) + "', byte ";
    const std::string& message = patterns.error().message();
    ASSERT_TRUE(message.starts_with(begin)) << message;
    EXPECT_LE(std::stoul(message.substr(begin.size())), std::string(pattern).size()) << message;
    EXPECT_GT(message.size(), begin.size() + 10) << message;
  }
}

// std::regex did not come back from these.
TEST(NamePatterns, APatternWithoutEndIsBoundedAndNamed) {
  const std::string name = "model.layers.0." + std::string(40, 'a') + ".weight";
  for (const char* pattern :
       {"(a+)+$b", "(a|aa)+$b", "(a*)*b", "(?:a?){40}a{40}b", "(*LIMIT_MATCH=4000000000)(a+)+$b", "(?:[^b]{0,2})+<"}) {
    timespec before{}, after{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    const Result<bool> match = NamePatterns::compile("--exclude", {pattern})->match(name);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    ASSERT_FALSE(match.ok()) << pattern;
    EXPECT_EQ(match.error().to_string(), "tensor '" + name + "': --exclude: regular expression '" + pattern +
                                             "' backtracks too much on this text; write the pattern without "
                                             "repetitions of repetitions");
    EXPECT_LT(after.tv_sec - before.tv_sec, 2) << pattern;
  }
}

}  // namespace
}  // namespace nwc

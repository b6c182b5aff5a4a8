// No pattern takes long, whatever it is: each of the limits ends what it is there for.
#include <gtest/gtest.h>
#include <time.h>

#include "nwcodec/limits.h"
#include "regex/regex.h"

namespace nwc::regex {
namespace {

// "N matches" or the end of the error's message; and the processor time that it took.
struct Outcome {
  std::string what;
  double seconds;
};

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Outcome search(const std::string& pattern, const std::string& text) {
  const Result<Regex> regex = Regex::compile(pattern, Syntax::kOniguruma);
  if (!regex) return {regex.error().to_string(), 0};
  const double start = thread_seconds();
  Budget budget(text.size());
  const Result<std::vector<Range>> found = regex->find_all(text, budget);
  const double seconds = thread_seconds() - start;
  if (found) return {std::to_string(found->size()) + " matches", seconds};
  EXPECT_EQ(found.error().code(), ErrorCode::kLimit);
  const std::string begin = "regular expression '" + pattern + "' ";
  if (!found.error().message().starts_with(begin)) return {found.error().message(), seconds};
  return {found.error().message().substr(begin.size()), seconds};
}

const std::string kTooManySteps = "backtracks too much on this text";
const std::string kTooLong = "takes too long on this text";

// Repetitions of what is repeated already, or may be empty: there are too many ways to read a run of letters. The last
// one is from an input that kept the fuzz target of tokenizers busy for six seconds.
TEST(RegexLimits, StepsEndBacktracking) {
  for (const char* pattern :
       {"(a+)+b", "(a|aa)+$b", "(a*)*b", "(?:a?){30}a{30}b", "a{,2}+b", R"([a-z&&[^\(Wb]]{,2}+<0x96>|(m(])]?+),)"}) {
    for (const size_t size : {40, 20'000}) {
      const Outcome outcome = search(pattern, std::string(size, 'a'));
      EXPECT_EQ(outcome.what, kTooManySteps) << pattern << " on " << size;
      EXPECT_LT(outcome.seconds, 1) << pattern << " on " << size;
    }
  }
  for (const char* pattern : {"(|a)+b", "(a?b?)*c"}) {  // the square of the length
    EXPECT_EQ(search(pattern, std::string(40, 'a')).what, "0 matches") << pattern;
    EXPECT_EQ(search(pattern, std::string(20'000, 'a')).what, kTooManySteps) << pattern;
  }
}

TEST(RegexLimits, StepsAreOfTheWholeText) {
  const Result<Regex> slow = Regex::compile("(a|aa)+$b", Syntax::kOniguruma);
  ASSERT_TRUE(slow);
  const std::string text(18, 'a');
  Budget budget(text.size());
  int searches = 0;
  while (searches < 10'000 && slow->find_all(text, budget)) ++searches;
  EXPECT_GT(searches, 1);
  EXPECT_LT(searches, 10'000);
}

// Few steps, but each runs to the end of the text.
TEST(RegexLimits, TimeEndsLongSteps) {
  const std::string text(150'000, 'a');
  const double bound = limits::kMaxRegexSeconds + static_cast<double>(text.size() >> 18) + 1;
  for (const char* pattern : {"a*+b", "(?:(?=a*+)a){100}b"}) {
    const Outcome outcome = search(pattern, text);
    EXPECT_EQ(outcome.what, kTooLong) << pattern;
    EXPECT_LT(outcome.seconds, bound + 2) << pattern;
  }
}

TEST(RegexLimits, DepthEndsOpenChoices) {
  EXPECT_EQ(search("(?:a|b)*c", std::string(limits::kMaxRegexDepth + 100, 'a')).what,
            "leaves too many choices open on this text");
}

TEST(RegexLimits, MemoryEndsLargeChoices) {
  std::string pattern;
  for (int i = 0; i < 90; ++i) pattern += "()";  // a choice remembers all groups
  EXPECT_EQ(search(pattern + "(?:a|b)*c", std::string(limits::kMaxRegexDepth / 2, 'a')).what,
            "takes too much memory on this text");
}

TEST(RegexLimits, PatternsAreBounded) {
  const auto code = [](const std::string& pattern) {
    return Regex::compile(pattern, Syntax::kOniguruma).error().code();
  };
  EXPECT_EQ(code(std::string(limits::kMaxRegexPattern + 1, 'a')), ErrorCode::kLimit);
  EXPECT_EQ(code(std::string(1000, '[')), ErrorCode::kLimit);
  EXPECT_EQ(code(std::string(5000, '(') + std::string(5000, ')')), ErrorCode::kUnsupported);
  EXPECT_EQ(code("(?:(?:(?:a{1000}){1000}){1000}){1000}"), ErrorCode::kUnsupported);
  EXPECT_TRUE(Regex::compile("x" + std::string(limits::kMaxRegexPattern - 1, '*'), Syntax::kOniguruma).error().code() !=
              ErrorCode::kInternal);
}

TEST(RegexLimits, LongRunsOfWhiteSpacePass) {
  EXPECT_EQ(search(R"(\s*[\r\n]+|\s+(?!\S)|\s+)", std::string(400'000, ' ')).what, "1 matches");
}

// The patterns of tokenizers in use, on runs that make them backtrack.
TEST(RegexLimits, TokenizersPass) {
  const char* const llama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
                             R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const char* const gpt4o =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  for (const char* pattern : {llama3, gpt4o}) {
    for (const std::string& unit : {std::string("\n"), std::string("A"), std::string("a"), std::string("\u4e2d"),
                                    std::string("="), std::string("7"), std::string("  \n "), std::string("Aa 1.\t")}) {
      std::string text;
      while (text.size() < 100'000) text += unit;
      const Outcome outcome = search(pattern, text + "x");
      EXPECT_TRUE(outcome.what.ends_with(" matches")) << unit << ": " << outcome.what;
    }
  }
}

}  // namespace
}  // namespace nwc::regex

#include "regex/oniguruma.h"

#include <gtest/gtest.h>

#include "regex/property_members.h"

namespace nwc::regex {
namespace {

// With sets by their names again, which are written out where PCRE2 knows another version of Unicode.
std::string translated(std::string_view pattern) {
  const Result<Translation> result = oniguruma_to_pcre2(pattern);
  if (!result) return "error: " + result.error().message();
  std::string text = result->pattern;
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (size_t at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
  };
  for (const char* name : {"alphabetic", "uppercase", "whitespace", "emoji", "script:han", "script:latn", "Lu", "Ll",
                           "Nd", "Pc", "L", "M", "N", "P", "S"}) {
    const std::string item = "\\p{" + std::string(name) + "}";
    const std::string_view plain = std::string_view(name).substr(std::string_view(name).find(':') + 1);
    replace(plain.size() <= 2 ? category_members(plain) : *property_members(plain), item);
    replace("[" + item + "]", item);
    replace("[^" + item + "]", "\\P{" + std::string(name) + "}");
  }
  return text;
}

TEST(Oniguruma, LeavesTheCommonCoreAlone) {
  for (const char* pattern :
       {"abc", "a|b", "a*b+c?", "a*?b+?c??", "a*+b++c?+", "(?:a)(b)(?=c)(?!d)(?<=e)(?<!f)(?>g)", "^a$", ".",
        "a{2}b{2,}c{2,3}", "[abc]", "[^a-z0-9]", "(?<n>a)\\k<n>", "(?i:a)", "\\p{L}+\\P{N}", "\\A\\z\\Z\\R"}) {
    EXPECT_EQ(translated(pattern), pattern);
  }
}

TEST(Oniguruma, WritesSetsOut) {
  EXPECT_EQ(translated(R"(\s\S\d\D)"), R"(\p{whitespace}\P{whitespace}\p{Nd}\P{Nd})");
  EXPECT_EQ(translated(R"(\h\H)"), "[0-9A-Fa-f][^0-9A-Fa-f]");
  EXPECT_EQ(translated(R"([\s\w\-x])"), R"([\p{whitespace}\p{alphabetic}\p{M}\p{Nd}\p{Pc}\-x])");
  EXPECT_EQ(translated(R"([[:punct:]a])"), R"([\p{P}\p{S}a])");
  EXPECT_EQ(translated(R"(\p{punct})"), R"(\p{P})");
  EXPECT_EQ(translated(R"(\p{Letter}\p{^lowercase_letter})"), R"(\p{L}\P{Ll})");
  EXPECT_EQ(translated(R"(\p{Han}\p{Latn})"), R"(\p{script:han}\p{script:latn})");
  EXPECT_EQ(translated(R"(\p{Emoji})"), R"(\p{emoji})");
}

TEST(Oniguruma, FlattensAndIntersectsClasses) {
  EXPECT_EQ(translated("[a[bc]d]"), "[abcd]");
  EXPECT_EQ(translated("[^(a|[.,])]+"), R"([^\x{28}a\x{7c}\x{2e}\x{2c}\x{29}]+)");
  EXPECT_EQ(translated("[a[^b]]"), "(?:(?:[a]|[^b]))");
  EXPECT_EQ(translated("[a-z&&[^b]]"), "(?:(?=[a-z])(?:[^b]))");
  EXPECT_EQ(translated(R"([^\W])"), R"((?:(?!(?:[^\p{alphabetic}\p{M}\p{Nd}\p{Pc}]))(?s:.)))");
  EXPECT_EQ(translated("[]a]"), R"([\x{5d}a])");
  EXPECT_EQ(translated("[a-]"), R"([a\x{2d}])");
}

TEST(Oniguruma, MapsQuantifiers) {
  EXPECT_EQ(translated("a{,3}"), "a{0,3}");
  EXPECT_EQ(translated("a{2}?"), "(?:a{2})?");
  EXPECT_EQ(translated("a{1,2}?"), "a{1,2}?");
  EXPECT_EQ(translated("a{1,2}+"), "(?:a{1,2})+");
  EXPECT_EQ(translated("x(ab)**"), "x(?:(ab)*)*");
  EXPECT_EQ(translated("a{b"), "a\\{b");
}

TEST(Oniguruma, MapsOptionsEscapesAndComments) {
  EXPECT_EQ(translated("(?m:.)(?i-m:a)"), "(?s:.)(?i-s:a)");
  EXPECT_EQ(translated("x(?i)a|b"), "x(?i:a|b)");
  EXPECT_EQ(translated("(a(?i)b|c)d"), "(a(?i:b|c))d");
  EXPECT_EQ(translated(R"(\v\t\u00e9\x41\x{1F600}\012)"), R"(\x{b}\x{9}\x{e9}\x{41}\x{1f600}\x{a})");
  EXPECT_EQ(translated(R"(a(?#no\) thing)b)"), "ab");
  EXPECT_EQ(translated("]}"), "\\]\\}");
}

TEST(Oniguruma, CaseLeavesPropertiesAlone) {
  EXPECT_EQ(translated(R"((?i:\p{Lu}a)\p{Lu})"), R"((?i:(?-i:\p{Lu})a)\p{Lu})");
  EXPECT_EQ(translated(R"((?i)\P{Upper}\p{L})"), R"((?i:(?-i:\P{uppercase})\p{L}))");
}

TEST(Oniguruma, RemembersWhereItCameFrom) {
  SourceMap source;
  source.add(0, 0);
  source.add(4, 1);
  source.add(6, 3);
  source.insert(4, 3);  // [0, 4) from 0; [4, 9) from 1; from 9 on 3
  const size_t origins[] = {0, 0, 0, 0, 1, 1, 1, 1, 1, 3, 3};
  for (size_t i = 0; i < std::size(origins); ++i) EXPECT_EQ(source.origin(i), origins[i]) << i;
}

TEST(Oniguruma, RefusesByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(a\K)", "error: byte 1: '\\K' is not supported"},
      {R"(\G)", "error: byte 0: '\\G' is not supported"},
      {R"(\X)", "error: byte 0: '\\X' is not supported"},
      {R"(\g<1>(a))", "error: byte 0: '\\g' is not supported"},
      {"(?~a)", "error: byte 0: '(?~' is not supported"},
      {"(?(1)a)", "error: byte 0: '(?(' is not supported"},
      {"(?x)a", "error: byte 0: '(?x' is not supported"},
      {"(*ACCEPT)", "error: byte 0: '(*' is not supported"},
      {R"(\xE3)", "error: byte 0: a raw byte is not supported"},
      {R"(\p{Klingon})", "error: byte 0: the character set 'Klingon' is not supported"},
      {R"((?i)[\p{Lu}])", "error: byte 5: '\\p{Lu}' in a class that ignores case is not supported"},
  };
  for (const auto& [pattern, message] : cases) {
    EXPECT_EQ(translated(pattern), message);
    EXPECT_EQ(oniguruma_to_pcre2(pattern).error().code(), ErrorCode::kUnsupported) << pattern;
  }
}

TEST(Oniguruma, RefusesMistakes) {
  const std::pair<const char*, const char*> cases[] = {
      {"(a", "error: byte 2: a parenthesis is not closed"},
      {"a)", "error: byte 1: a closing parenthesis has no opening one"},
      {"[a", "error: byte 2: a character class is not closed"},
      {"a|*", "error: byte 3: there is nothing to repeat"},
      {"a\\", "error: byte 1: it ends in a backslash"},
      {"(?i", "error: byte 0: options are not closed"},
      {R"(\x{110000})", "error: byte 0: a \\x{...} escape is not one code point"},
  };
  for (const auto& [pattern, message] : cases) {
    EXPECT_EQ(translated(pattern), message);
    EXPECT_EQ(oniguruma_to_pcre2(pattern).error().code(), ErrorCode::kCorrupt) << pattern;
  }
  EXPECT_EQ(oniguruma_to_pcre2(std::string(1000, '[')).error().code(), ErrorCode::kLimit);
}

}  // namespace
}  // namespace nwc::regex

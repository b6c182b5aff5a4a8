#include "text/stages/added_tokens.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

AddedToken token(std::string content, int32_t id) { return {std::move(content), id, false, false, false, false, true}; }

// The parts as "text" and "<id>text", joined by '/'.
std::string parts(const std::vector<AddedToken>& tokens, std::string_view text) {
  AddedTokenFinder finder;
  for (const AddedToken& t : tokens) finder.add(t.content, t);
  finder.prepare();
  std::string all;
  for (const AddedTokenFinder::Part& part : finder.find(text)) {
    all += all.empty() ? "" : "/";
    if (part.id) all += "<" + std::to_string(*part.id) + ">";
    all += text.substr(part.begin, part.end - part.begin);
  }
  return all;
}

TEST(AddedTokens, SplitTheText) {
  EXPECT_EQ(parts({token("[A]", 1), token("[B]", 2)}, "x[A]y[B][A]"), "x/<1>[A]/y/<2>[B]/<1>[A]");
  EXPECT_EQ(parts({token("[A]", 1)}, ""), "");
  EXPECT_EQ(parts({}, "abc"), "abc");
}

TEST(AddedTokens, TheLongestWinsThenTheLeftmost) {
  const std::vector<AddedToken> tokens = {token("a", 1), token("ab", 2), token("abcd", 3), token("bcx", 4)};
  EXPECT_EQ(parts(tokens, "abcd"), "<3>abcd");
  EXPECT_EQ(parts(tokens, "abc"), "<2>ab/c");
  EXPECT_EQ(parts(tokens, "abcx"), "<2>ab/cx");
  EXPECT_EQ(parts(tokens, "bcxa"), "<4>bcx/<1>a");
}

TEST(AddedTokens, OfEqualContentsTheFirstCounts) { EXPECT_EQ(parts({token("x", 5), token("x", 6)}, "x"), "<5>x"); }

TEST(AddedTokens, TakeWhiteSpaceAlong) {
  AddedToken left = token("L", 1), right = token("R", 2);
  left.lstrip = true;
  right.rstrip = true;
  EXPECT_EQ(parts({left, right}, "a \u3000L b R \n c"), "a/<1> \u3000L/ b /<2>R \n /c");
  EXPECT_EQ(parts({left, right}, "R  L"), "<2>R  /<1>L");  // space that another token took stays there
}

TEST(AddedTokens, SingleWordsStandAlone) {
  AddedToken word = token("WORD", 1);
  word.single_word = true;
  EXPECT_EQ(parts({word}, "WORD aWORD WORDs (WORD) \u00e9WORD WORD"),
            "<1>WORD/ aWORD WORDs (/<1>WORD/) \u00e9WORD /<1>WORD");
}

TEST(AddedTokens, AreReadInTheirOrder) {
  const Result<std::vector<AddedToken>> tokens =
      read_added_tokens(Json::parse(R"([{"id":9,"content":"plain","special":false},)"
                                    R"({"id":7,"content":"<s>","special":true,"lstrip":true,"normalized":true}])"));
  ASSERT_TRUE(tokens);
  ASSERT_EQ(tokens->size(), 2u);
  EXPECT_EQ((*tokens)[1].content, "<s>");
  EXPECT_EQ((*tokens)[1].id, 7);
  EXPECT_TRUE((*tokens)[1].lstrip);
  EXPECT_TRUE((*tokens)[1].normalized);
  EXPECT_TRUE((*tokens)[0].normalized);  // the default for tokens that are not special
  EXPECT_FALSE((*tokens)[0].single_word);
}

TEST(AddedTokens, AreChecked) {
  const auto error_of = [](std::string_view json) { return read_added_tokens(Json::parse(json)).error().to_string(); };
  EXPECT_EQ(error_of("{}"), "added_tokens is not an array");
  EXPECT_EQ(error_of(R"([{"id":1}])"), "added_tokens[0]: 'content' is missing");
  EXPECT_EQ(error_of(R"([{"id":16777216,"content":"a"}])"),
            "added_tokens[0].id: token id 16777216 is not below the limit of 16777216");
  EXPECT_EQ(error_of(R"([{"id":1,"content":")" + std::string(1025, 'x') + R"("}])"),
            "added_tokens[0]: 'content' is longer than 1024 bytes");
}

}  // namespace
}  // namespace nwc::text

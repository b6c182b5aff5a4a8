// Expectations are what the `tokenizers` library gives.
#include "text/stages/pre_tokenizer.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

using Strings = std::vector<std::string>;

Strings words(std::string_view json, std::string text, bool at_start = true) {
  const Result<std::unique_ptr<PreTokenizer>> pre_tokenizer = make_pre_tokenizer(Json::parse(json));
  if (!pre_tokenizer) return {"error: " + pre_tokenizer.error().to_string()};
  Budget budget(text.size());
  std::vector<Piece> pieces;
  if (const Status done = (*pre_tokenizer)->split({std::move(text), at_start}, budget, pieces); !done) {
    return {"error: " + done.error().to_string()};
  }
  Strings texts;
  for (const Piece& piece : pieces) texts.push_back(piece.text);
  return texts;
}

TEST(PreTokenizer, WritesBytesAsCharacters) {
  EXPECT_EQ(words(R"({"type":"ByteLevel","add_prefix_space":false})", "Hey you\u00e9\n"),
            (Strings{"Hey", "\u0120you\u00c3\u00a9", "\u010a"}));
  EXPECT_EQ(words(R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":true})", "a b"),
            (Strings{"\u0120a", "\u0120b"}));
  EXPECT_EQ(words(R"({"type":"ByteLevel","add_prefix_space":true,"use_regex":false})", "a b"),
            Strings{"\u0120a\u0120b"});
}

TEST(PreTokenizer, SplitsAtMetaspace) {
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"\u2581","add_prefix_space":true})", "Hey  you"),
            (Strings{"\u2581Hey", "\u2581", "\u2581you"}));
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"_","add_prefix_space":false})", "Hey you"),
            (Strings{"Hey", "_you"}));
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false})", "a b"),
            Strings{"_a_b"});
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":false})", "a b", false),
            Strings{"a_b"});
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"always","split":false})", "a b", false),
            Strings{"_a_b"});
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"_","prepend_scheme":"never"})", " a"), Strings{"_a"});
}

TEST(PreTokenizer, SplitsAtPatterns) {
  EXPECT_EQ(
      words(R"({"type":"Split","pattern":{"String":" "},"behavior":"MergedWithPrevious","invert":false})", "a b "),
      (Strings{"a ", "b "}));
  EXPECT_EQ(words(R"({"type":"Split","pattern":{"Regex":"\\d"},"behavior":"Removed","invert":true})", "a1b23"),
            (Strings{"1", "2", "3"}));
}

TEST(PreTokenizer, SplitsAtKindsOfCharacters) {
  EXPECT_EQ(words(R"({"type":"Digits","individual_digits":true})", "a12\u00b2"), (Strings{"a", "1", "2", "\u00b2"}));
  EXPECT_EQ(words(R"({"type":"Digits","individual_digits":false})", "a12b"), (Strings{"a", "12", "b"}));
  EXPECT_EQ(words(R"({"type":"Punctuation"})", "a,.b$"), (Strings{"a", ",", ".", "b", "$"}));
  EXPECT_EQ(words(R"({"type":"Punctuation","behavior":"Contiguous"})", "a,.b$"), (Strings{"a", ",.", "b", "$"}));
  EXPECT_EQ(words(R"({"type":"WhitespaceSplit"})", " a,b \n c"), (Strings{"a,b", "c"}));
  EXPECT_EQ(words(R"({"type":"Whitespace"})", " a,.b \n c_1"), (Strings{"a", ",.", "b", "c_1"}));
}

TEST(PreTokenizer, RunsASequence) {
  EXPECT_EQ(words(R"({"type":"Sequence","pretokenizers":[{"type":"Digits","individual_digits":true},)"
                  R"({"type":"ByteLevel","add_prefix_space":true}]})",
                  "a1"),
            (Strings{"\u0120a", "\u01201"}));
  EXPECT_EQ(words(R"({"type":"Sequence","pretokenizers":[]})", "a b"), Strings{"a b"});
}

TEST(PreTokenizer, SplitsAsBert) {
  EXPECT_EQ(words(R"({"type":"BertPreTokenizer"})", "Hey, you! $5\u3002 x"),
            (Strings{"Hey", ",", "you", "!", "$", "5", "\u3002", "x"}));
  EXPECT_EQ(words(R"({"type":"CharDelimiterSplit","delimiter":"|"})", "|a||b c"), (Strings{"a", "b c"}));
  EXPECT_EQ(words(R"({"type":"FixedLength","length":2})", "a\u00e9bcd"), (Strings{"a\u00e9", "bc", "d"}));
}

TEST(PreTokenizer, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(words(R"({"type":"UnicodeScripts"})", "a"),
            Strings{"error: pre_tokenizer: type 'UnicodeScripts' is not supported; supported are: Sequence, "
                    "ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, "
                    "CharDelimiterSplit, FixedLength"});
  EXPECT_EQ(words(R"({"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"})", "a"),
            Strings{"error: pre_tokenizer.pattern: regular expression '(', byte 1: a parenthesis is not closed"});
  EXPECT_EQ(words(R"({"type":"Split","pattern":{"String":"a"},"behavior":"isolated"})", "a"),
            Strings{"error: pre_tokenizer: behavior 'isolated' is not known"});
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"_","add_prefix_space":false,"prepend_scheme":"always"})", "a"),
            Strings{"error: pre_tokenizer: 'add_prefix_space' is false, but 'prepend_scheme' is 'always'"});
  EXPECT_EQ(words(R"({"type":"Metaspace","replacement":"__"})", "a"),
            Strings{"error: pre_tokenizer: 'replacement' is not one character"});
}

TEST(PreTokenizer, RefusesToBlowTextUp) {
  std::string json =
      R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  for (int i = 0; i < 60; ++i) json += R"(,{"type":"ByteLevel","add_prefix_space":false,"use_regex":false})";
  EXPECT_EQ(words(json + "]}", "\u00e9"), Strings{"error: the pre_tokenizer lengthens the text beyond 65600 bytes"});
}

}  // namespace
}  // namespace nwc::text

#include "text/unreadable.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace nwc {
namespace {

using Ids = std::vector<int32_t>;

// Byte fallback: a, e with an acute accent, "<0xC3>", "<0x9F>" and "<0x41>" as bytes, "<0xZZ>" as an ordinary token.
constexpr char kFallback[] = R"({"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":null,
  "post_processor":null,
  "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"}]},
  "model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>",
           "vocab":{"<unk>":0,"a":1,"\u00e9":2,"<0xC3>":3,"<0x9F>":4,"<0x41>":5,"<0xZZ>":6},"merges":[]}})";

TEST(UnreadableShare, CountsTheUnknownTokenAndBytesOfFallback) {
  const Tokenizer tokenizer = *Tokenizer::parse(kFallback, "fallback");
  EXPECT_EQ(tokenizer.unknown_id(), 0);
  EXPECT_EQ(unreadable_share(tokenizer, *tokenizer.encode("a\u00e9a\u00e9", false)), 0);
  EXPECT_EQ(*tokenizer.encode("a\u00df", false), (Ids{1, 3, 4}));  // sharp s, by its bytes
  EXPECT_DOUBLE_EQ(unreadable_share(tokenizer, *tokenizer.encode("a\u00df", false)), 2.0 / 3);
  EXPECT_EQ(*tokenizer.encode("x", false), Ids{0});
  EXPECT_EQ(unreadable_share(tokenizer, Ids{0, 1, 1, 1}), 0.25);
  EXPECT_EQ(unreadable_share(tokenizer, Ids{5, 6}), 0.5) << "<0x41> is a byte, <0xZZ> is not";
  EXPECT_EQ(unreadable_share(tokenizer, Ids{}), 0);
}

TEST(UnreadableShare, CountsPiecesOfCharactersOfByteLevelTokens) {
  const Result<Tokenizer> opened = Tokenizer::open(NWC_SOURCE_DIR "/models/demo/tokenizer.json");
  ASSERT_TRUE(opened) << opened.error().to_string();
  const Tokenizer& tokenizer = *opened;
  EXPECT_EQ(tokenizer.unknown_id(), std::nullopt);
  const auto share = [&](const std::string& text) {
    return unreadable_share(tokenizer, *tokenizer.encode(text, true));
  };
  EXPECT_EQ(share("Plain English, with numbers (1 and 2), symbols { } ~ | and\tlines\r\n."), 0);
  EXPECT_EQ(share("caf\u00e9"), 0) << "a character that has a token of its own";
  // Chinese and Armenian, of which this vocabulary of English has single bytes only.
  EXPECT_GT(share("\u4f60\u597d\u4e16\u754c"), 0.9);
  EXPECT_GT(share("\u0540\u0561\u0575\u0561\u057d\u057f\u0561\u0576"), 0.9);
  // Mixed with English: less than half.
  EXPECT_LT(share("An English sentence with one character, \u4f60, among many words."), kMostlyUnreadable);
  // Encodings that are not UTF-8: UTF-16 of English, Latin-1 of many accents.
  std::string utf16 = "\xFF\xFE";
  for (const char c : std::string("Some English text")) utf16 += {c, '\0'};
  EXPECT_GT(share(utf16), kMostlyUnreadable);
  EXPECT_GT(share("\xE4\xF6\xFC\xDF\xE9"), 0.9);
}

// Words that are not in the vocabulary, of a model without bytes.
TEST(UnreadableShare, CountsUnknownWords) {
  const Tokenizer tokenizer = *Tokenizer::parse(
      R"({"version":"1.0","added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"WhitespaceSplit"},
          "post_processor":null,"decoder":null,
          "model":{"type":"WordLevel","vocab":{"[UNK]":7,"one":1,"two":2},"unk_token":"[UNK]"}})",
      "words");
  EXPECT_EQ(tokenizer.unknown_id(), 7);
  EXPECT_EQ(unreadable_share(tokenizer, *tokenizer.encode("one two drei vier", false)), 0.5);
}

}  // namespace
}  // namespace nwc

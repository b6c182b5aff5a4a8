#include "zeroshot/pair_tokens.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace nwc {
namespace {

// Words, in pieces that begin with their space; "<s>" (0) before every text.
Tokenizer words(bool begins = true) {
  const std::string processor = begins ? R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}})"
                                       : "null";
  const std::string json = R"({"version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true},
                     {"id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "normalizer": null,
    "pre_tokenizer": {"type": "Split", "pattern": {"Regex": " ?[^ ]+| +"}, "behavior": "Isolated", "invert": false},
    "post_processor": )" + processor +
                           R"(, "decoder": null,
    "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"<s>": 0, "</s>": 1, "?": 2, "one": 3, " one": 4,
      "two": 5, " two": 6, " ": 7, "  ": 8, "\n": 9, "one\n": 10, " three": 11}}})";
  Result<Tokenizer> tokenizer = Tokenizer::parse(json, "words");
  if (!tokenizer) throw std::runtime_error(tokenizer.error().to_string());
  return *std::move(tokenizer);
}

const PrefixToken kBegin{0, "<s>"};

TEST(EncodePairTest, TheContextsTokensAreCutOffTheWhole) {
  const Tokenizer tokenizer = words();
  const Result<ScoredTokens> scored = encode_pair(tokenizer, kBegin, "one two", " three");
  ASSERT_TRUE(scored) << scored.error().to_string();
  EXPECT_EQ(scored->tokens, (std::vector<int32_t>{0, 3, 6, 11}));
  EXPECT_EQ(scored->scored_from, 3u);
}

TEST(EncodePairTest, SpacesMoveToTheContinuation) {
  const Tokenizer tokenizer = words();
  // "one" | "  two": the second space belongs to the word.
  const Result<ScoredTokens> scored = encode_pair(tokenizer, kBegin, "one ", " two");
  ASSERT_TRUE(scored) << scored.error().to_string();
  EXPECT_EQ(scored->tokens, (std::vector<int32_t>{0, 3, 8, 5}));
  EXPECT_EQ(scored->scored_from, 2u);
  // A space of Unicode, and a line break.
  EXPECT_EQ(encode_pair(tokenizer, kBegin, "one\u3000\n", " two")->scored_from, 2u);
}

TEST(EncodePairTest, ATokenAcrossTheBorderIsTheWholes) {
  // The whole is "onetwo" (?), which has no more tokens than the context "one".
  const Tokenizer tokenizer = words();
  const Result<ScoredTokens> none = encode_pair(tokenizer, kBegin, "one", "two");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message(), "the choice has no token of its own behind the context's");
  // "onetwo", " one": the context stays as it is alone.
  const Result<ScoredTokens> scored = encode_pair(tokenizer, kBegin, "one", "two one");
  ASSERT_TRUE(scored) << scored.error().to_string();
  EXPECT_EQ(scored->tokens, (std::vector<int32_t>{0, 3, 4}));
}

TEST(EncodePairTest, ATextThatBeginsWithTheTokenGetsNoOther) {
  const Tokenizer tokenizer = words();
  EXPECT_EQ(encode_pair(tokenizer, kBegin, "<s>one", " two")->tokens, (std::vector<int32_t>{0, 3, 6}));
  EXPECT_EQ(encode_pair(tokenizer, {}, "<s>one", " two")->tokens, (std::vector<int32_t>{0, 0, 3, 6}));
}

TEST(EncodePairTest, AnEmptyContextIsThePrefixToken) {
  const Tokenizer tokenizer = words();
  const Result<ScoredTokens> scored = encode_pair(tokenizer, {1, "</s>"}, "", " one two");
  ASSERT_TRUE(scored) << scored.error().to_string();
  EXPECT_EQ(scored->tokens, (std::vector<int32_t>{1, 4, 6}));
  EXPECT_EQ(scored->scored_from, 1u);
  EXPECT_EQ(encode_pair(tokenizer, kBegin, "", "<s> one two")->tokens, (std::vector<int32_t>{0, 4, 6}));
  EXPECT_EQ(encode_pair(tokenizer, {}, "", " one").error().message(),
            "the context is empty, and the tokenizer has neither bos_token nor eos_token");
}

TEST(PrefixTokenTest, ComesFromTheTokenizersConfig) {
  const Tokenizer tokenizer = words();
  const testing::TempDir dir;
  EXPECT_FALSE(prefix_token_of(dir.path(), tokenizer)->id.has_value());
  dir.add("special_tokens_map.json", R"({"eos_token": {"content": "</s>"}})");
  EXPECT_EQ(prefix_token_of(dir.path(), tokenizer)->id, 1);
  dir.add("tokenizer_config.json", R"({"bos_token": null, "eos_token": "absent"})");
  EXPECT_FALSE(prefix_token_of(dir.path(), tokenizer)->id.has_value());
  dir.add("tokenizer_config.json", R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>"})");
  EXPECT_EQ(prefix_token_of(dir.path(), tokenizer)->id, 0);
  EXPECT_EQ(prefix_token_of(dir.path(), tokenizer)->text, "<s>");
  dir.add("tokenizer_config.json", "{");
  const Result<PrefixToken> broken = prefix_token_of(dir.path(), tokenizer);
  ASSERT_FALSE(broken);
  EXPECT_NE(broken.error().to_string().find("tokenizer_config.json: byte"), std::string::npos);
}

TEST(TruncateLeftTest, KeepsTheScoredTokens) {
  ScoredTokens scored{{1, 2, 3, 4, 5, 6}, 4};
  EXPECT_EQ(*truncate_left(scored, 5), 0);
  EXPECT_EQ(*truncate_left(scored, 3), 2);
  EXPECT_EQ(scored.tokens, (std::vector<int32_t>{3, 4, 5, 6}));
  EXPECT_EQ(scored.scored_from, 2u);
  EXPECT_EQ(*truncate_left(scored, 2), 1);
  EXPECT_EQ(scored.scored_from, 1u);
  EXPECT_EQ(truncate_left(scored, 1).error().message(),
            "the choice has 2 tokens, more than the 1 that the model was made for");
}

}  // namespace
}  // namespace nwc

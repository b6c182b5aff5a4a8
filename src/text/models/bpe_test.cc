// Expectations are what the `tokenizers` library gives.
#include "text/models/bpe.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

using Ids = std::vector<int32_t>;

Ids encoded(std::string_view json, std::string_view word) {
  const Result<Bpe> bpe = Bpe::from_json(Json::parse(json));
  EXPECT_TRUE(bpe) << bpe.error().to_string();
  WordCache cache;
  Budget budget(word.size());
  Ids ids, again;
  EXPECT_TRUE(bpe->encode(word, budget, cache, ids));
  EXPECT_TRUE(bpe->encode(word, budget, cache, again));
  EXPECT_EQ(ids, again) << "from the cache";
  return ids;
}

std::string error_of(std::string_view json) {
  const Result<Bpe> bpe = Bpe::from_json(Json::parse(json));
  return bpe ? "no error" : bpe.error().to_string();
}

TEST(Bpe, MergesByRankThenFromTheLeft) {
  const char* model =
      R"({"type":"BPE","vocab":{"a":0,"b":1,"c":2,"ab":3,"bc":4,"aa":5,"abc":6},"merges":["b c","a b","a a","a bc"]})";
  EXPECT_EQ(encoded(model, "abc"), Ids{6});       // bc first, then a + bc
  EXPECT_EQ(encoded(model, "aab"), (Ids{0, 3}));  // "a b" before "a a"
  EXPECT_EQ(encoded(model, "aaa"), (Ids{5, 0}));
  EXPECT_EQ(encoded(model, "aaaa"), (Ids{5, 5}));
  EXPECT_EQ(encoded(model, ""), Ids{});
}

TEST(Bpe, ReadsMergesAsPairsAndSkipsTheVersionLine) {
  EXPECT_EQ(encoded(R"({"vocab":{"a":0," ":1,"a ":2},"merges":[["a"," "]]})", "a a"), (Ids{2, 0}));
  EXPECT_EQ(encoded(R"({"vocab":{"a":0,"b":1,"ab":2},"merges":["#version: 0.2","a b"]})", "ab"), Ids{2});
}

TEST(Bpe, FallsBackToBytesWithUnknownsBehind) {
  const auto model = [](const char* fuse) {
    return std::string(R"({"vocab":{"?":0,"a":1,"<0xC3>":2,"<0xA9>":3,"b":4},"merges":[],)"
                       R"("unk_token":"?","byte_fallback":true,"fuse_unk":)") +
           fuse + "}";
  };
  EXPECT_EQ(encoded(model("false"), "zz\u00e9a"), (Ids{0, 2, 3, 0, 1}));
  EXPECT_EQ(encoded(model("false"), "az\u00e9bz"), (Ids{1, 2, 3, 0, 4, 0}));
  EXPECT_EQ(encoded(model("true"), "zz\u00e9a"), (Ids{2, 3, 0, 1}));
  EXPECT_EQ(encoded(model("true"), "z\u00e9\u00fca"), (Ids{2, 3, 0, 1}));  // U+00FC lacks a byte token
}

TEST(Bpe, DropsUnknownsWithoutAnUnknownToken) {
  EXPECT_EQ(encoded(R"({"vocab":{"a":0,"b":1},"merges":[]})", "azb"), (Ids{0, 1}));
}

TEST(Bpe, ReportsAnUnknownTokenThatIsMissing) {
  const Result<Bpe> bpe = Bpe::from_json(Json::parse(R"({"vocab":{"a":0},"merges":[],"unk_token":"[UNK]"})"));
  ASSERT_TRUE(bpe);
  WordCache cache;
  Ids ids;
  Budget budget(1);
  EXPECT_TRUE(bpe->encode("a", budget, cache, ids));
  const Status status = bpe->encode("z", budget, cache, ids);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(status.error().message(),
            "the text has 'z', which needs unk_token '[UNK]', but that is not in the vocabulary");
}

TEST(Bpe, IgnoresMergesForWholeWords) {
  const std::string model = R"({"vocab":{"a":0,"b":1,"aba":2},"merges":[],"ignore_merges":)";
  EXPECT_EQ(encoded(model + "true}", "aba"), Ids{2});
  EXPECT_EQ(encoded(model + "false}", "aba"), (Ids{0, 1, 0}));
}

TEST(Bpe, MarksTheInsideAndTheEndOfWords) {
  EXPECT_EQ(encoded(R"({"vocab":{"a":0,"a</w>":1,"b":2,"ba</w>":3},"merges":["b a</w>"],"end_of_word_suffix":"</w>"})",
                    "aba"),
            (Ids{0, 3}));
  EXPECT_EQ(
      encoded(R"({"vocab":{"a":0,"##a":1,"##b":2,"##ba":3},"merges":["##b ##a"],"continuing_subword_prefix":"##"})",
              "aba"),
      (Ids{0, 3}));
}

TEST(Bpe, MergesLongWordsQuickly) {
  // "aa", "aaaa", ... up to 2^15 letters: a word of 2^20 letters becomes 32 tokens.
  std::string vocab = R"("a":0)", merges, half = "a";
  for (int i = 1; i <= 15; ++i) {
    merges += (i > 1 ? "," : "") + ("[\"" + half + "\",\"" + half + "\"]");
    half += half;
    vocab += ",\"" + half + "\":" + std::to_string(i);
  }
  EXPECT_EQ(encoded("{\"vocab\":{" + vocab + "},\"merges\":[" + merges + "]}", std::string(1 << 20, 'a')), Ids(32, 15));
}

TEST(Bpe, ChecksTheModel) {
  EXPECT_EQ(error_of(R"({"vocab":{},"merges":[],"dropout":0.1})"), "model: dropout is not supported; set it to null");
  EXPECT_EQ(error_of(R"({"vocab":{},"merges":[],"dropout":0.0})"), "no error");
  EXPECT_EQ(error_of(R"({"type":"BPE","merges":[]})"), "model: 'vocab' is missing");
  EXPECT_EQ(error_of(R"({"type":"BPE","vocab":{}})"), "model: 'merges' is missing");
  EXPECT_EQ(error_of(R"({"vocab":[],"merges":[]})"), "model.vocab is not a JSON object");
  EXPECT_EQ(error_of(R"({"vocab":{"a":-1},"merges":[]})"), "model.vocab['a'] is not a token id");
  EXPECT_EQ(error_of(R"({"vocab":{"a":1.0},"merges":[]})"), "model.vocab['a'] is not a token id");
  EXPECT_EQ(error_of(R"({"vocab":{"a":99999999999},"merges":[]})"),
            "model.vocab['a']: token id 99999999999 is not below the limit of 16777216");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0},"merges":["a"]})"),
            "model.merges[0] is not two tokens with one space between");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0},"merges":["a b c"]})"),
            "model.merges[0] is not two tokens with one space between");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0},"merges":[["a"]]})"), "model.merges[0] is not a pair of strings");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0},"merges":[1]})"), "model.merges[0] is neither a string nor a pair of strings");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0},"merges":["a b"]})"),
            "model.merges[0] needs 'b', which is not in the vocabulary");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0,"b":1},"merges":["a b"]})"),
            "model.merges[0] needs 'ab', which is not in the vocabulary");
  EXPECT_EQ(error_of(R"({"vocab":{"a":0},"merges":[],"unk_token":3})"), "model: 'unk_token' is not a string");
}

}  // namespace
}  // namespace nwc::text

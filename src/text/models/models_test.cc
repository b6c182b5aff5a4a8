// Unigram, WordPiece and WordLevel. Expectations are what the `tokenizers` library gives.
#include <gtest/gtest.h>

#include "text/models/model.h"

namespace nwc::text {
namespace {

using Ids = std::vector<int32_t>;

Ids encoded(std::string_view json, std::string_view word) {
  const Result<std::unique_ptr<Model>> model = make_model(Json::parse(json));
  EXPECT_TRUE(model) << model.error().to_string();
  WordCache cache;
  Budget budget(word.size());
  Ids ids;
  const Status status = (*model)->encode(word, budget, cache, ids);
  EXPECT_TRUE(status) << status.error().to_string();
  return ids;
}

std::string error_of(std::string_view json, std::string_view word = "") {
  const Result<std::unique_ptr<Model>> model = make_model(Json::parse(json));
  if (!model) return model.error().to_string();
  WordCache cache;
  Budget budget(word.size());
  Ids ids;
  const Status status = (*model)->encode(word, budget, cache, ids);
  return status ? "no error" : status.error().to_string();
}

constexpr char kUnigram[] = R"({"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",0],["b",0],["c",0],["d",0],
                               ["cd",1.0],["ab",2.0],["abc",5.0],["abcd",10.0]]})";

TEST(Unigram, TakesTheBestPath) {
  EXPECT_EQ(encoded(kUnigram, "abcdacdxx"), (Ids{8, 1, 5, 0}));
  EXPECT_EQ(encoded(kUnigram, "abcc"), (Ids{7, 3}));
  EXPECT_EQ(encoded(kUnigram, ""), Ids{});
}

TEST(Unigram, JoinsUnknownCharacters) {
  EXPECT_EQ(encoded(kUnigram, "xyaz\u4e2d"), (Ids{0, 1, 0}));
  EXPECT_EQ(encoded(R"({"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["?",0],["a",-1],["<0xC3>",-2],
                        ["<0xA9>",-3]]})",
                    "a\u00e9z\u00e9"),
            (Ids{1, 0}));  // U+00E9 and z are one piece, of which z has no byte token
  EXPECT_EQ(encoded(R"({"type":"Unigram","unk_id":0,"byte_fallback":true,"vocab":[["?",0],["a",-1],["<0xC3>",-2],
                        ["<0xA9>",-3]]})",
                    "a\u00e9a"),
            (Ids{1, 2, 3, 1}));
}

TEST(Unigram, OfEqualTokensTheLastCounts) {
  EXPECT_EQ(encoded(R"({"type":"Unigram","unk_id":0,"vocab":[["?",0],["a",-1],["a",-2]]})", "aa"), (Ids{2, 2}));
}

TEST(Unigram, ReportsWhatIsWrong) {
  EXPECT_EQ(error_of(R"({"type":"Unigram","vocab":[["a",0]]})", "ax"),
            "the text has 'x', which needs model.unk_id, but that is not set");
  EXPECT_EQ(error_of(R"({"vocab":[["a",0]],"unk_id":1})"), "model: 'unk_id' is not in the vocabulary");
  EXPECT_EQ(error_of(R"({"vocab":[["a",0],["b"]]})"), "model: vocab[1] is not a token and its score");
}

constexpr char kWordPiece[] = R"({"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
  "max_input_chars_per_word":6,"vocab":{"[UNK]":0,"un":1,"##aff":2,"##able":3,"##a":4,"##b":5,"una":6,"b":7}})";

TEST(WordPiece, TakesTheLongestFromTheLeft) {
  EXPECT_EQ(encoded(kWordPiece, "unaff"), Ids{0});  // una, then ff is not there: no way back
  EXPECT_EQ(encoded(kWordPiece, "unab"), (Ids{6, 5}));
  EXPECT_EQ(encoded(kWordPiece, "bable"), (Ids{7, 3}));
  EXPECT_EQ(encoded(kWordPiece, "##a"), Ids{4});
}

TEST(WordPiece, LongWordsAreUnknown) {
  EXPECT_EQ(encoded(kWordPiece, "unabbb"), (Ids{6, 5, 5, 5}));
  EXPECT_EQ(encoded(kWordPiece, "unabbbb"), Ids{0});
}

TEST(WordPiece, ReportsAnUnknownTokenThatIsMissing) {
  EXPECT_EQ(error_of(R"({"type":"WordPiece","unk_token":"?","continuing_subword_prefix":"##",
                         "max_input_chars_per_word":9,"vocab":{"a":0}})",
                     "ax"),
            "the text has 'ax', which needs unk_token '?', but that is not in the vocabulary");
}

TEST(WordLevel, TakesWholeWords) {
  const char* model = R"({"type":"WordLevel","unk_token":"?","vocab":{"?":0,"ab":1}})";
  EXPECT_EQ(encoded(model, "ab"), Ids{1});
  EXPECT_EQ(encoded(model, "a"), Ids{0});
}

TEST(Models, AreToldWithoutAType) {
  EXPECT_EQ(encoded(R"({"vocab":{"?":0,"ab":1},"unk_token":"?"})", "ab"), Ids{1});
  EXPECT_EQ(encoded(R"({"vocab":[["ab",-1],["a",-2]]})", "ab"), Ids{0});
  EXPECT_EQ(encoded(R"({"vocab":{"?":0,"b":1,"##b":2},"unk_token":"?","continuing_subword_prefix":"##",
                        "max_input_chars_per_word":9})",
                    "bb"),
            (Ids{1, 2}));
  EXPECT_EQ(error_of(R"({"vocab":{}})"),
            "model: type '' is not supported; supported are: BPE, Unigram, WordPiece, WordLevel");
}

// Tokens of all lengths up to 2,000 letters, so that each position of the text looks at as many.
TEST(Models, HostileVocabulariesAreBoundedInTime) {
  std::string list = R"(["?",0])", tokens = R"("?":0,"##b":1)";
  for (int n = 1; n <= 2000; ++n) {
    list += ",[\"" + std::string(static_cast<size_t>(n), 'a') + "\",-1]";
    tokens += ",\"##" + std::string(static_cast<size_t>(n), 'a') + "b\":" + std::to_string(n + 1);
  }
  const std::string text(1 << 18, 'a');
  const auto start = std::chrono::steady_clock::now();
  const std::string result = error_of("{\"unk_id\":0,\"vocab\":[" + list + "]}", text);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
  EXPECT_TRUE(result == "no error" || result == "model: its tokens take too long on this text") << result;
}

}  // namespace
}  // namespace nwc::text

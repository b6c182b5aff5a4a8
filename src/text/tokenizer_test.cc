#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <thread>

#include "nwcodec/limits.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using Ids = std::vector<int32_t>;

// Words of a, b and "ab"; two added tokens; "<s>" before every text.
constexpr char kTiny[] = R"({"version":"1.0",
  "added_tokens":[{"id":4,"content":"<s>","special":true,"normalized":false},
                  {"id":5,"content":"[X]","special":false,"normalized":true}],
  "normalizer":{"type":"Lowercase"},
  "pre_tokenizer":{"type":"WhitespaceSplit"},
  "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
                    {"Sequence":{"id":"A","type_id":0}}],
                    "special_tokens":{"<s>":{"id":"<s>","ids":[4],"tokens":["<s>"]}}},
  "decoder":null,
  "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"\ufffd":3},"merges":["a b"]}})";

std::string error_of(std::string_view json) {
  const Result<Tokenizer> tokenizer = Tokenizer::parse(json, "t.json");
  return tokenizer ? "no error" : tokenizer.error().to_string();
}

TEST(Tokenizer, EncodesAroundAddedTokens) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  EXPECT_EQ(*tokenizer.encode("AB b<s>a [x]", false), (Ids{2, 1, 4, 0, 5}));
  EXPECT_EQ(*tokenizer.encode("AB", true), (Ids{4, 2}));
  EXPECT_EQ(*tokenizer.encode("<S>", false),
            Ids{});  // not normalised, so not found; and none of its characters is known
}

TEST(Tokenizer, EmptyTextHasNoIdsButSpecialOnes) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  EXPECT_EQ(*tokenizer.encode("", false), Ids{});
  EXPECT_EQ(*tokenizer.encode("", true), Ids{4});
}

TEST(Tokenizer, BytesThatAreNotUtf8BecomeReplacementCharacters) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  EXPECT_EQ(*tokenizer.encode("a\xFF"
                              "b\xE2\x82",
                              false),
            (Ids{0, 3, 1, 3}));
}

TEST(Tokenizer, DecodesWithSpacesWithoutADecoder) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  EXPECT_EQ(tokenizer.decode(Ids{4, 2, 5, 0}, false), "<s> ab [x] a");  // the normalised form, as in the reference
  EXPECT_EQ(tokenizer.decode(Ids{4, 2, 5, 0}, true), "ab [x] a");
  EXPECT_EQ(tokenizer.decode(Ids{-1, 6, 8, 1 << 30, 1}, false), "b");
  EXPECT_EQ(tokenizer.decode(Ids{}, false), "");
}

TEST(Tokenizer, LooksTokensUp) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  EXPECT_EQ(tokenizer.vocab_size(), 6u);
  EXPECT_EQ(tokenizer.id_limit(), 6);
  EXPECT_EQ(tokenizer.token_to_id("ab"), 2);
  EXPECT_EQ(tokenizer.token_to_id("[X]"), 5);
  EXPECT_EQ(tokenizer.token_to_id("c"), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(5), "[X]");
  EXPECT_EQ(tokenizer.id_to_token(0), "a");
  EXPECT_EQ(tokenizer.id_to_token(6), std::nullopt);
  EXPECT_EQ(tokenizer.id_to_token(-1), std::nullopt);
}

TEST(Tokenizer, ServesSeveralThreads) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  std::vector<Ids> results(4);
  {
    std::vector<std::jthread> threads;
    for (Ids& ids : results)
      threads.emplace_back([&] {
        for (int i = 0; i < 200; ++i) ids = *tokenizer.encode("ab [X] ba", true);
      });
  }
  for (const Ids& ids : results) EXPECT_EQ(ids, (Ids{4, 2, 5, 1, 0}));
}

TEST(Tokenizer, RefusesOverlongText) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  const std::string text(limits::kMaxText + 1, 'a');
  const Result<Ids> ids = tokenizer.encode(text, false);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code(), ErrorCode::kLimit);
}

TEST(Tokenizer, RefusesAnOverlongFileBeforeItIsRead) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  const testing::TempDir dir;
  const std::filesystem::path file = dir.add("text.txt", "ab");
  EXPECT_EQ(*tokenizer.encode_file(file, false), *tokenizer.encode("ab", false));
  std::filesystem::resize_file(file, 300'000'000);  // a hole
  const Result<Ids> ids = tokenizer.encode_file(file, false);
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code(), ErrorCode::kLimit);
  EXPECT_EQ(ids.error().to_string(), file.string() +
                                         ": is 300000000 bytes long; the limit is 268435456; use its beginning: "
                                         "head -c 268435456 " +
                                         file.string());
}

TEST(Tokenizer, EveryErrorNamesTheFile) {
  EXPECT_EQ(Tokenizer::open("does/not/exist.json").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(Tokenizer::open("does/not/exist.json").error().file(), "does/not/exist.json");
  EXPECT_EQ(error_of("{"),
            "t.json: byte 2: invalid JSON: syntax error while parsing object key - unexpected end of input; expected "
            "string literal");
  EXPECT_EQ(error_of("[]"), "t.json: tokenizer is not a JSON object");
  EXPECT_EQ(error_of("{}"), "t.json: tokenizer: 'model' is missing");
  EXPECT_EQ(error_of(R"({"model":{"type":"CTC"}})"),
            "t.json: model: type 'CTC' is not supported; supported are: BPE, Unigram, WordPiece, WordLevel");
  const auto with = [](const char* member) {
    return R"({"model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]},)" + std::string(member) + "}";
  };
  EXPECT_EQ(error_of(with(R"("normalizer":{"type":"Nmu"})")).substr(0, 53),
            "t.json: normalizer: type 'Nmu' is not supported; supp");
  EXPECT_EQ(error_of(with(R"("pre_tokenizer":{"type":"X"})")).substr(0, 50),
            "t.json: pre_tokenizer: type 'X' is not supported; ");
  EXPECT_EQ(error_of(with(R"("post_processor":{"type":3})")), "t.json: post_processor: 'type' is not a string");
  EXPECT_EQ(error_of(with(R"("decoder":{})")), "t.json: decoder: 'type' is missing");
}

TEST(Tokenizer, SaysWhatTheReferenceDoesOtherwise) {
  const Result<Tokenizer> tokenizer = Tokenizer::parse(
      R"({"model":{"vocab":{"a":0,"b":1,"c":1,"a":7},"merges":[]},"added_tokens":[{"id":9,"content":"<s>"}]})",
      "t.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  EXPECT_EQ(tokenizer->warnings(),
            (std::vector<std::string>{
                "t.json: added_tokens: '<s>' has id 9 in the file, but 3 here as in the tokenizers library",
                "t.json: model.vocab: tokens 'b' and 'c' have the same id 1",
                "t.json: JSON key 'a' appears twice in one object; the last one counts"}));
  EXPECT_EQ(*tokenizer->encode("abc<s>", false), (Ids{7, 1, 1, 3}));
  EXPECT_TRUE(Tokenizer::parse(kTiny, "tiny")->warnings().empty());
}

TEST(Tokenizer, StopsWhenAskedTo) {
  const Tokenizer tokenizer = *Tokenizer::parse(kTiny, "tiny");
  std::atomic<bool> stop{true};
  const Result<Ids> ids = tokenizer.encode("ab ab", true, {.report = {}, .stop = &stop});
  ASSERT_FALSE(ids);
  EXPECT_EQ(ids.error().code(), ErrorCode::kInterrupted);
  EXPECT_EQ(ids.error().to_string(), "interrupted");
}

// A normalizer and a pre-tokenizer that match the empty string everywhere, in a file of 667 bytes
// (tests/fuzz/corpus/tokenizer_json/slow.json): its fuzz target took six seconds.
TEST(Tokenizer, HostileFilesAreBoundedInTime) {
  const Result<Tokenizer> tokenizer =
      Tokenizer::open(std::filesystem::path(NWC_SOURCE_DIR) / "tests/fuzz/corpus/tokenizer_json/slow.json");
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  const std::clock_t begin = std::clock();
  for (int32_t id = 0; id < 32; ++id) {
    const std::optional<std::string> token = tokenizer->id_to_token(id);
    if (token) (void)tokenizer->encode(*token, false).ok();
  }
  (void)tokenizer->encode(std::string(1000, 'a'), false).ok();
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 2.0);
}

}  // namespace
}  // namespace nwc

#include "text/token_text.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>

namespace nwc {
namespace {

using Ids = std::vector<int32_t>;
using Texts = std::vector<std::string>;

const std::filesystem::path kTokenizers = NWC_SOURCE_DIR "/tests/data/tokenizer";
const std::string kText = "The cafés, \"déjà vu\": 你好世界 🙂🙃 don't.\n\n  Naïve 1234!";

// Of every kind of decoder: byte-level, byte fallback with and without Metaspace.
TEST(TokenText, PiecesAreTheTextWhateverTheDecoder) {
  for (const char* name : {"llama3", "llama2_metaspace", "llama2_normalizer", "gemma"}) {
    const Tokenizer tokenizer = *Tokenizer::open(kTokenizers / (std::string(name) + ".tokenizer.json"));
    TokenTexts texts(tokenizer);
    const Ids ids = *tokenizer.encode(kText, false);
    const Texts pieces = texts_in_place(texts, ids);
    ASSERT_EQ(pieces.size(), ids.size());
    const std::string joined = std::accumulate(pieces.begin(), pieces.end(), std::string());
    EXPECT_EQ(joined.substr(joined.starts_with(" ") ? 1 : 0), kText) << name;
  }
}

TEST(TokenText, SpacesBeforeWordsStayAndBytesAreMarked) {
  const Tokenizer tokenizer = *Tokenizer::open(kTokenizers / "llama2_metaspace.tokenizer.json");
  TokenTexts texts(tokenizer);
  const auto of = [&](const std::string& token) { return texts.of(tokenizer.token_to_id(token).value()); };
  EXPECT_EQ(of("\xE2\x96\x81the").text, " the");
  EXPECT_EQ(of("a").text, "a");
  EXPECT_EQ(of("<0xE4>").text, "\xEF\xBF\xBD");
  EXPECT_FALSE(of("a").special);
  EXPECT_TRUE(of("<s>").special);
  EXPECT_EQ(of("<s>").text, "<s>");
  EXPECT_EQ(texts.of(-1).text, "");
}

TEST(TokenText, TheLastTokenOfACharacterHasIt) {
  const Tokenizer tokenizer = *Tokenizer::open(kTokenizers / "llama2_metaspace.tokenizer.json");
  TokenTexts texts(tokenizer);
  const auto id = [&](const std::string& token) { return tokenizer.token_to_id(token).value(); };
  EXPECT_EQ(texts_in_place(texts, Ids{id("a"), id("<0xF0>"), id("<0x9F>"), id("<0x99>"), id("<0x82>"), id("a")}),
            (Texts{"a", "", "", "", "\xF0\x9F\x99\x82", "a"}));
  // What makes no character stays as it is.
  EXPECT_EQ(texts_in_place(texts, Ids{id("<0xF0>"), id("a")}), (Texts{"\xEF\xBF\xBD", "a"}));
  EXPECT_EQ(texts_in_place(texts, Ids{id("<0xF0>")}), Texts{"\xEF\xBF\xBD"});
}

}  // namespace
}  // namespace nwc

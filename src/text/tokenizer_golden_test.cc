// The ids and texts of tests/data/tokenizer, which the `tokenizers` library made (make_goldens.py there).
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "nwcodec/limits.h"
#include "text/tokenizer.h"

namespace nwc {
namespace {

const std::filesystem::path kSource = NWC_SOURCE_DIR;
const std::filesystem::path kData = kSource / "tests/data/tokenizer";
const std::filesystem::path kDemo = kSource / "models/demo/tokenizer.json";

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, GivesTheIdsAndTextsOfTheReference) {
  const std::string name = GetParam();
  const Result<Tokenizer> tokenizer = Tokenizer::open(name == "demo" ? kDemo : kData / (name + ".tokenizer.json"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  const Result<std::string> file = read_text_file(kData / (name + ".expected.json"), limits::kMaxJsonFile);
  ASSERT_TRUE(file) << file.error().to_string();
  const Json cases = *parse_json(*file);
  ASSERT_EQ(cases.size(), 46u);
  for (const Json& expected : cases) {
    const std::string text = expected["text"];
    const auto ids = expected["ids"].get<std::vector<int32_t>>();
    const auto special = expected.value("special", ids);
    EXPECT_EQ(*tokenizer->encode(text, false), ids) << text;
    EXPECT_EQ(*tokenizer->encode(text, true), special) << text;
    EXPECT_EQ(tokenizer->decode(special, false), expected.value("decoded", text));
    EXPECT_EQ(tokenizer->decode(special, true), expected.value("skipped", text));
  }
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, Golden,
                         testing::Values("demo", "llama2_normalizer", "llama2_metaspace", "metaspace_old", "llama3",
                                         "qwen", "gemma", "clip", "others"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Golden, TokenisesWikiText) {
  const std::filesystem::path path = kSource / "../shared/text/wikitext2_test.txt";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "needs " << path;
  const Result<Tokenizer> tokenizer = Tokenizer::open(kDemo);
  ASSERT_TRUE(tokenizer) << tokenizer.error().to_string();
  const std::string text = *read_text_file(path, limits::kMaxText);
  const Result<std::vector<int32_t>> ids = tokenizer->encode(text, false);
  ASSERT_TRUE(ids) << ids.error().to_string();
  EXPECT_EQ(ids->size(), 355'201u);
  uint64_t hash = 0xCBF29CE484222325;  // FNV-1a over the ids as 32-bit little-endian
  for (const int32_t id : *ids) {
    for (int shift = 0; shift < 32; shift += 8)
      hash = (hash ^ (static_cast<uint32_t>(id) >> shift & 0xFF)) * 0x100000001B3;
  }
  EXPECT_EQ(hash, 0xF17D70CA9644C78Du);
  EXPECT_EQ(tokenizer->decode(*ids, false), text);
}

}  // namespace
}  // namespace nwc

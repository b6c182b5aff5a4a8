// Expectations are what the `tokenizers` library gives.
#include "text/stages/precompiled.h"

#include <gtest/gtest.h>

#include "text/stages/graphemes.h"

namespace nwc::text {
namespace {

std::string unit(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value >> shift & 0xFF));
  return bytes;
}

// A trie with one key, "A", which becomes the text at `value`: units 0 (root), 'A' ^ 1 = 64 (label A, a leaf at 64 ^
// 2).
std::string map_of_a(uint32_t value, const std::string& texts, uint32_t trie_bytes = 128 * 4) {
  std::string trie(128 * 4, '\0');
  trie.replace(0, 4, unit(1 << 10));
  trie.replace(64 * 4, 4, unit(2 << 10 | 1 << 8 | 'A'));
  trie.replace(66 * 4, 4, unit(value | 0x80000000));
  return unit(trie_bytes) + trie + texts;
}

TEST(CharacterMap, FindsTheShortestBeginning) {
  const Result<CharacterMap> map = CharacterMap::parse(map_of_a(2, std::string("x\0alpha\0", 8)));
  ASSERT_TRUE(map) << map.error().to_string();
  EXPECT_EQ(map->find("A"), "alpha");
  EXPECT_EQ(map->find("AB"), "alpha");
  EXPECT_EQ(map->find("B"), std::nullopt);
  EXPECT_EQ(map->find(""), std::nullopt);
}

TEST(CharacterMap, NeverLeavesItself) {
  EXPECT_EQ(CharacterMap::parse(map_of_a(100, "x"))->find("A"), std::nullopt);
  EXPECT_EQ(CharacterMap::parse(map_of_a(1, "\u00e9"))->find("A"), std::nullopt);  // in the middle of a character
  EXPECT_EQ(CharacterMap::parse(map_of_a(0, "x", 65 * 4).substr(0, 4 + 65 * 4))->find("A"), std::nullopt);
  EXPECT_EQ(CharacterMap::parse(map_of_a(0, "x", 1 << 20)).error().message(), "has a trie that is longer than itself");
  EXPECT_EQ(CharacterMap::parse(map_of_a(0, "\xFF")).error().message(), "has texts that are not UTF-8");
  EXPECT_EQ(CharacterMap::parse("abc").error().message(), "is too short");
}

TEST(Precompiled, ReadsBase64) {
  EXPECT_EQ(from_base64("YWJj"), "abc");
  EXPECT_EQ(from_base64("YWI="), "ab");
  EXPECT_EQ(from_base64("YQ=="), "a");
  EXPECT_EQ(from_base64("/+8"), "\xFF\xEF");
  EXPECT_EQ(from_base64("Y"), std::nullopt);
  EXPECT_EQ(from_base64("YW Jj"), std::nullopt);
}

TEST(Graphemes, KeepTogetherWhatReadersSee) {
  const auto length = [](std::string_view text) { return grapheme_length(text); };
  EXPECT_EQ(length("ab"), 1u);
  EXPECT_EQ(length("e\u0301x"), 3u);
  EXPECT_EQ(length("\r\nx"), 2u);
  EXPECT_EQ(length("\n\u0301"), 1u);
  EXPECT_EQ(length("\u0600x"), 3u);              // a prepended mark
  EXPECT_EQ(length("\u1100\u1161\u11a8x"), 9u);  // a syllable of Hangul
  EXPECT_EQ(length("\uac00\u11a8"), 6u);
  EXPECT_EQ(length("\uac01\uac00"), 3u);
}

}  // namespace
}  // namespace nwc::text

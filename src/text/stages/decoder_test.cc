// Expectations are what the `tokenizers` library gives.
#include "text/stages/decoder.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

std::string decoded(std::string_view json, std::vector<std::string> tokens) {
  const Result<std::unique_ptr<Decoder>> decoder = make_decoder(Json::parse(json));
  if (!decoder) return "error: " + decoder.error().to_string();
  (*decoder)->apply(tokens);
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

TEST(Decoder, ReadsByteLevelTokens) {
  EXPECT_EQ(
      decoded(R"({"type":"ByteLevel"})", {"\u0120a", "\u6f22", "\u00c3", "\u00a9", "\u00c3\u0120x\u6f22", "\u00c3"}),
      " a\u6f22\u00e9\u00c3\u0120x\u6f22\ufffd");
}

TEST(Decoder, ReadsByteTokens) {
  EXPECT_EQ(decoded(R"({"type":"ByteFallback"})",
                    {"<0xE5>", "<0x8f>", "<0xAB>", "x", "<0xFF>", "<0xE5>", "y", "<0xGG>", "<0x1>"}),
            "\u53ebx\ufffd\ufffdy<0xGG><0x1>");
}

TEST(Decoder, ReadsMetaspace) {
  const std::vector<std::string> tokens = {"\u2581a\u2581b\u2581", "\u2581c"};
  EXPECT_EQ(decoded(R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always"})", tokens), "ab c");
  EXPECT_EQ(decoded(R"({"type":"Metaspace","replacement":"\u2581","add_prefix_space":true})", tokens), "ab c");
  EXPECT_EQ(decoded(R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"never"})", tokens), " a b  c");
}

TEST(Decoder, StripsEveryToken) {
  EXPECT_EQ(decoded(R"({"type":"Strip","content":" ","start":1,"stop":0})", {"  a", " b ", "", " "}), " ab ");
  EXPECT_EQ(decoded(R"({"type":"Strip","content":" ","start":1,"stop":1})", {"x  ", " "}), "x ");
}

TEST(Decoder, ReplacesAndFuses) {
  EXPECT_EQ(decoded(R"({"type":"Replace","pattern":{"String":"ab"},"content":"x"})", {"ab", "a", "b"}), "xab");
  EXPECT_EQ(decoded(R"({"type":"Sequence","decoders":[{"type":"Fuse"},)"
                    R"({"type":"Replace","pattern":{"String":"ab"},"content":"x"}]})",
                    {"ab", "a", "b"}),
            "xx");
}

TEST(Decoder, DecodesAsLlama2) {
  EXPECT_EQ(decoded(
                R"({"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
              {"type":"ByteFallback"},
                        {"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]})",
                {"\u2581a", "<0xE5>", "<0x8F>", "<0xAB>", "\u2581b"}),
            "a\u53eb b");
}

TEST(Decoder, ReadsWordPieces) {
  const char* clean = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  EXPECT_EQ(decoded(clean, {"##un", "##able", "to", ".", "do", "n't", "'", "x"}), "##unable to. don't ' x");
  EXPECT_EQ(decoded(R"({"type":"WordPiece","prefix":"##","cleanup":false})", {"a", "##b", "."}), "ab .");
  EXPECT_EQ(decoded(R"({"type":"BPEDecoder","suffix":"</w>"})", {"a", "b</w>", "c</w>"}), "ab c");
}

TEST(Decoder, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(decoded(R"({"type":"CTC"})", {}),
            "error: decoder: type 'CTC' is not supported; supported are: Sequence, ByteLevel, Metaspace, ByteFallback, "
            "Fuse, Strip, Replace, WordPiece, BPEDecoder");
  EXPECT_EQ(decoded(R"({"type":"Replace","pattern":{"Regex":"a"},"content":""})", {}),
            "error: decoder: a decoder with a regular expression is not supported");
  EXPECT_EQ(decoded(R"({"type":"Strip","content":" ","start":-1,"stop":0})", {}),
            "error: decoder: 'start' is not an integer from 0 to 268435456");
}

TEST(Decoder, RefusesToBlowTextUp) {
  const std::string eightfold = R"({"type":"Replace","pattern":{"String":"a"},"content":"aaaaaaaa"})";
  EXPECT_EQ(decoded(R"({"type":"Sequence","decoders":[)" + eightfold + "]}", {"a"}), "aaaaaaaa");
  EXPECT_EQ(decoded(R"({"type":"Sequence","decoders":[)" + eightfold + "," + eightfold + "]}", {"a"}),
            "error: decoder: its replacements could lengthen text more than 32 times");
}

}  // namespace
}  // namespace nwc::text

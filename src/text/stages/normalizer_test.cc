// Expectations are what the `tokenizers` library gives.
#include "text/stages/normalizer.h"

#include <gtest/gtest.h>

namespace nwc::text {
namespace {

// The text as the normalizer leaves it, or the error.
std::string normalized(std::string_view json, std::string text) {
  const Result<std::unique_ptr<Normalizer>> normalizer = make_normalizer(Json::parse(json));
  if (!normalizer) return "error: " + normalizer.error().to_string();
  Budget budget(text.size());
  Piece piece{std::move(text), true};
  if (const Status done = (*normalizer)->apply(piece, budget); !done) return "error: " + done.error().to_string();
  return piece.text;
}

bool stays_at_start(std::string_view json, std::string text) {
  Budget budget(text.size());
  Piece piece{std::move(text), true};
  EXPECT_TRUE((*make_normalizer(Json::parse(json)))->apply(piece, budget));
  return piece.at_start;
}

TEST(Normalizer, NullIsNone) { EXPECT_EQ(*make_normalizer(Json()), nullptr); }

TEST(Normalizer, PrependsButNotToEmptyText) {
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"_"})", "ab"), "_ab");
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"_"})", ""), "");
}

TEST(Normalizer, ReplacesStringsAndExpressions) {
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"String":"."},"content":"$1"})", "a.b."), "a$1b$1");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":"="})", "a  b   c d"), "a=b=c d");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":"b*"},"content":"x"})", "abc"), "xaxcx");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":"b*"},"content":"x"})", ""), "");
}

TEST(Normalizer, Strips) {
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":true,"strip_right":true})", " \u3000a b\n "), "a b");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":true,"strip_right":false})", " a "), "a ");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":false,"strip_right":true})", " a "), " a");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":false,"strip_right":false})", " a "), " a ");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":true,"strip_right":true})", "  "), "");
  EXPECT_EQ(normalized(R"({"type":"Strip","strip_left":true,"strip_right":false})", "  "), "");
}

TEST(Normalizer, RunsASequence) {
  EXPECT_EQ(normalized(R"({"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Lowercase"},)"
                       R"({"type":"Prepend","prepend":">"}]})",
                       "\ufb01 \uff21"),
            ">fi a");
}

TEST(Normalizer, KeepsTrackOfTheStart) {
  EXPECT_TRUE(stays_at_start(R"({"type":"Prepend","prepend":"_"})", "a"));
  EXPECT_TRUE(stays_at_start(R"({"type":"Strip","strip_left":true,"strip_right":true})", "a "));
  EXPECT_FALSE(stays_at_start(R"({"type":"Strip","strip_left":true,"strip_right":true})", " a"));
  EXPECT_TRUE(stays_at_start(R"({"type":"Replace","pattern":{"String":" "},"content":"_"})", " a"));
  EXPECT_FALSE(stays_at_start(R"({"type":"Replace","pattern":{"String":" "},"content":""})", " a"));
  EXPECT_FALSE(stays_at_start(R"({"type":"Replace","pattern":{"String":"ab"},"content":"_"})", "abc"));
}

TEST(Normalizer, CleansAsBert) {
  const auto bert = [](const char* strip, const char* lower) {
    return R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":)" +
           std::string(strip) + ",\"lowercase\":" + lower + "}";
  };
  EXPECT_EQ(normalized(bert("null", "true"), "\u00c9\u200b\ta\u4e2d\x7f"), "e a \u4e2d ");
  EXPECT_EQ(normalized(bert("null", "false"), "\u00c9"), "\u00c9");
  EXPECT_EQ(normalized(bert("true", "false"), "\u00c9"), "E");
  EXPECT_EQ(normalized(R"({"type":"StripAccents"})", "e\u0301\u00e9\u0903"), "e\u00e9");
  EXPECT_EQ(normalized(R"({"type":"Nmt"})", "a\x01\u200bb\ufeff"), "a b ");
}

TEST(Normalizer, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(normalized(R"({"type":"Unknown"})", ""),
            "error: normalizer: type 'Unknown' is not supported; supported are: Sequence, Prepend, Replace, Strip, "
            "StripAccents, Lowercase, BertNormalizer, ByteLevel, Nmt, Precompiled, NFC, NFD, NFKC, NFKD");
  EXPECT_EQ(normalized(R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Prepend"}]})", ""),
            "error: normalizer.normalizers[1]: 'prepend' is missing");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"String":""},"content":"x"})", ""),
            "error: normalizer.pattern: an empty pattern is not supported");
  EXPECT_EQ(normalized(R"(["NFC"])", ""), "error: normalizer is not a JSON object");
}

TEST(Normalizer, RefusesToBlowTextUp) {
  std::string doubled = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  std::string json = R"({"type":"Sequence","normalizers":[)" + doubled;
  for (int i = 0; i < 60; ++i) json += "," + doubled;
  EXPECT_EQ(normalized(json + "]}", "a"), "error: the normalizer lengthens the text beyond 65568 bytes");
}

}  // namespace
}  // namespace nwc::text

#include "format/line_scales.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bytes.h"
#include "format/context_rule.h"

namespace nwc {
namespace {

TEST(LineScales, StepsAreEighthsOfAnOctave) {
  EXPECT_EQ(line_scale(1.0f, 0), 1.0f);
  EXPECT_EQ(line_scale(3.0f, 16), 12.0f);
  EXPECT_EQ(line_scale(3.0f, -24), 0.375f);
  EXPECT_EQ(line_scale(1.0f, 4), std::sqrt(2.0f));
  EXPECT_EQ(line_scale(1.0f, -4), std::sqrt(0.5f));
  EXPECT_EQ(line_scale(1.0f, 1), 0x1.172b84p+0f);
  EXPECT_EQ(line_scale(1.0f, -1), 0x1.d5818ep-1f);
  EXPECT_EQ(line_scale(1.0f, -kLargestLineNumber), 0.0f);
  EXPECT_EQ(line_scale(1.0f, kLargestLineNumber), std::numeric_limits<float>::infinity());
}

TEST(LineScales, CorrectionsAreShares) {
  for (int number = -200; number <= 200; ++number) {
    const int step = number >> 3, eighths = number & 7;
    const double wanted = 3 * std::pow(2.0, number / 64.0);
    EXPECT_NEAR(line_scale(3.0f, step, eighths, 3), wanted, 1e-7 * wanted) << number;
    EXPECT_EQ(line_scale(3.0f, step, eighths, 3), line_scale(3.0f, step + 2, eighths - 16, 3)) << number;
    EXPECT_EQ(line_scale(3.0f, number, 0, 3), line_scale(3.0f, number)) << number;
  }
  EXPECT_EQ(line_scale(1.0f, 0, 2, 2), line_scale(1.0f, 0, 4, 3));
  EXPECT_EQ(line_scale(1.0f, 0, 1, 1), line_scale(1.0f, 0, 4, 3));
  EXPECT_EQ(line_scale(1.0f, 0, -1, 3), 0x1.fa7c18p-1f);

  const LineScales lines{{4, 4}, {-8}, {0, 0}, {0}, {-8, 1}, {3}, 3};
  EXPECT_EQ(lines.column_scale(5.0f, 0), line_scale(5.0f, 3));
  EXPECT_EQ(lines.column_scale(5.0f, 1), line_scale(5.0f, 4, 1, 3));
  EXPECT_EQ(lines.row_factor(0), line_scale(0.5f, 0, 3, 3));
}

TEST(LineScales, AClassIsASpreadLessItsStep) {
  EXPECT_EQ(line_class(10, 6), 7);
  EXPECT_EQ(line_class(10, 7), 7);
  EXPECT_EQ(line_class(10, -7), 14);
  EXPECT_EQ(line_class(-3, -6), 0);
}

// Two columns and one row, all of whose numbers are their sequence's mean: a table of one symbol, 0, and its escape.
class LineScalesSection : public ::testing::Test {
 protected:
  LineScalesSection() : tables_(TableSet{{0, 0, {4095, 1}}}) {
    header_.rows = 1;
    header_.columns = 2;
    for (const int16_t mean : {-9, 3, 70, 1}) {
      append_le(section_, static_cast<uint16_t>(mean));
      append_le(section_, uint16_t{0});
    }
    append_le(section_, uint32_t{4 + 6 * 4});
    append_le(section_, uint32_t{0});
    // A lane that decoded slot 0 of a symbol of frequency 4095 ends in 65536: it began in 65536 / 4095 * 4096 + 16.
    for (int lane = 0; lane < 6; ++lane) append_le(section_, uint32_t{16 * 4096 + 16});
    section_.push_back(std::byte{0xEE});
  }
  std::string refusal(std::vector<std::byte> section) const {
    std::span<const std::byte> rest = section;
    const Result<LineScales> lines = read_line_scales(rest, header_, tables_);
    return lines ? "" : lines.error().to_string();
  }
  std::string refusal(size_t at, uint16_t value) const {
    std::vector<std::byte> section = section_;
    store_le(section.data() + at, value);
    return refusal(section);
  }

  DecodingTables tables_;
  StreamHeader header_;
  std::vector<std::byte> section_;
};

TEST_F(LineScalesSection, Literal) {
  std::span<const std::byte> rest = section_;
  const Result<LineScales> lines = read_line_scales(rest, header_, tables_);
  ASSERT_TRUE(lines) << lines.error().to_string();
  EXPECT_EQ(lines->column_steps, (std::vector<int16_t>{-9, -9}));
  EXPECT_EQ(lines->row_steps, (std::vector<int16_t>{3}));
  EXPECT_EQ(lines->column_spreads, (std::vector<int16_t>{70, 70}));
  EXPECT_EQ(lines->row_spreads, (std::vector<int16_t>{1}));
  ASSERT_EQ(rest.size(), 1u) << "the rest is left";
  EXPECT_EQ(rest[0], std::byte{0xEE});
}

TEST_F(LineScalesSection, WhatIsNot) {
  const auto first = [&](size_t size) { return std::vector<std::byte>(section_.begin(), section_.begin() + size); };
  EXPECT_EQ(refusal(first(15)), "byte 96: line scales end before their first tile");
  EXPECT_EQ(refusal(first(16)), "byte 96: line scales are too short for the shape");
  EXPECT_EQ(refusal(first(40)), "byte 96: line scales have a tile of another size");
  EXPECT_EQ(refusal(2, 1), "byte 96: line scales name a table that the codec does not have");
  EXPECT_EQ(refusal(0, 4096), "byte 96: line scales hold a number out of range");
  EXPECT_EQ(refusal(0, 4095), "");
  EXPECT_EQ(refusal(8, static_cast<uint16_t>(-4096)), "byte 96: line scales hold a number out of range");
  EXPECT_EQ(refusal(16, 27), "byte 96: line scales have a tile of another size");
  EXPECT_NE(refusal(20, 1), "") << "words that are not there";
  EXPECT_NE(refusal(24, 17), "") << "another state";
}

TEST_F(LineScalesSection, WithCorrections) {
  const auto section_of = [&](size_t numbers) {
    std::vector<std::byte> section;
    for (const int16_t mean : {-9, 3, 70, 1, 5, -2}) {
      append_le(section, static_cast<uint16_t>(mean));
      append_le(section, uint16_t{0});
    }
    append_le(section, static_cast<uint32_t>(4 + numbers * 4));
    append_le(section, uint32_t{0});
    for (size_t lane = 0; lane < numbers; ++lane) append_le(section, uint32_t{16 * 4096 + 16});
    return section;
  };
  header_.correction_bits = 2;
  std::vector<std::byte> section = section_of(9);
  std::span<const std::byte> rest = section;
  const Result<LineScales> lines = read_line_scales(rest, header_, tables_);
  ASSERT_TRUE(lines) << lines.error().to_string();
  EXPECT_EQ(lines->column_corrections, (std::vector<int16_t>{5, 5}));
  EXPECT_EQ(lines->row_corrections, (std::vector<int16_t>{-2}));
  EXPECT_EQ(lines->correction_bits, 2);
  EXPECT_EQ(lines->sequences().size(), 6u);
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(refusal({section.begin(), section.begin() + 23}), "byte 96: line scales end before their first tile");
  EXPECT_NE(refusal(section_of(6)), "") << "the corrections are missing";
  store_le<uint16_t>(section.data() + 18, 1);
  EXPECT_EQ(refusal(section), "byte 96: line scales name a table that the codec does not have");
}

// Sizes of a header that no section could hold are refused before anything of that size is allocated.
TEST_F(LineScalesSection, SizesThatAreNotThere) {
  header_.rows = uint64_t{1} << 38;
  header_.columns = 2;
  EXPECT_EQ(refusal(section_), "byte 96: line scales are too short for the shape");
}

TEST_F(LineScalesSection, APatchIsNone) {
  section_.pop_back();
  for (const int byte : {0, 0, 0x3C}) section_.push_back(static_cast<std::byte>(byte));
  store_le(section_.data() + 16, uint32_t{4 + 6 * 4 + 3});
  EXPECT_EQ(refusal(section_), "byte 96: line scales in a tile: patches");
}

TEST(ScaleClasses, SumsNameTables) {
  const LineScales lines{{0, -8, 0, 0}, {0, 2, 0, 0}, {3, 4, 40, -40}, {1, 0, -2, 5}};
  const Result<std::shared_ptr<const StreamContexts>> contexts =
      make_scale_class_contexts(lines, 2, 2, {.levels = 3, .channels = 4, .chunk_length = 4});
  ASSERT_TRUE(contexts);
  EXPECT_FALSE((*contexts)->shared());
  std::vector<Context> of_chunk(4);
  (*contexts)->of_chunk({0, 0, 0, 0}, of_chunk);
  EXPECT_EQ(of_chunk, (std::vector<Context>{4, 2, 3, 3})) << "rows past the end have class 0";
  (*contexts)->of_chunk({0, 2, 0, 1}, of_chunk);
  EXPECT_EQ(of_chunk, (std::vector<Context>{9, 7, 8, 8})) << "the level does not matter";
  (*contexts)->of_chunk({1, 0, 0, 0}, of_chunk);
  EXPECT_EQ(of_chunk, (std::vector<Context>{11, 11, 11, 11})) << "beyond the last";
  (*contexts)->of_chunk({1, 0, 0, 1}, of_chunk);
  EXPECT_EQ(of_chunk, (std::vector<Context>{0, 0, 0, 0})) << "before the first";
  const ScaleClasses* const classes = (*contexts)->scale_classes();
  ASSERT_NE(classes, nullptr);
  EXPECT_EQ(std::vector<int16_t>(classes->of_columns().begin(), classes->of_columns().end()),
            (std::vector<int16_t>{3, 8, 40, -40}));
  EXPECT_EQ(std::vector<int16_t>(classes->of_rows().begin(), classes->of_rows().end()),
            (std::vector<int16_t>{1, -1, -2, 5}));
}

TEST(ScaleClasses, WantACodecWithoutATransform) {
  const Result<std::shared_ptr<const StreamContexts>> contexts =
      make_scale_class_contexts(LineScales{}, 0, 0, {.levels = 3, .channels = 4, .chunk_length = 16});
  ASSERT_FALSE(contexts);
  EXPECT_EQ(contexts.error().to_string(), "byte 76: stream has scale classes for a codec of 4 latents for 16 weights");
}

TEST(ScaleClasses, WithATrellisNameTablesOfEvenIntegers) {
  const LineScales lines{{0, 0}, {0, 0}, {3, 40}, {1, -2}};
  const CodecShape codec{.levels = 4, .channels = 4, .chunk_length = 4};
  const Result<std::shared_ptr<const StreamContexts>> without = make_trellis_contexts(lines, 2, 2, codec);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().to_string(), "byte 76: stream follows a trellis, and its codec has none");
  const Trellis trellis{.states = 1};
  CodecShape with = codec;
  with.trellis = &trellis;
  const Result<std::shared_ptr<const StreamContexts>> contexts = make_trellis_contexts(lines, 2, 2, with);
  ASSERT_TRUE(contexts);
  EXPECT_EQ((*contexts)->odd(), 8);
  EXPECT_EQ((*contexts)->trellis(), &trellis);
  std::vector<Context> of_chunk(4);
  (*contexts)->of_chunk({0, 0, 0, 0}, of_chunk);
  EXPECT_EQ(of_chunk, (std::vector<Context>{4, 1, 0, 0})) << "rows past the end have the first table";
  (*contexts)->of_chunk({0, 0, 0, 1}, of_chunk);
  EXPECT_EQ(of_chunk, (std::vector<Context>{7, 7, 0, 0})) << "the last of the even ones";
}

TEST(ScaleClasses, OtherRulesHaveNone) {
  const auto contexts = make_level_channel_contexts({}, 2, 2, {.levels = 2, .channels = 4, .chunk_length = 4});
  ASSERT_TRUE(contexts);
  EXPECT_EQ((*contexts)->scale_classes(), nullptr);
}

}  // namespace
}  // namespace nwc

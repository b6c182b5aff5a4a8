#include "codec/encode/plain_codec.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

TEST(PlainCodec, IsTheIdentityAfterItsWayThroughAFile) {
  const EncoderCodec codec = plain_codec(64, 1.0);
  EXPECT_TRUE(is_plain(codec.decoder));
  const testing::TempDir directory;
  const std::filesystem::path path = directory / "codec.safetensors";
  ASSERT_TRUE(write_tensors(path, decoder_tensors(codec.decoder), {{kVersionKey, "1"}}));
  const Result<SafetensorsFile> file = SafetensorsFile::open(path);
  ASSERT_TRUE(file);
  const Result<DecoderCodec> read = read_decoder_codec(*file);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_TRUE(is_plain(*read));
  EXPECT_EQ(read->levels(), 8u);
  EXPECT_EQ(read->chunk_length(), 16u);
  EXPECT_TRUE(read->tables.set == codec.decoder.tables.set);
}

TEST(PlainCodec, TablesAreThoseOfGaussiansAQuarterOctaveApart) {
  const EncoderCodec codec = plain_codec(64, 1.0);
  ASSERT_EQ(codec.decoder.tables.set.size(), 128u);
  for (size_t t = 40; t < 84; ++t) {
    const FrequencyTable& table = codec.decoder.tables.set[t];
    double square = 0, total = 0;
    for (uint32_t s = 0; s < table.count(); ++s) {
      const double v = table.symbols().value_of(s, 0) + ((1 << table.shift) - 1) / 2.0;
      square += v * v * table.frequencies[s];
      total += table.frequencies[s];
    }
    const double spread = std::exp2(1.0 + (static_cast<double>(t) - 64) / 4);
    double of_gaussian = 0;  // rounded to integers
    for (int v = 1; v < 40 * spread + 2; ++v)
      of_gaussian +=
          v * v * (std::erf((v + 0.5) / spread / std::sqrt(2)) - std::erf((v - 0.5) / spread / std::sqrt(2)));
    EXPECT_NEAR(square / total, of_gaussian, 0.05 * of_gaussian + 0.001) << t;
  }
}

TEST(PlainCodec, OthersAreNot) {
  EXPECT_FALSE(is_plain(testing::linear_codec().decoder));
  EXPECT_FALSE(is_plain(testing::residual_codec().decoder));
  EncoderCodec codec = plain_codec(64, 0);
  codec.decoder.synthesis.out_weight[1] = 0.5f;
  EXPECT_FALSE(is_plain(codec.decoder));
}

}  // namespace
}  // namespace nwc

#include "codec/encode/plain_codec.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

TEST(PlainCodec, IsTheIdentityAfterItsWayThroughAFile) {
  const EncoderCodec codec = plain_codec(8, 3, 1.0);
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

TEST(PlainCodec, TablesAreThoseOfGaussiansHalfAnOctaveApart) {
  const EncoderCodec codec = plain_codec(8, 3, 1.0);
  for (unsigned l = 0; l < 8; ++l) {
    const FrequencyTable& table = codec.decoder.tables.set[l * 16];
    double square = 0, total = 0;
    for (uint32_t s = 0; s < table.count(); ++s) {
      const double v = table.symbols().value_of(s, 0) + ((1 << table.shift) - 1) / 2.0;
      square += v * v * table.frequencies[s];
      total += table.frequencies[s];
    }
    const double spread = std::exp2(1.0 + (static_cast<double>(l) - 3) / 2);
    EXPECT_NEAR(square / total, spread * spread + 1.0 / 12, 0.05 * spread * spread) << l;
  }
}

TEST(PlainCodec, OthersAreNot) {
  EXPECT_FALSE(is_plain(testing::linear_codec().decoder));
  EXPECT_FALSE(is_plain(testing::residual_codec().decoder));
  EncoderCodec codec = plain_codec(2, 0, 0);
  codec.decoder.synthesis.out_weight[1] = 0.5f;
  EXPECT_FALSE(is_plain(codec.decoder));
}

}  // namespace
}  // namespace nwc

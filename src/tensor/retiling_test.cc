// Streams whose symbols are laid out anew: what an encoder writes with that layout, and the same weights.
#include "tensor/retiling.h"

#include <gtest/gtest.h>

#include <random>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"
#include "guide/sensitivity.h"
#include "support/encoded_tensors.h"

namespace nwc {
namespace {

using testing::decode;
using testing::encode;
using testing::linear_encoder;
using testing::mixed_levels;
using testing::open;
using testing::OwnedMatrix;
using testing::random_values;

std::vector<std::byte> retiled(const TensorDecoder& decoder, const TileLayout& layout, int threads = 2) {
  Result<std::vector<std::byte>> stream = retile(decoder, layout, threads);
  EXPECT_TRUE(stream.ok()) << stream.error().to_string();
  return stream ? *std::move(stream) : std::vector<std::byte>();
}

TEST(Retile, IsWhatTheEncoderWrites) {
  std::mt19937 random(5);
  std::vector<float> values = random_values(2 * 85 * 90, 1, random);
  values[1000] = 5000;  // escapes
  values[9000] = -300;
  const OwnedMatrix m("w", DType::kF32, {2, 85, 90}, values);
  EncoderCodec patching = testing::residual_codec();
  patching.nmse = {1e-2f, 1e-2f};  // what it does worse than promised are patches
  const Encoder residual(patching, testing::kCodecId);
  for (const Encoder* encoder : {&linear_encoder(), &residual}) {
    const std::vector<uint8_t> levels = mixed_levels(m.matrix(), encoder->codec().parts().levels());
    const EncodedTensor first = encode(m, *encoder, levels, {.own_tables = false});
    const TensorDecoder decoder = open(m, first, *encoder);
    EXPECT_EQ(first.statistics.patches > 0, encoder == &residual);
    for (const uint32_t tile_chunks : {32u, 96u, 65536u}) {
      for (const uint16_t run_groups : {uint16_t{1}, uint16_t{5}}) {
        const EncodedTensor wanted =
            encode(m, *encoder, levels, {.tile_chunks = tile_chunks, .run_groups = run_groups, .own_tables = false});
        EXPECT_EQ(retiled(decoder, {tile_chunks, run_groups}), wanted.stream) << tile_chunks << " " << run_groups;
        EXPECT_EQ(retiled(open(m, wanted, *encoder), {2048, 64}, 1), first.stream);
      }
    }
    EXPECT_EQ(retiled(decoder, {}), first.stream);
  }
}

TEST(Retile, KeepsOwnTables) {
  std::mt19937 random(6);
  std::vector<float> values(256 * 256);  // nothing like what the codec's tables expect
  for (float& v : values) v = random() % 2 == 0 ? 1.0f : -1.0f;
  const OwnedMatrix m("w", DType::kF16, {256, 256}, values);
  const EncodedTensor first = encode(m, linear_encoder());
  ASSERT_TRUE(first.header.has_own_tables);
  EncodedTensor other = first;
  other.stream = retiled(open(m, first, linear_encoder()), {.tile_chunks = 64});
  EXPECT_NE(other.stream.size(), first.stream.size());
  const TensorDecoder decoder = open(m, other, linear_encoder());
  EXPECT_TRUE(decoder.has_own_tables());
  EXPECT_EQ(decode(decoder, DType::kF16), decode(open(m, first, linear_encoder()), DType::kF16));
}

TEST(Retile, FollowsATrellis) {
  std::mt19937 random(7);
  std::vector<float> values = random_values(2 * 100 * 50, 0.05f, random);
  values[123] = 40;  // spelled out
  const OwnedMatrix m("w", DType::kF32, {2, 100, 50}, values);
  TensorGuide guide;
  LineScales& lines = guide.lines.emplace();
  lines.column_steps.assign(100, -40);
  lines.row_steps.assign(200, -8);
  lines.column_spreads.assign(100, 44);
  lines.row_spreads.assign(200, -4);
  const EncoderCodec codec = trellis_codec(make_trellis(8), kCentreContext, 2.0);
  const Encoder encoder(codec, testing::kCodecId);
  const auto encoded_in = [&](uint32_t tile_chunks) {
    EncodeOptions options{.tile_chunks = tile_chunks, .rate_weight = kBestTrellisRateWeight};
    options.normalisation = {.kind = Normalisation::kTensor, .gain = 2};
    Result<EncodedTensor> encoded = encode_tensor(m.matrix(), guide, encoder, options, 2);
    EXPECT_TRUE(encoded.ok());
    return *std::move(encoded);
  };
  const EncodedTensor first = encoded_in(1024), wanted = encoded_in(32);
  EXPECT_GT(first.statistics.escapes, 0u);
  EXPECT_EQ(retiled(open(m, first, encoder), {32, 64}), wanted.stream);  // runs of one group, whatever is asked for
}

TEST(Retile, OfATensorWithoutWeights) {
  const OwnedMatrix m("w", DType::kF32, {0, 5}, {});
  const EncodedTensor first = encode(m, linear_encoder());
  EXPECT_EQ(retiled(open(m, first, linear_encoder()), {2048, 64}), first.stream);
}

TEST(Retile, RefusesDamageAndOtherLayouts) {
  std::mt19937 random(8);
  const OwnedMatrix m("w", DType::kF32, {64, 64}, random_values(4096, 1, random));
  EncodedTensor encoded = encode(m, linear_encoder());
  for (const TileLayout& layout : {TileLayout{33, 1}, TileLayout{65568, 1}, TileLayout{64, 2049}}) {
    const auto refused = retile(open(m, encoded, linear_encoder()), layout, 1);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  }
  encoded.stream.back() ^= std::byte{1};
  const auto refused = retile(open(m, encoded, linear_encoder()), {64, 1}, 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace nwc

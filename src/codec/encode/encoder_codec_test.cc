#include "codec/encode/encoder_codec.h"

#include <gtest/gtest.h>

#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

using testing::TempDir;

EncoderCodec sample() {
  EncoderCodec codec = testing::residual_codec();
  // Two sets of a density with a hidden layer of 3.
  codec.density = {2,
                   5,
                   {{3, 1, std::vector<float>(30, 0.5f), std::vector<float>(30, 0.25f), std::vector<float>(30, -0.5f)},
                    {1, 3, std::vector<float>(30, 1.5f), std::vector<float>(10, 0.75f), {}}}};
  codec.nmse = {0.5f, 0.25f};
  codec.metadata = {{"nwcodec.lambda", "1000"}};
  return codec;
}

TEST(EncoderCodec, RoundTrip) {
  const TempDir dir;
  const EncoderCodec codec = sample();
  ASSERT_TRUE(write_encoder_codec(dir / "c.safetensors", codec).ok());
  const Result<EncoderCodec> back = read_encoder_codec(dir / "c.safetensors");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(back->analysis.out_weight, codec.analysis.out_weight);
  EXPECT_EQ(back->analysis.blocks[0].gain, codec.analysis.blocks[0].gain);
  EXPECT_EQ(back->decoder.tables.set, codec.decoder.tables.set);
  EXPECT_EQ(back->density.sets, 2u);
  ASSERT_EQ(back->density.layers.size(), 2u);
  EXPECT_EQ(back->density.layers[0].factor, codec.density.layers[0].factor);
  EXPECT_EQ(back->density.layers[1].matrix, codec.density.layers[1].matrix);
  EXPECT_EQ(back->density.layers[1].inputs, 3u);
  EXPECT_TRUE(back->density.layers[1].factor.empty());
  EXPECT_EQ(back->nmse, codec.nmse);
  EXPECT_EQ(back->metadata.at("nwcodec.lambda"), "1000");
  EXPECT_EQ(back->metadata.at("nwcodec.format_version"), "1");
  ASSERT_TRUE(write_encoder_codec(dir / "again.safetensors", *back).ok());
  EXPECT_EQ(testing::read_file(dir / "again.safetensors"), testing::read_file(dir / "c.safetensors"));
}

TEST(EncoderCodec, TheDecodersHalfCannotCompress) {
  const TempDir dir;
  ASSERT_TRUE(write_tensors(dir / "c.safetensors", decoder_tensors(sample().decoder), {{kVersionKey, "1"}}).ok());
  const Result<EncoderCodec> codec = read_encoder_codec(dir / "c.safetensors");
  ASSERT_FALSE(codec.ok());
  EXPECT_EQ(codec.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(codec.error().message(), "is the decoder's half of a codec and cannot compress");
}

// The tensor that the error names after the codec was changed and written; empty if it was read.
template <class Change>
std::string blamed(const Change& change) {
  const TempDir dir;
  EncoderCodec codec = sample();
  change(codec);
  EXPECT_TRUE(write_encoder_codec(dir / "c.safetensors", codec).ok());
  const Result<EncoderCodec> back = read_encoder_codec(dir / "c.safetensors");
  if (back.ok()) return "";
  EXPECT_EQ(back.error().code(), ErrorCode::kCorrupt) << back.error().to_string();
  EXPECT_EQ(back.error().file(), (dir / "c.safetensors").string());
  return back.error().tensor();
}

TEST(EncoderCodec, PartsThatDoNotFitAreNamed) {
  std::mt19937 random(1);
  EXPECT_EQ(blamed([](EncoderCodec&) {}), "");
  EXPECT_EQ(blamed([&](EncoderCodec& c) { c.analysis = testing::random_transform(15, 5, 24, 1, 2, 1, random); }),
            "g_a.out.weight");
  EXPECT_EQ(blamed([&](EncoderCodec& c) { c.analysis = testing::random_transform(16, 6, 24, 1, 2, 1, random); }),
            "g_a.out.weight");
  EXPECT_EQ(blamed([&](EncoderCodec& c) { c.analysis = testing::random_transform(16, 5, 24, 1, 3, 1, random); }),
            "g_a.out.weight");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.density = testing::logistic_density(4); }), "density.0.matrix");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.density.layers.pop_back(); }), "density.1.matrix");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.density.layers.clear(); }), "density.0.matrix");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.nmse.push_back(1); }), "quality.nmse");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.nmse[1] = 0; }), "quality.nmse");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.nmse[0] = -1; }), "quality.nmse");
  EXPECT_EQ(blamed([](EncoderCodec& c) { c.nmse[0] = std::nanf(""); }), "quality.nmse");
}

}  // namespace
}  // namespace nwc

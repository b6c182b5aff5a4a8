#include "model/encoders/encoder_inputs.h"

#include <gtest/gtest.h>

#include <limits>

#include "libtorch/tensors.h"
#include "model/families/family.h"
#include "support/safetensors_builder.h"
#include "support/toy_encoder.h"

namespace nwc {
namespace {

using testing::raw;
using testing::SafetensorsBuilder;

class EncoderInputsTest : public ::testing::Test {
 protected:
  EncoderInputsTest() {
    model_.towers.resize(2);
    model_.towers[0].name = "vision";
    PatchInputSpec patches;
    patches.projection.shape = {8, 1, 2, 2};
    patches.image_size = 2;
    model_.towers[0].input = patches;
    model_.towers[1].name = "text";
    model_.towers[1].input = TokenInputSpec{{"tokens", {10, 8}}, {"positions", {3, 8}}};
  }
  Result<EncoderInputs> open(const SafetensorsBuilder& file) const {
    return EncoderInputs::open(dir_.add("in.safetensors", file.bytes()), model_);
  }
  std::string refusal(const SafetensorsBuilder& file) const {
    const Result<EncoderInputs> inputs = open(file);
    return inputs ? "no error" : inputs.error().message();
  }
  PatchInputSpec& patches() { return std::get<PatchInputSpec>(model_.towers[0].input); }

  testing::TempDir dir_;
  EncoderModelSpec model_;
};

TEST_F(EncoderInputsTest, BatchesOfAllDtypes) {
  const Result<EncoderInputs> inputs =
      open(SafetensorsBuilder()
               .add("pixel_values", "BF16", {2, 1, 2, 2}, raw<uint16_t>({0x3F80, 0, 0, 0xC000, 0, 0x3F80, 0, 0}))
               .add("input_ids", "I32", {3, 2}, raw<int32_t>({0, 9, 1, 2, 3, 4}))
               .add("label_embeds", "F32", {1, 8}, raw<float>({1, 2, 3, 4, 5, 6, 7, 8})));
  ASSERT_TRUE(inputs) << inputs.error().to_string();
  EXPECT_EQ(inputs->count("vision"), 2);
  EXPECT_EQ(inputs->count("text"), 3);
  EXPECT_TRUE(torch::equal(inputs->batch("vision", 0, 1), torch::tensor({1.f, 0.f, 0.f, -2.f}).view({1, 1, 2, 2})));
  EXPECT_TRUE(torch::equal(inputs->batch("vision", 1, 1), torch::tensor({0.f, 1.f, 0.f, 0.f}).view({1, 1, 2, 2})));
  EXPECT_TRUE(torch::equal(inputs->batch("text", 1, 2), torch::tensor({{1, 2}, {3, 4}}, torch::kInt64)));
  EXPECT_EQ(inputs->labels(), 1);
  EXPECT_EQ(inputs->label_features(), 8);
  EXPECT_TRUE(torch::equal(inputs->label_embeds(), torch::arange(1, 9, torch::kFloat32).view({1, 8})));
  EXPECT_NE(inputs->hash("vision"), inputs->hash("text"));
}

TEST_F(EncoderInputsTest, TextsMayBeAbsentImagesMayNot) {
  const Result<EncoderInputs> inputs =
      open(SafetensorsBuilder().add("pixel_values", "F32", {1, 1, 2, 2}, raw<float>({1, 2, 3, 4})));
  ASSERT_TRUE(inputs) << inputs.error().to_string();
  EXPECT_EQ(inputs->count("text"), 0);
  EXPECT_EQ(inputs->hash("text"), 0u);
  EXPECT_EQ(inputs->labels(), 0);
  EXPECT_EQ(refusal(SafetensorsBuilder().add("images", "F32", {1, 1, 2, 2}, raw<float>({1, 2, 3, 4}))),
            "holds no pixel_values");
}

TEST_F(EncoderInputsTest, WhatTheModelCannotTake) {
  const std::string four = raw<float>({1, 2, 3, 4});
  EXPECT_EQ(refusal(SafetensorsBuilder().add("pixel_values", "F32", {1, 2, 2}, four)),
            "has shape [1, 2, 2]; 4 dimensions and at least one element are needed");
  EXPECT_EQ(refusal(SafetensorsBuilder().add("pixel_values", "F32", {0, 1, 2, 2}, "")),
            "has shape [0, 1, 2, 2]; 4 dimensions and at least one element are needed");
  EXPECT_EQ(refusal(SafetensorsBuilder().add("pixel_values", "I32", {1, 1, 2, 2}, four)),
            "has dtype I32; F32, F16 or BF16 are read");
  EXPECT_EQ(refusal(SafetensorsBuilder().add("pixel_values", "F32", {1, 2, 1, 2}, four)),
            "has 2 channels, the model takes 1");
  EXPECT_EQ(refusal(SafetensorsBuilder().add("pixel_values", "F32", {1, 1, 1, 4}, four)),
            "has images of 1 x 4, the model takes 2 x 2");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(
      refusal(SafetensorsBuilder().add("pixel_values", "F32", {2, 1, 2, 2}, raw<float>({1, 2, 3, 4, 1, nan, 3, 4}))),
      "holds a value that is not finite, in row 1");
  patches().resize_positions = true;
  EXPECT_EQ(refusal(SafetensorsBuilder().add("pixel_values", "F32", {1, 1, 1, 4}, four)),
            "has images of 1 x 4, smaller than a patch of 2 x 2");
  EXPECT_EQ(
      refusal(SafetensorsBuilder().add("pixel_values", "F32", {1, 1, 2, 4}, raw<float>({1, 2, 3, 4, 5, 6, 7, 8}))),
      "no error");
  const auto with_ids = [&](std::vector<uint64_t> shape, std::vector<int32_t> ids) {
    return refusal(SafetensorsBuilder()
                       .add("pixel_values", "F32", {1, 1, 2, 2}, four)
                       .add("input_ids", "I32", shape, raw<int32_t>(ids)));
  };
  EXPECT_EQ(with_ids({1, 2}, {0, 10}), "holds id 10, outside the vocabulary of 10");
  EXPECT_EQ(with_ids({1, 2}, {-1, 1}), "holds id -1, outside the vocabulary of 10");
  EXPECT_EQ(with_ids({1, 4}, {1, 1, 1, 1}), "has texts of 4 tokens, the model takes 3");
  EXPECT_EQ(with_ids({2}, {1, 1}), "has shape [2]; [texts, length] is needed");
}

}  // namespace
}  // namespace nwc

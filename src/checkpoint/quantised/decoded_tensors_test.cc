#include "checkpoint/quantised/decoded_tensors.h"

#include <gtest/gtest.h>

#include "checkpoint/index.h"
#include "checkpoint/quantised/stored_format.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::raw;
using testing::SafetensorsBuilder;
using testing::TempDir;

using Names = std::vector<std::string>;

const std::string kCodes(4, '\x38');

Names names_in(const Checkpoint& checkpoint, size_t shard = 0) {
  Names names;
  for (const TensorView& tensor : checkpoint.tensors(checkpoint.shards()[shard])) names.push_back(tensor.name);
  return names;
}

Checkpoint opened(const TempDir& dir, const SafetensorsBuilder& file, const std::string& config) {
  dir.add("model.safetensors", file.bytes());
  dir.add("config.json", config);
  Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  if (!checkpoint) throw std::runtime_error(checkpoint.error().to_string());
  return *std::move(checkpoint);
}

constexpr const char* kFp8 = R"({"quantization_config": {"quant_method": "FP8"}})";

TEST(DecodedTensors, ScalesHaveManyNames) {
  for (const char* scales : {"a.weight_scale_inv", "a.weight_scale", "a.scale", "a.qscale_weight"}) {
    const TempDir dir;
    const Checkpoint checkpoint = opened(
        dir, SafetensorsBuilder().add("a.weight", "F8_E4M3", {2, 2}, kCodes).add(scales, "F32", {1}, raw<float>({3})),
        kFp8);
    EXPECT_EQ(names_in(checkpoint), Names{"a.weight"});
    EXPECT_EQ(checkpoint.find("a.weight").tensor->dtype, DType::kBF16);
    EXPECT_EQ(checkpoint.notes(), Names{"1 tensors in F8_E4M3 are decoded to BF16 by their scales: a.weight"});
  }
}

TEST(DecodedTensors, ScalesMayStandInAnotherShard) {
  const TempDir dir;
  const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
  dir.add(first, SafetensorsBuilder().add("a.weight_scale_inv", "F32", {2, 1}, raw<float>({3, 5})).bytes());
  dir.add(second, SafetensorsBuilder().add("a.weight", "F8_E4M3", {2, 2}, kCodes).bytes());
  dir.add("config.json", kFp8);
  ASSERT_TRUE(write_index(dir.path(), 12, {{"a.weight", second}, {"a.weight_scale_inv", first}}).ok());
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_EQ(names_in(*checkpoint, 0), Names{});
  EXPECT_EQ(names_in(*checkpoint, 1), Names{"a.weight"});
  EXPECT_EQ(checkpoint->find("a.weight").shard, &checkpoint->shards()[1]);
  const Result<TensorValues> values = values_of(*checkpoint->find("a.weight").tensor, 1);
  ASSERT_TRUE(values.ok());
  EXPECT_EQ(testing::text_of(values->bytes), raw<uint16_t>({0x4040, 0x4040, 0x40A0, 0x40A0}));  // 3, 3, 5, 5
}

TEST(DecodedTensors, ScalesOfActivationsGoWithTheirModule) {
  const TempDir dir;
  const Checkpoint checkpoint = opened(dir,
                                       SafetensorsBuilder()
                                           .add("a.weight", "F8_E5M2", {2, 2}, kCodes)
                                           .add("a.weight_scale", "F32", {2, 1}, raw<float>({3, 1}))
                                           .add("a.input_scale", "F32", {}, raw<float>({2}))
                                           .add("b.input_scale", "F32", {}, raw<float>({2})),
                                       kFp8);
  EXPECT_EQ(names_in(checkpoint), (Names{"a.weight", "b.input_scale"}));
  EXPECT_EQ(checkpoint.notes(), (Names{"1 tensors in F8_E5M2 are decoded to BF16 by scales for each row: a.weight",
                                       "1 scales of activations are left out: they go with FP8"}));
}

TEST(DecodedTensors, WithoutAQuantisationConfigFloatsAreCast) {
  const TempDir dir;
  const Checkpoint checkpoint =
      opened(dir, SafetensorsBuilder().add("a.weight", "F8_E4M3", {2, 2}, kCodes), R"({"torch_dtype": "float32"})");
  EXPECT_EQ(checkpoint.find("a.weight").tensor->dtype, DType::kF32);
  EXPECT_EQ(checkpoint.notes(), Names{"1 tensors in F8_E4M3 are decoded to F32 without scales: a.weight"});
}

TEST(DecodedTensors, BesideWeightsThatArePackedNothingIsDecoded) {
  const TempDir dir;
  const Checkpoint checkpoint = opened(dir,
                                       SafetensorsBuilder()
                                           .add("a.weight", "F8_E4M3", {2, 2}, kCodes)
                                           .add("a.weight_scale", "F32", {1}, raw<float>({3}))
                                           .add("b.weight_packed", "I32", {1, 1}, raw<int32_t>({3})),
                                       R"({"quantization_config": {"quant_method": "compressed-tensors"}})");
  EXPECT_EQ(checkpoint.find("a.weight").tensor->dtype, DType::kF8E4M3);
  EXPECT_EQ(names_in(checkpoint).size(), 3u);
  EXPECT_FALSE(checkpoint.decodes_quantised());
}

TEST(DecodedTensors, InACompressedCheckpointEverythingIsAsItIsStored) {
  const TempDir dir;
  dir.add("codec.safetensors", SafetensorsBuilder().add("decoder", "U8", {1}, "1").bytes());
  const Checkpoint checkpoint =
      opened(dir, SafetensorsBuilder().add("a.weight", "F8_E4M3", {2, 2}, kCodes).add("b", "F64", {0}, ""), kFp8);
  EXPECT_EQ(checkpoint.find("a.weight").tensor->dtype, DType::kF8E4M3);
  EXPECT_EQ(checkpoint.find("b").tensor->dtype, DType::kF64);
  EXPECT_EQ(checkpoint.notes(), Names{});
}

}  // namespace
}  // namespace nwc

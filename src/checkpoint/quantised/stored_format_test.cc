#include "checkpoint/quantised/stored_format.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <set>
#include <string>

#include "base/bytes.h"
#include "base/half.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::raw;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::text_of;

constexpr const char* kFp8 = R"("quantization_config": {"quant_method": "fp8"})";

// Opens a checkpoint of one file.
Result<Checkpoint> opened(const TempDir& dir, const std::string& file, const std::string& config = kFp8) {
  dir.add("model.safetensors", file);
  dir.add("config.json", "{" + config + "}");
  return Checkpoint::open(dir.path());
}

// The error of opening a checkpoint, or of decoding its tensor "l.weight", without the directory's name.
std::string refusal(const SafetensorsBuilder& file, const std::string& config = kFp8) {
  const TempDir dir;
  const Result<Checkpoint> checkpoint = opened(dir, file.bytes(), config);
  Error error(ErrorCode::kInternal, "decoded without an error");
  if (!checkpoint) {
    error = checkpoint.error();
  } else if (const auto values = values_of(*checkpoint->find("l.weight").tensor, 1); !values) {
    error = values.error();
  }
  std::string text = error.to_string();
  const size_t at = text.find(dir.path().string());
  if (at != std::string::npos) text.erase(at, dir.path().string().size() + 1);
  return text;
}

std::vector<float> floats_of(const Checkpoint& checkpoint, const std::string& name) {
  const Result<TensorValues> values = values_of(*checkpoint.find(name).tensor, 2);
  std::vector<float> floats;
  if (!values) return floats;
  const bool wide = checkpoint.find(name).tensor->dtype == DType::kF32;
  for (size_t i = 0; i < values->bytes.size(); i += wide ? 4 : 2) {
    floats.push_back(wide ? load_le<float>(values->bytes.data() + i)
                          : float_from_bf16(load_le<uint16_t>(values->bytes.data() + i)));
  }
  return floats;
}

// Weights and scales as DeepSeek, Qwen, Mistral, ModelOpt and compressed-tensors store them, and what transformers 5.24
// makes of them (tests/data/float8/make.py).
TEST(StoredFormat, EqualsTransformersToTheBit) {
  const fs::path data = fs::path(NWC_SOURCE_DIR) / "tests/data/float8/dequantised.safetensors";
  for (const auto& [dtype, ending] : {std::pair("bfloat16", ":BF16"), {"float16", ":F16"}, {"float32", ":F32"}}) {
    const TempDir dir;
    fs::copy_file(data, dir / "model.safetensors");
    dir.add("config.json", std::string(R"({"dtype": ")") + dtype + "\", " + kFp8 + "}");
    const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    EXPECT_TRUE(checkpoint->decodes_quantised());
    size_t compared = 0;
    for (const TensorView& tensor : checkpoint->tensors(checkpoint->shards()[0])) {
      if (tensor.stored == nullptr) continue;
      EXPECT_EQ(checkpoint->find(tensor.name + "_scale_inv").tensor, nullptr);
      const TensorView* expected = checkpoint->find(tensor.name + ending).tensor;
      ASSERT_NE(expected, nullptr) << tensor.name;
      EXPECT_EQ(tensor.dtype, expected->dtype);
      for (const int threads : {1, 3}) {
        const Result<TensorValues> values = values_of(tensor, threads);
        ASSERT_TRUE(values.ok()) << values.error().to_string();
        EXPECT_TRUE(text_of(values->bytes) == text_of(expected->bytes)) << tensor.name << ending;
      }
      ++compared;
    }
    EXPECT_EQ(compared, 9u);
  }
}

// 40 = 2 * 16 + 8 rows: the last block is smaller, as in DeepSeek's kv_a_proj_with_mqa (576 rows in blocks of 128).
TEST(StoredFormat, BlocksOfTheConfigMayBeCutAtTheEdges) {
  const TempDir dir;
  const std::string file = SafetensorsBuilder()
                               .add("l.weight", "F8_E4M3", {40, 20}, std::string(800, '\x38'))  // ones
                               .add("l.weight_scale_inv", "F32", {3, 2}, raw<float>({1, 2, 3, 4, 5, 6}))
                               .bytes();
  const auto checkpoint =
      opened(dir, file, R"("quantization_config": {"quant_method": "fp8", "weight_block_size": [16, 16]})");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  const std::vector<float> values = floats_of(*checkpoint, "l.weight");
  ASSERT_EQ(values.size(), 800u);
  for (size_t row = 0; row < 40; ++row) {
    for (size_t column = 0; column < 20; ++column)
      EXPECT_EQ(values[row * 20 + column], static_cast<float>(row / 16 * 2 + column / 16 + 1));
  }
  EXPECT_EQ(
      checkpoint->notes(),
      std::vector<std::string>{"1 tensors in F8_E4M3 are decoded to BF16 by scales for blocks of 16 x 16: l.weight"});
}

// compressed-tensors multiplies in the scales' dtype: 448 * 200 is infinite in F16, 0.4375 * 0.00006 is rounded twice.
TEST(StoredFormat, CompressedTensorsRoundsToTheScalesDtype) {
  const TempDir dir;
  const std::string file = SafetensorsBuilder()
                               .add("a.weight", "F8_E4M3", {1, 2}, "\x7E\x01")
                               .add("a.weight_scale", "F16", {1, 1}, raw<uint16_t>({half_from_float(200)}))
                               .bytes();
  const auto checkpoint =
      opened(dir, file, R"("dtype": "float32", "quantization_config": {"quant_method": "compressed-tensors"})");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  const std::vector<float> values = floats_of(*checkpoint, "a.weight");
  EXPECT_EQ(values, (std::vector<float>{std::numeric_limits<float>::infinity(), 0.390625f}));
}

TEST(StoredFormat, Float64BecomesFloat32) {
  const TempDir dir;
  const auto checkpoint =
      opened(dir, SafetensorsBuilder().add("l.weight", "F64", {2, 1}, raw<double>({0.1, -1e-60})).bytes(), "");
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_TRUE(checkpoint->narrows_f64());
  EXPECT_FALSE(checkpoint->decodes_quantised());
  EXPECT_EQ(checkpoint->find("l.weight").tensor->dtype, DType::kF32);
  EXPECT_EQ(floats_of(*checkpoint, "l.weight"), (std::vector<float>{0.1f, -0.0f}));
  EXPECT_EQ(checkpoint->notes(), std::vector<std::string>{"1 tensors in F64 are taken as F32: l.weight"});
  EXPECT_EQ(refusal(SafetensorsBuilder().add("l.weight", "F64", {1}, raw<double>({1e300})), ""),
            "tensor 'l.weight': holds 1e+300 in F64, beyond the range of F32");
}

TEST(StoredFormat, DamagedScalesAreNamed) {
  const std::string ones(16 * 16, '\x38');
  const auto with = [&](const std::string& dtype, const std::vector<uint64_t>& shape, const std::string& data) {
    return SafetensorsBuilder()
        .add("l.weight", "F8_E4M3", {16, 16}, ones)
        .add("l.weight_scale_inv", dtype, shape, data);
  };
  const std::string remedy = "; fetch the checkpoint again, or its original in BF16";
  EXPECT_EQ(refusal(SafetensorsBuilder().add("l.weight", "F8_E4M3", {16, 16}, ones)),
            "model.safetensors: tensor 'l.weight': is F8_E4M3, but l.weight_scale_inv or l.weight_scale is missing, "
            "which quantization_config in config.json (fp8) promises" +
                remedy);
  EXPECT_EQ(
      refusal(with("F32", {3, 1}, raw<float>({1, 1, 1}))),
      "model.safetensors: tensor 'l.weight_scale_inv': holds scales of shape [3, 1] for weights of shape [16, 16]" +
          remedy);
  EXPECT_EQ(refusal(with("F32", {2}, raw<float>({1, 1}))),
            "model.safetensors: tensor 'l.weight_scale_inv': holds scales of shape [2] for weights of shape [16, 16]" +
                remedy);
  EXPECT_EQ(
      refusal(with("F32", {0, 1}, "")),
      "model.safetensors: tensor 'l.weight_scale_inv': holds scales of shape [0, 1] for weights of shape [16, 16]" +
          remedy);
  EXPECT_EQ(refusal(with("F32", {1, 1, 1}, raw<float>({1}))), "decoded without an error");
  EXPECT_EQ(
      refusal(with("I32", {1, 1}, raw<int32_t>({1}))),
      "model.safetensors: tensor 'l.weight_scale_inv': holds scales in I32 for weights of shape [16, 16]" + remedy);
  for (const float scale : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(refusal(with("F32", {1, 2}, raw<float>({1, scale}))),
              "tensor 'l.weight': its scales l.weight_scale_inv have one that is not finite, for row 0 and column 8" +
                  remedy);
  }
  EXPECT_EQ(refusal(with("F32", {1, 1}, raw<float>({1})),
                    R"("quantization_config": {"quant_method": "fp8", "weight_block_size": [0, 128]})"),
            "config.json: 'weight_block_size' in quantization_config is [0,128], not two positive integers");
}

}  // namespace
}  // namespace nwc

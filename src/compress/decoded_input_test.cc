// Checkpoints whose numbers are decoded before they are compressed: FP8 with scales, and F64.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/float8.h"
#include "base/half.h"
#include "nwcodec/weights.h"
#include "support/checkpoint_runs.h"

namespace nwc {
namespace {

using testing::compressed;
using testing::contents_of;
using testing::decompressed;
using testing::options_for;
using testing::raw;
using testing::SafetensorsBuilder;
using testing::TinyCheckpoint;

constexpr const char* kUp = "model.layers.0.mlp.up_proj.weight";
constexpr const char* kDown = "model.layers.0.mlp.down_proj.weight";
constexpr const char* kConfig = R"({
  "model_type": "llama",
  "quantization_config": {
    "quant_method": "fp8",
    "weight_block_size": [16, 16]
  },
  "torch_dtype": "bfloat16",
  "hidden_size": 16
}
)";
constexpr const char* kPlainConfig = R"({
  "model_type": "llama",
  "torch_dtype": "bfloat16",
  "hidden_size": 16
}
)";

// Finite codes of [32, 48] E4M3 weights, the scales of their six blocks, and what they stand for in bfloat16.
struct Quantised {
  std::string codes;
  std::vector<float> scales;
  std::vector<uint16_t> weights;
};
Quantised quantised(unsigned seed) {
  std::mt19937 random(seed);
  Quantised q;
  for (int i = 0; i < 6; ++i) q.scales.push_back(0.001f * static_cast<float>(1 + random() % 100));
  for (size_t row = 0; row < 32; ++row) {
    for (size_t column = 0; column < 48; ++column) {
      const auto code = static_cast<uint8_t>(random() % 2 * 128 + random() % 127);
      q.codes += static_cast<char>(code);
      q.weights.push_back(bf16_from_float(float8_values(DType::kF8E4M3)[code] * q.scales[row / 16 * 3 + column / 16]));
    }
  }
  return q;
}

// The scales of the first shard's weights stand in the second.
void write_float8(const TinyCheckpoint& tiny, const Quantised& up, const Quantised& down) {
  const std::string scale = "_scale_inv";
  tiny.write_shards(SafetensorsBuilder()
                        .add(kUp, "F8_E4M3", {32, 48}, up.codes)
                        .add("model.layers.0.norm.weight", "BF16", {2}, raw<uint16_t>({0x3F80, 0x3F81})),
                    SafetensorsBuilder()
                        .add(kUp + scale, "F32", {2, 3}, raw<float>(up.scales))
                        .add(kDown, "F8_E4M3", {32, 48}, down.codes)
                        .add(kDown + scale, "F32", {2, 3}, raw<float>(down.scales)));
  tiny.dir().add("config.json", kConfig);
}

void write_bfloat16(const TinyCheckpoint& tiny, const Quantised& up, const Quantised& down) {
  tiny.write_shards(SafetensorsBuilder()
                        .add(kUp, "BF16", {32, 48}, raw<uint16_t>(up.weights))
                        .add("model.layers.0.norm.weight", "BF16", {2}, raw<uint16_t>({0x3F80, 0x3F81})),
                    SafetensorsBuilder().add(kDown, "BF16", {32, 48}, raw<uint16_t>(down.weights)));
  tiny.dir().add("config.json", kPlainConfig);
}

// A checkpoint in FP8 gives the very files that its BF16 copy gives.
TEST(DecodedInput, Float8CompressesAsItsDecodedCopyDoes) {
  const Quantised up = quantised(1), down = quantised(2);
  const TinyCheckpoint float8, bfloat16;
  write_float8(float8, up, down);
  float8.dir().add("hf_quant_config.json", "{}");
  write_bfloat16(bfloat16, up, down);
  for (const std::vector<std::string>& exclude : {std::vector<std::string>{}, {"down_proj"}}) {
    CompressOptions options = options_for(float8), plain = options_for(bfloat16);
    options.selection.exclude = plain.selection.exclude = exclude;
    options.force = plain.force = true;
    const CompressReport report = compressed(options);
    compressed(plain);
    EXPECT_EQ(contents_of(float8.out()), contents_of(bfloat16.out()));
    EXPECT_EQ(report.warnings,
              (std::vector<std::string>{
                  std::string("2 tensors in F8_E4M3 are decoded to BF16 by scales for blocks of 16 x 16: ") + kUp +
                      ", " + kDown,
                  "hf_quant_config.json is not copied: it describes weights that have been decoded"}));
  }
  decompressed({.input = float8.out(), .output = float8.out("back"), .threads = 1});
  EXPECT_EQ(contents_of(float8.out("back")).at("config.json"), kPlainConfig);
}

TEST(DecodedInput, WeightsReadFloat8) {
  const Quantised up = quantised(1);
  const TinyCheckpoint tiny;
  write_float8(tiny, up, quantised(2));
  const Result<Weights> weights = Weights::open(tiny.model());
  ASSERT_TRUE(weights.ok()) << weights.error().to_string();
  EXPECT_EQ(weights->find(std::string(kUp) + "_scale_inv"), nullptr);
  ASSERT_EQ(weights->find(kUp)->dtype, DType::kBF16);
  std::vector<uint16_t> all(up.weights.size());
  ASSERT_TRUE(weights->read(kUp, DType::kBF16, std::as_writable_bytes(std::span(all)), 2).ok());
  EXPECT_EQ(all, up.weights);
  std::vector<uint16_t> part(3 * 20), expected;
  const WeightSlice slice{.row_begin = 14, .row_end = 17, .column_begin = 10, .column_end = 30};
  ASSERT_TRUE(weights->read(kUp, slice, DType::kBF16, std::as_writable_bytes(std::span(part))).ok());
  for (size_t row = 14; row < 17; ++row)
    expected.insert(expected.end(), &up.weights[row * 48 + 10], &up.weights[row * 48 + 30]);
  EXPECT_EQ(part, expected);
}

// The values count, not how many bits hold them: only the field that names the dtype differs, and the hash over it.
TEST(DecodedInput, Float32CompressesAsTheSameValuesInBfloat16) {
  const Quantised up = quantised(1), down = quantised(2);
  const auto widened = [](const std::vector<uint16_t>& weights) {
    std::vector<float> wide;
    for (const uint16_t w : weights) wide.push_back(float_from_bf16(w));
    return raw<float>(wide);
  };
  const TinyCheckpoint bfloat16, float32;
  write_bfloat16(bfloat16, up, down);
  write_bfloat16(float32, up, down);
  float32.write_shards(SafetensorsBuilder().add(kUp, "F32", {32, 48}, widened(up.weights)),
                       SafetensorsBuilder().add(kDown, "F32", {32, 48}, widened(down.weights)));
  compressed(options_for(bfloat16));
  compressed(options_for(float32));
  EXPECT_EQ(contents_of(float32.out()).at("codec.safetensors"), contents_of(bfloat16.out()).at("codec.safetensors"));
  for (size_t shard = 0; shard < 2; ++shard) {
    const SafetensorsFile narrow = testing::open_file(bfloat16.out() / testing::kShards[shard]);
    const SafetensorsFile wide = testing::open_file(float32.out() / testing::kShards[shard]);
    const std::string name = shard == 0 ? kUp : kDown;
    EXPECT_EQ(testing::text_of(wide.find(name + ".nwc_scales")->bytes),
              testing::text_of(narrow.find(name + ".nwc_scales")->bytes));
    std::string a = testing::text_of(narrow.find(name + ".nwc_stream")->bytes);
    std::string b = testing::text_of(wide.find(name + ".nwc_stream")->bytes);
    EXPECT_EQ(a[72], 3);  // docs/format.md, section 4
    EXPECT_EQ(b[72], 1);
    for (std::string* stream : {&a, &b}) stream->replace(72, 1, 1, '\0').replace(88, 8, 8, '\0');
    EXPECT_EQ(a, b);
  }
}

TEST(DecodedInput, Float64CompressesAsFloat32) {
  const TinyCheckpoint tiny;
  std::mt19937 random(1);
  std::vector<double> wide;
  for (size_t i = 0; i < 32 * 48; ++i) wide.push_back(static_cast<double>(random()) / 4294967296.0 - 0.5);
  tiny.write_shards(SafetensorsBuilder().add(kUp, "F64", {32, 48}, raw<double>(wide)),
                    SafetensorsBuilder().add("model.norm.weight", "F64", {1}, raw<double>({0.1})));
  tiny.dir().add("config.json", R"({"dtype": "float64", "text_config": {"dtype": "float64"}})");
  EXPECT_EQ(compressed(options_for(tiny)).warnings,
            std::vector<std::string>{std::string("2 tensors in F64 are taken as F32: ") + kUp + ", model.norm.weight"});
  decompressed({.input = tiny.out(), .output = tiny.out("back"), .threads = 1});
  EXPECT_EQ(contents_of(tiny.out("back")).at("config.json"),
            R"({"dtype": "float32", "text_config": {"dtype": "float32"}})");
  const SafetensorsFile norm = testing::open_file(tiny.out("back") / testing::kShards[1]);
  EXPECT_EQ(testing::text_of(norm.find("model.norm.weight")->bytes), raw<float>({0.1f}));
}

// A scale that is damaged stops a run before anything is written, and names itself.
TEST(DecodedInput, ADamagedScaleIsNamed) {
  const TinyCheckpoint tiny;
  Quantised up = quantised(1);
  up.scales[4] = std::numeric_limits<float>::quiet_NaN();
  write_float8(tiny, up, quantised(2));
  const Error error = testing::refusal(compress_checkpoint(options_for(tiny), {}), ErrorCode::kCorrupt);
  EXPECT_EQ(error.to_string(), (tiny.model() / testing::kShards[0]).string() + ": tensor '" + kUp + "': its scales " +
                                   kUp +
                                   "_scale_inv have one that is not finite, for row 16 and column 16; fetch the "
                                   "checkpoint again, or its original in BF16");
}

}  // namespace
}  // namespace nwc

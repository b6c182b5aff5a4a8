// DeepSeek V3 in the layout that it is published in: FP8 with a scale per block, blocks cut at the edges. What reads it
// must see what its BF16 copy holds.
#include "base/float8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/half.h"
#include "calibrate/calibrate.h"
#include "compress/compress.h"
#include "nwcodec/decompress.h"
#include "support/fixtures.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::raw;
using testing::SafetensorsBuilder;

constexpr uint64_t kBlock = 24;  // divides few of the model's sides

// The code whose value is nearest.
uint8_t float8_of(float value) {
  const std::array<float, 256>& values = float8_values(DType::kF8E4M3);
  uint8_t best = 0;
  for (unsigned code = 0; code < 256; ++code) {
    if (std::abs(values[code] - value) < std::abs(values[best] - value)) best = static_cast<uint8_t>(code);
  }
  return best;
}

struct Files {
  SafetensorsBuilder float8, bfloat16;
  size_t quantised = 0;
};

Files in_float8(const fs::path& fixture) {
  const Checkpoint checkpoint = testing::value_of(Checkpoint::open(fixture));
  Files files;
  for (const TensorView& t : checkpoint.shards()[0].tensors()) {
    const bool linear = t.shape.size() == 2 && t.name.find("_proj") != std::string::npos;
    if (!linear) {
      for (SafetensorsBuilder* file : {&files.float8, &files.bfloat16})
        file->add(t.name, std::string(name_of(t.dtype)), t.shape, testing::text_of(t.bytes));
      continue;
    }
    const uint64_t rows = t.shape[0], columns = t.shape[1];
    const uint64_t grid_rows = (rows + kBlock - 1) / kBlock, grid_columns = (columns + kBlock - 1) / kBlock;
    const auto at = [&](uint64_t r, uint64_t c) {
      return float_from_bf16(load_le<uint16_t>(t.bytes.data() + 2 * (r * columns + c)));
    };
    std::vector<float> scales(grid_rows * grid_columns);
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t c = 0; c < columns; ++c) {
        float& scale = scales[r / kBlock * grid_columns + c / kBlock];
        scale = std::max(scale, std::abs(at(r, c)) / 448);
      }
    }
    std::vector<uint8_t> codes;
    std::vector<uint16_t> decoded;
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t c = 0; c < columns; ++c) {
        const float scale = scales[r / kBlock * grid_columns + c / kBlock];
        codes.push_back(float8_of(at(r, c) / scale));
        decoded.push_back(bf16_from_float(float8_values(DType::kF8E4M3)[codes.back()] * scale));
      }
    }
    files.float8.add(t.name, "F8_E4M3", t.shape, raw<uint8_t>(codes));
    files.float8.add(t.name + "_scale_inv", "F32", {grid_rows, grid_columns}, raw<float>(scales));
    files.bfloat16.add(t.name, "BF16", t.shape, raw<uint16_t>(decoded));
    ++files.quantised;
  }
  return files;
}

TEST(Float8, DeepSeekIsReadAsItsBfloat16Copy) {
  const fs::path fixture = testing::committed_fixture("deepseek_v3");
  const Files files = in_float8(fixture);
  ASSERT_GT(files.quantised, 10u);
  std::string config = testing::read_file(fixture / "config.json");
  const testing::TempDir float8, bfloat16, work;
  float8.add("model.safetensors", files.float8.bytes());
  bfloat16.add("model.safetensors", files.bfloat16.bytes());
  bfloat16.add("config.json", config);
  config.insert(1, R"("quantization_config": {"quant_method": "fp8", "weight_block_size": [24, 24]},)");
  float8.add("config.json", config);

  const testing::Expected inputs(fixture);
  const at::Tensor logits = testing::outputs_of(float8.path(), inputs).at("logits"),
                   copy = testing::outputs_of(bfloat16.path(), inputs).at("logits");
  EXPECT_EQ(testing::relative_error(logits, copy), 0);
  EXPECT_LT(testing::relative_error(logits, inputs["logits"]), 0.7) << "eight bits, not another model";

  CalibrationText text{"text", {}};
  for (int i = 0; i < 512; ++i) text.ids.push_back((i * i + 3 * i) % 64);
  for (const testing::TempDir* model : {&float8, &bfloat16}) {
    const fs::path hessians = work / (model == &float8 ? "hessians8" : "hessians16");
    const fs::path packed = work / (model == &float8 ? "packed8" : "packed16");
    const auto calibrated = calibrate(
        {.model = model->path(), .output = hessians, .sequences = 8, .length = 64, .threads = 1}, {&text, 1}, {});
    ASSERT_TRUE(calibrated) << calibrated.error().to_string();
    const Result<CompressReport> report =
        compress_checkpoint({.model = model->path(),
                             .output = packed,
                             .codecs = {NWC_SOURCE_CODECS "/fast-10000.safetensors"},
                             .encode = {.normalisation = {.kind = Normalisation::kBoth}},
                             .hessians = hessians,
                             .threads = 1},
                            {});
    ASSERT_TRUE(report) << report.error().to_string();
  }
  EXPECT_EQ(testing::read_file(work / "packed8/model.safetensors"),
            testing::read_file(work / "packed16/model.safetensors"));
  ASSERT_TRUE(decompress_checkpoint({.input = work / "packed8", .output = work / "plain"}, {}));
  EXPECT_EQ(testing::read_file(work / "plain/config.json").find("quantization_config"), std::string::npos);
  EXPECT_LT(testing::relative_error(testing::outputs_of(work / "plain", inputs).at("logits"), logits), 0.7);
}

}  // namespace
}  // namespace nwc

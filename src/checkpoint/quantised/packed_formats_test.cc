#include "checkpoint/quantised/packed_formats.h"

#include <gtest/gtest.h>

#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::SafetensorsBuilder;
using testing::TempDir;

struct Case {
  const char *tensor, *dtype;
  std::vector<uint64_t> shape;
  size_t bytes;
  const char *config, *name;
};

TEST(PackedFormats, AreRecognisedByConfigAndByNames) {
  const std::string l = "model.layers.0.mlp.up_proj.";
  for (const Case& c : {
           Case{"qweight", "I32", {2, 4}, 32, R"("quantization_config": {"quant_method": "gptq"})", "GPTQ"},
           Case{"qweight", "I32", {2, 4}, 32, R"("quantization_config": {"quant_method": "awq"})", "AWQ"},
           Case{"qweight", "I32", {2, 4}, 32, "", "GPTQ"},
           Case{"weight_packed", "I32", {2, 4}, 32, "", "compressed-tensors"},
           Case{"weight.absmax", "F32", {2}, 8, "", "bitsandbytes"},
           Case{"SCB", "F32", {2}, 8, "", "bitsandbytes"},
           Case{
               "weight", "U8", {8, 1}, 8, R"("quantization_config": {"quant_method": "bitsandbytes"})", "bitsandbytes"},
           Case{"weight", "U32", {2, 1}, 8, R"("quantization": {"group_size": 64, "bits": 4})", "MLX"},
           Case{"weight", "U32", {2, 1}, 8, "", "MLX"},
           Case{"W_q", "U8", {2, 4}, 8, "", "HQQ"},
           Case{"trellis", "I16", {2, 4}, 16, "", "EXL3"},
           Case{"weight", "I8", {2, 4}, 8, "", "I8"},
           Case{"weight",
                "I8",
                {2, 4},
                8,
                R"("quantization_config": {"quant_method": "compressed-tensors"})",
                "compressed-tensors"},
       }) {
    const TempDir dir;
    dir.add("model.safetensors",
            SafetensorsBuilder().add(l + c.tensor, c.dtype, c.shape, std::string(c.bytes, '\1')).bytes());
    dir.add("config.json", std::string("{") + c.config + "}");
    const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    const auto packed = packed_weights(*checkpoint);
    ASSERT_TRUE(packed.has_value()) << c.tensor;
    EXPECT_EQ(packed->name, c.name) << c.tensor << " " << c.config;
    EXPECT_EQ(packed->tensor, l + c.tensor);
    EXPECT_NE(packed->remedy.find("BF16"), std::string::npos);
  }
}

TEST(PackedFormats, OrdinaryCheckpointsAreNone) {
  const TempDir dir;
  dir.add("model.safetensors", SafetensorsBuilder()
                                   .add("l.0.up.weight", "BF16", {2, 2}, std::string(8, '\0'))
                                   .add("l.0.mask", "U8", {2}, "xy")
                                   .add("l.0.experts.down_proj_blocks", "U8", {1, 1, 1, 2}, "xy")
                                   .bytes());
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_FALSE(packed_weights(*checkpoint).has_value());
  EXPECT_FALSE(packed_weights_error(*checkpoint).has_value());
}

}  // namespace
}  // namespace nwc

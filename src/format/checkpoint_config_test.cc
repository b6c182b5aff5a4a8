#include "format/checkpoint_config.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::read_file;
using testing::TempDir;

TEST(CheckpointConfig, AddsOurKeyAndKeepsTheTextOfTheOthers) {
  const TempDir from, to;
  from.add("config.json", R"({"z":1, "a": {"y": [1.50, null], "limit": [0.0, Infinity]}, "name": "m"})");
  ASSERT_TRUE(write_compressed_config(from.path(), to.path(), 0xAB, 1).ok());
  EXPECT_EQ(
      read_file(to / "config.json"),
      R"({"z":1, "a": {"y": [1.50, null], "limit": [0.0, Infinity]}, "name": "m", )"
      R"("quantization_config": {"quant_method": "nwcodec", "format_version": 1, "codec_id": "00000000000000ab"}})");
}

TEST(CheckpointConfig, AddsLinesToLines) {
  const TempDir from, to;
  from.add("config.json", "{\n  \"name\": \"m\"\n}\n");
  ASSERT_TRUE(write_compressed_config(from.path(), to.path(), 0xAB, 1).ok());
  EXPECT_EQ(read_file(to / "config.json"), R"({
  "name": "m",
  "quantization_config": {
    "quant_method": "nwcodec",
    "format_version": 1,
    "codec_id": "00000000000000ab"
  }
}
)");
}

TEST(CheckpointConfig, ThereAndBack) {
  for (const char* text :
       {"{\n  \"model_type\": \"llama\",\n  \"hidden_size\": 64,\n  \"eps\": 1e-06\n}\n", "{}", "{\"a\":1.50}",
        "{\n    \"time_step_limit\": [\n        0.0,\n        Infinity\n    ],\n    \"x\": -Infinity, \"y\": NaN}",
        "\t{ \"quantization_config\" : {\"quant_method\": \"fp8\"}, \"u\": \"\\u00e4 \xC3\xA4\" }\r\n"}) {
    const TempDir plain, compressed, back;
    plain.add("config.json", text);
    ASSERT_TRUE(write_compressed_config(plain.path(), compressed.path(), 1, 1).ok());
    EXPECT_TRUE(check_compressed_config(compressed.path(), 1).ok());
    ASSERT_TRUE(write_plain_config(compressed.path(), back.path()).ok());
    EXPECT_EQ(read_file(back / "config.json"), text);
  }
}

TEST(CheckpointConfig, KeepsAnEarlierQuantizationConfigInItsPlace) {
  const TempDir plain, compressed;
  plain.add("config.json", R"({"quantization_config": {"quant_method": "fp8"}, "original_quantization_config": 3})");
  ASSERT_TRUE(write_compressed_config(plain.path(), compressed.path(), 0xFEDCBA9876543210, 1).ok());
  EXPECT_EQ(read_file(compressed / "config.json"),
            R"({"original_quantization_config": {"quant_method": "fp8"}, "quantization_config": )"
            R"({"quant_method": "nwcodec", "format_version": 1, "codec_id": "fedcba9876543210"}})");
}

TEST(CheckpointConfig, ReadsWhatOlderVersionsWrote) {
  const TempDir compressed, back;
  compressed.add("config.json", R"({"quantization_config": {"quant_method": "nwcodec"}, "last": 1, )"
                                R"("original_quantization_config": {"bits": 8}})");
  ASSERT_TRUE(write_plain_config(compressed.path(), back.path()).ok());
  EXPECT_EQ(read_file(back / "config.json"), R"({"last": 1, "quantization_config": {"bits": 8}})");
}

TEST(CheckpointConfig, AnotherDtypeIsNamedWhereverTheConfigNamesOne) {
  const auto written = [](const char* text, DType dtype) {
    const TempDir from, to;
    from.add("config.json", text);
    EXPECT_TRUE(write_plain_config(from.path(), to.path(), dtype).ok());
    return read_file(to / "config.json");
  };
  EXPECT_EQ(written(R"({"dtype": "bfloat16", "a": "dtype"})", DType::kF32), R"({"dtype": "float32", "a": "dtype"})");
  EXPECT_EQ(
      written(R"({"torch_dtype":"float32", "t": {"dtype": "x", "v": {"torch_dtype": "torch.float16"}}, "z": 1})",
              DType::kBF16),
      R"({"torch_dtype":"bfloat16", "t": {"dtype": "bfloat16", "v": {"torch_dtype": "torch.bfloat16"}}, "z": 1})");
  EXPECT_EQ(written(R"({"dtype": null, "torch_dtype": 3, "quantization_config": {"dtype": "int8"}})", DType::kF16),
            R"({"dtype": null, "torch_dtype": 3})");
  EXPECT_EQ(written(R"({"original_quantization_config": {"dtype": "int8"}})", DType::kF16),
            R"({"quantization_config": {"dtype": "int8"}})");
}

TEST(CheckpointConfig, NothingWithoutOne) {
  const TempDir from, to;
  EXPECT_TRUE(write_compressed_config(from.path(), to.path(), 1, 1).ok());
  EXPECT_TRUE(write_plain_config(from.path(), to.path()).ok());
  EXPECT_TRUE(to.files().empty());
}

TEST(CheckpointConfig, ABrokenOneIsRefused) {
  for (const char* text : {"", "{", "[1]", "3", "{\"a\": 1, \"a\": 2}", "{\"a\": \"\xFF\"}"}) {
    const TempDir from, to;
    const std::string path = from.add("config.json", text).string();
    for (const Status& status :
         {write_compressed_config(from.path(), to.path(), 1, 1), write_plain_config(from.path(), to.path())}) {
      ASSERT_FALSE(status.ok()) << text;
      EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt) << text;
      EXPECT_EQ(status.error().file(), path);
    }
    EXPECT_TRUE(to.files().empty());
  }
}

}  // namespace
}  // namespace nwc

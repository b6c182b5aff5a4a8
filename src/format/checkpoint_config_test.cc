#include "format/checkpoint_config.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::read_file;
using testing::TempDir;

TEST(CheckpointConfig, AddsOurKeyAndKeepsTheOrderOfTheOthers) {
  const TempDir from, to;
  from.add("config.json", R"({"z": 1, "a": {"y": [1.5, null]}, "name": "m"})");
  ASSERT_TRUE(write_compressed_config(from.path(), to.path(), 0xAB).ok());
  EXPECT_EQ(read_file(to / "config.json"), R"({
  "z": 1,
  "a": {
    "y": [
      1.5,
      null
    ]
  },
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
  const TempDir plain, compressed, back;
  const std::string text = "{\n  \"model_type\": \"llama\",\n  \"hidden_size\": 64,\n  \"eps\": 1e-06\n}\n";
  plain.add("config.json", text);
  ASSERT_TRUE(write_compressed_config(plain.path(), compressed.path(), 1).ok());
  ASSERT_TRUE(write_plain_config(compressed.path(), back.path()).ok());
  EXPECT_EQ(read_file(back / "config.json"), text);
}

TEST(CheckpointConfig, KeepsAnEarlierQuantizationConfig) {
  const TempDir plain, compressed, back;
  plain.add("config.json", R"({"quantization_config": {"quant_method": "fp8", "bits": 8}, "last": true})");
  ASSERT_TRUE(write_compressed_config(plain.path(), compressed.path(), 0xFEDCBA9876543210).ok());
  const std::string middle = read_file(compressed / "config.json");
  EXPECT_NE(middle.find("\"original_quantization_config\": {\n    \"quant_method\": \"fp8\",\n    \"bits\": 8\n  }"),
            std::string::npos)
      << middle;
  EXPECT_NE(middle.find("\"codec_id\": \"fedcba9876543210\""), std::string::npos) << middle;
  ASSERT_TRUE(write_plain_config(compressed.path(), back.path()).ok());
  const std::string text = read_file(back / "config.json");
  EXPECT_EQ(text.find("nwcodec"), std::string::npos) << text;
  EXPECT_EQ(text.find("original_"), std::string::npos) << text;
  EXPECT_NE(text.find("\"quantization_config\": {\n    \"quant_method\": \"fp8\",\n    \"bits\": 8\n  }"),
            std::string::npos)
      << text;
}

TEST(CheckpointConfig, NothingWithoutOne) {
  const TempDir from, to;
  EXPECT_TRUE(write_compressed_config(from.path(), to.path(), 1).ok());
  EXPECT_TRUE(write_plain_config(from.path(), to.path()).ok());
  EXPECT_TRUE(to.files().empty());
}

TEST(CheckpointConfig, ABrokenOneIsRefused) {
  for (const char* text : {"", "{", "[1]", "3", "{\"a\": 1, \"a\": 2}", "{\"a\": \"\xFF\"}"}) {
    const TempDir from, to;
    const std::string path = from.add("config.json", text).string();
    for (const Status& status :
         {write_compressed_config(from.path(), to.path(), 1), write_plain_config(from.path(), to.path())}) {
      ASSERT_FALSE(status.ok()) << text;
      EXPECT_EQ(status.error().code(), ErrorCode::kCorrupt) << text;
      EXPECT_EQ(status.error().file(), path);
    }
    EXPECT_TRUE(to.files().empty());
  }
}

}  // namespace
}  // namespace nwc

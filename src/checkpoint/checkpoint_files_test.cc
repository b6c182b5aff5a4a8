#include "checkpoint/checkpoint_files.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

TEST(CheckpointFiles, ShardsAreThoseThatTheIndexNames) {
  const testing::TempDir dir;
  const std::string odd = "pytorch_model-00001-of-00001.safetensors";
  EXPECT_FALSE(CheckpointFiles::of(dir.path()).contains(odd));
  dir.add("model.safetensors.index.json", R"({"weight_map": {"a": "pytorch_model-00001-of-00001.safetensors"}})");
  const CheckpointFiles files = CheckpointFiles::of(dir.path());
  for (const std::string& name : {odd, std::string("model.safetensors"), std::string("model.safetensors.index.json"),
                                  std::string("codec.safetensors"), std::string("model-00002-of-00012.safetensors")})
    EXPECT_TRUE(files.contains(name)) << name;
  for (const char* name : {"model_backup.safetensors", "model-old.safetensors", "model-1-of-2.safetensors",
                           "model-0000a-of-00002.safetensors", "consolidated.safetensors", "config.json", ""})
    EXPECT_FALSE(files.contains(name)) << name;
}

TEST(CheckpointFiles, ABrokenIndexIsStillPartOfTheCheckpoint) {
  const testing::TempDir dir;
  dir.add("model.safetensors.index.json", "{");
  EXPECT_TRUE(CheckpointFiles::of(dir.path()).contains("model.safetensors.index.json"));
  EXPECT_FALSE(CheckpointFiles::of(dir.path()).contains("x.safetensors"));
}

}  // namespace
}  // namespace nwc

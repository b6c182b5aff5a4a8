#include "checkpoint/checkpoint_path.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "nwcodec/checkpoint.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::TempDir;

// Without the file's name before it.
std::string refusal(const fs::path& directory) {
  const Error error = Checkpoint::open(directory).error();
  return error.to_string().substr(error.file().size() + 2);
}

TEST(CheckpointPath, TellsNamesOnTheHub) {
  const TempDir cache;
  ::setenv("HF_HUB_CACHE", cache.path().c_str(), 1);
  EXPECT_EQ(refusal("some-org/Some_Model-1.5"),
            "there is no such directory; for the model of that name on the Hugging Face Hub: hf download "
            "some-org/Some_Model-1.5 --local-dir DIRECTORY, and give that directory");
  const fs::path snapshot =
      cache.add("models--some-org--Some_Model-1.5/snapshots/0abc/config.json", "{}").parent_path();
  EXPECT_EQ(refusal("some-org/Some_Model-1.5"),
            "there is no such directory; the model of that name on the Hugging Face Hub lies in " + snapshot.string());
  ::unsetenv("HF_HUB_CACHE");
  EXPECT_EQ(refusal("/some-org/model"), "there is no such directory");
  EXPECT_EQ(refusal("a/b/c"), "there is no such directory");
}

TEST(CheckpointPath, TellsSlips) {
  const TempDir dir;
  fs::create_directories(dir / "Qwen3-0.6B");
  EXPECT_EQ(refusal(dir / "Qwen3-06B"),
            "there is no such directory; did you mean " + (dir / "Qwen3-0.6B").string() + "?");
  EXPECT_EQ(refusal(dir / "llama"), "there is no such directory");
}

TEST(CheckpointPath, PointsFromACacheRootToItsSnapshot) {
  const TempDir dir;
  dir.add("snapshots/111/config.json", "{}");
  EXPECT_EQ(refusal(dir.path()),
            "is the root of a cache, not a checkpoint; give its snapshot, " + (dir / "snapshots/111").string());
  dir.add("snapshots/222/config.json", "{}");
  dir.add("refs/main", "111\n");
  EXPECT_EQ(refusal(dir.path()),
            "is the root of a cache, not a checkpoint; give its snapshot, " + (dir / "snapshots/111").string());
}

TEST(CheckpointPath, TellsAdapters) {
  const TempDir dir;
  dir.add("adapter_config.json", R"({"base_model_name_or_path": "org/base"})");
  dir.add("adapter_model.safetensors", "");
  EXPECT_EQ(refusal(dir.path()),
            "has neither model.safetensors nor model.safetensors.index.json, only an adapter; merge it into its base "
            "model org/base first (merge_and_unload, save_pretrained)");
  dir.add("adapter_config.json", "[");
  EXPECT_NE(refusal(dir.path()).find("into its base model first"), std::string::npos);
}

TEST(CheckpointPath, TellsLfsPointers) {
  const char* pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1234\n";
  const TempDir dir;
  dir.add("model.safetensors", pointer);
  EXPECT_EQ(refusal(dir.path()),
            "is a Git LFS pointer, not the file itself; fetch the file: git lfs pull, in the clone");
  const TempDir sharded;
  sharded.add("model.safetensors.index.json", pointer);
  const Error error = Checkpoint::open(sharded.path()).error();
  EXPECT_EQ(error.file(), (sharded / "model.safetensors.index.json").string());
  EXPECT_NE(error.to_string().find("Git LFS"), std::string::npos);
}

TEST(CheckpointPath, ADirectoryHasANameHoweverItIsWritten) {
  EXPECT_EQ(directory_name("a/b"), "b");
  EXPECT_EQ(directory_name("a/b/"), "b");
  EXPECT_EQ(directory_name("a/b/../c/."), "c");
  EXPECT_EQ(directory_name("."), std::filesystem::current_path().filename());
}

TEST(CheckpointPath, APathBesideIsNeverInside) {
  EXPECT_EQ(path_beside("out", ".decoded"), "out.decoded");
  EXPECT_EQ(path_beside("out/", ".decoded"), "out.decoded");
  EXPECT_EQ(path_beside("a/out//", ".decoded"), "a/out.decoded");
  const std::filesystem::path here = std::filesystem::current_path();
  EXPECT_EQ(path_beside(".", ".decoded"), here.string() + ".decoded");
  EXPECT_EQ(path_beside("./", ".decoded"), here.string() + ".decoded");
  EXPECT_EQ(path_beside("a/..", ".decoded"), here.string() + ".decoded");
}

}  // namespace
}  // namespace nwc

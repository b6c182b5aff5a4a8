#include "checkpoint/side_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::read_file;
using testing::TempDir;

using Names = std::set<std::string>;

std::vector<std::string> warnings_of_copying(const fs::path& from, const fs::path& to, const Names& exclude = {}) {
  Result<std::vector<std::string>> warnings = copy_side_files(from, to, exclude);
  if (!warnings.ok()) throw std::runtime_error(warnings.error().to_string());
  return *std::move(warnings);
}

TEST(CopySideFiles, CopiesEverythingButTheWeights) {
  const TempDir from, to;
  const std::string binary("\0\xFF\r\n", 4);
  from.add("config.json", "{ \"a\": 1 }\n");
  from.add("tokenizer.model", binary);
  from.add("empty.txt", "");
  from.add("1_Pooling/config.json", "{}");
  from.add("a/b/c.txt", "deep");
  from.add("model.safetensors", "");
  from.add("model-00001-of-00002.safetensors", "");
  from.add("model.safetensors.index.json", "{}");
  from.add("codec.safetensors", "");
  from.add("quantization_config.json", "{}");
  from.add(".gitattributes", "");
  from.add(".cache/x", "");
  from.add("a/.hidden", "");
  fs::create_directory(from / "no files here");
  EXPECT_EQ(warnings_of_copying(from.path(), to / "new", {"quantization_config.json"}), std::vector<std::string>{});
  EXPECT_EQ(to.files(), (Names{"new/config.json", "new/tokenizer.model", "new/empty.txt", "new/1_Pooling/config.json",
                               "new/a/b/c.txt"}));
  EXPECT_EQ(read_file(to / "new/config.json"), "{ \"a\": 1 }\n");
  EXPECT_EQ(read_file(to / "new/tokenizer.model"), binary);
  EXPECT_EQ(read_file(to / "new/a/b/c.txt"), "deep");
  EXPECT_FALSE(fs::exists(to / "new/no files here"));
}

TEST(CopySideFiles, WhatDescribesOtherFilesStaysBehind) {
  const TempDir from, to, plain;
  from.add("README.md", "---\nlicense: mit\n---\n<!-- written by nwcodec -->\n# Small\n");
  from.add("README.base.md", "the original's");
  from.add("SHA256SUMS", "00  model.safetensors\n");
  from.add("notes/SHA256SUMS", "of something else");
  EXPECT_EQ(warnings_of_copying(from.path(), to.path()),
            (std::vector<std::string>{
                "README.md is not copied: it describes the checkpoint here; nwcodec card writes another",
                "SHA256SUMS is not copied: it is about the files here; nwcodec card writes one of the new ones"}));
  EXPECT_EQ(to.files(), (Names{"README.md", "notes/SHA256SUMS"}));
  EXPECT_EQ(read_file(to / "README.md"), "the original's");
  // A card that somebody else wrote is copied, whatever lies beside it.
  plain.add("README.md", "a card");
  plain.add("README.base.md", "another");
  const TempDir copy;
  EXPECT_EQ(warnings_of_copying(plain.path(), copy.path()), std::vector<std::string>{});
  EXPECT_EQ(copy.files(), (Names{"README.md", "README.base.md"}));
}

TEST(CopySideFiles, WarnsAboutOtherWeights) {
  const TempDir from, to;
  for (const char* name : {"a.bin", "b.pt", "c.pth", "d.ckpt", "e.gguf", "f.h5", "g.msgpack",
                           "pytorch_model.bin.index.json", "consolidated.safetensors", "2_Dense/model.safetensors"}) {
    from.add(name, "x");
  }
  const std::string why = " is not copied: weights that are not part of the checkpoint";
  EXPECT_EQ(warnings_of_copying(from.path(), to.path()),
            (std::vector<std::string>{"2_Dense/model.safetensors" + why, "a.bin" + why, "b.pt" + why, "c.pth" + why,
                                      "consolidated.safetensors" + why, "d.ckpt" + why, "e.gguf" + why, "f.h5" + why,
                                      "g.msgpack" + why, "pytorch_model.bin.index.json" + why}));
  EXPECT_EQ(to.files(), Names{});
}

TEST(CopySideFiles, KnowsTheShardsOfTheIndexByName) {
  const TempDir from, to;
  from.add("pytorch_model-00001-of-00001.safetensors", "x");
  from.add("model.fp16.safetensors", "x");
  from.add("model.safetensors.index.json", R"({"weight_map": {"a": "pytorch_model-00001-of-00001.safetensors"}})");
  EXPECT_EQ(
      warnings_of_copying(from.path(), to.path()),
      std::vector<std::string>{"model.fp16.safetensors is not copied: weights that are not part of the checkpoint"});
  EXPECT_EQ(to.files(), Names{});
}

TEST(CopySideFiles, ExclusionIsForTheTopLevelOnly) {
  const TempDir from, to;
  from.add("config.json", "1");
  from.add("sub/config.json", "2");
  from.add("assets/x", "3");
  EXPECT_EQ(warnings_of_copying(from.path(), to.path(), {"config.json", "assets"}), std::vector<std::string>{});
  EXPECT_EQ(to.files(), Names{"sub/config.json"});
}

TEST(CopySideFiles, FollowsLinksToRegularFilesOnly) {
  const TempDir from, to;
  from.add("blobs/1", "linked");
  fs::create_directory(from / "snapshot");
  fs::create_symlink("../blobs/1", from / "snapshot/config.json");
  fs::create_symlink("gone", from / "snapshot/dangling");
  fs::create_symlink("..", from / "snapshot/loop");
  fs::create_symlink("self", from / "snapshot/self");
  ASSERT_EQ(::mkfifo((from / "snapshot/pipe").c_str(), 0600), 0);
  EXPECT_EQ(warnings_of_copying(from / "snapshot", to.path()),
            (std::vector<std::string>{"dangling is not copied: a link that leads to no regular file",
                                      "loop is not copied: a link that leads to no regular file",
                                      "pipe is not copied: not a regular file",
                                      "self is not copied: a link that leads to no regular file"}));
  EXPECT_EQ(to.files(), Names{"config.json"});
  EXPECT_FALSE(fs::is_symlink(to / "config.json"));
  EXPECT_EQ(read_file(to / "config.json"), "linked");
}

TEST(CopySideFiles, ReplacesWhatIsThere) {
  const TempDir from, to;
  from.add("config.json", "new");
  to.add("config.json", "old, and longer");
  warnings_of_copying(from.path(), to.path());
  EXPECT_EQ(read_file(to / "config.json"), "new");
}

TEST(CopySideFiles, DoesNotCopyTheOutputIntoItself) {
  const TempDir dir;
  dir.add("config.json", "1");
  dir.add("out/earlier.txt", "2");
  warnings_of_copying(dir.path(), dir / "out");
  EXPECT_EQ(dir.files(), (Names{"config.json", "out/config.json", "out/earlier.txt"}));
}

TEST(CopySideFiles, RefusesTheSameDirectoryUnderAnyName) {
  const TempDir dir;
  dir.add("config.json", "1");
  fs::create_directory_symlink(dir.path(), dir / "alias");
  for (const fs::path& to : {dir.path(), dir / ".", dir / "alias"}) {
    const auto result = copy_side_files(dir.path(), to, {});
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(CopySideFiles, SaysWhatIsMissingOrInTheWay) {
  const TempDir from, to;
  const auto missing = copy_side_files(from / "none", to.path(), {});
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().file(), (from / "none").string());

  from.add("sub/config.json", "1");
  to.add("sub", "a file where a directory should be");
  const auto blocked = copy_side_files(from.path(), to.path(), {});
  ASSERT_FALSE(blocked.ok());
  EXPECT_EQ(blocked.error().code(), ErrorCode::kIo);
  EXPECT_EQ(blocked.error().file(), (to / "sub").string());
}

}  // namespace
}  // namespace nwc

#include "checkpoint/output_directory.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::read_file;
using testing::TempDir;

constexpr const char* kMarker = ".nwcodec-unfinished";

class OutputDirectoryTest : public ::testing::Test {
 protected:
  OutputDirectoryTest() { input.add("model.safetensors", "weights"); }
  Result<OutputDirectory> open(const fs::path& path, const std::string& fingerprint = "run 1", bool force = false) {
    return OutputDirectory::open(path, input.path(), fingerprint, force);
  }
  void expect_refused(const Result<OutputDirectory>& result, ErrorCode code, const std::string& message) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), code);
    EXPECT_EQ(result.error().message(), message);
  }
  TempDir input, dir;
};

TEST_F(OutputDirectoryTest, CreatesMarksAndFinishes) {
  const fs::path path = dir / "a/b/out";
  Result<OutputDirectory> out = open(path);
  ASSERT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_EQ(out->path(), path);
  EXPECT_EQ(read_file(path / kMarker), "run 1");
  std::ofstream(path / "model.safetensors") << "x";
  EXPECT_FALSE(out->has_from_earlier_run("model.safetensors")) << "of this run";
  ASSERT_TRUE(out->finish().ok());
  EXPECT_EQ(dir.files(), (std::set<std::string>{"a/b/out/model.safetensors"}));
}

TEST_F(OutputDirectoryTest, AFailedRunLeavesNoDirectory) {
  const fs::path path = dir / "out";
  {
    const Result<OutputDirectory> out = open(path);
    ASSERT_TRUE(out.ok());
    std::ofstream(path / "codec.safetensors") << "x";
    fs::create_directories(path / "sub");
    std::ofstream(path / "sub/file") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(OutputDirectoryTest, AFailedRunEmptiesADirectoryThatWasEmpty) {
  const fs::path path = dir / "out";
  fs::create_directory(path);
  { const Result<OutputDirectory> out = open(path); }
  EXPECT_TRUE(fs::is_directory(path));
  EXPECT_TRUE(fs::is_empty(path));
}

TEST_F(OutputDirectoryTest, ProgressIsKeptAndResumed) {
  const fs::path path = dir / "out";
  {
    Result<OutputDirectory> out = open(path);
    ASSERT_TRUE(out.ok());
    std::ofstream(path / "shard") << "whole";
    out->keep_progress();
  }
  EXPECT_EQ(read_file(path / "shard"), "whole");
  {
    Result<OutputDirectory> again = open(path);
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_TRUE(again->has_from_earlier_run("shard"));
    EXPECT_FALSE(again->has_from_earlier_run("other"));
    // Fails without having added anything: what the first run left stays.
  }
  EXPECT_EQ(read_file(path / "shard"), "whole");
  Result<OutputDirectory> third = open(path);
  ASSERT_TRUE(third.ok());
  EXPECT_TRUE(third->finish().ok());
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/shard"}));
  expect_refused(open(path), ErrorCode::kExists, "output directory exists and is not empty");
}

TEST_F(OutputDirectoryTest, MovingHandsOverTheDuty) {
  const fs::path path = dir / "out";
  {
    Result<OutputDirectory> out = open(path);
    ASSERT_TRUE(out.ok());
    const OutputDirectory moved = *std::move(out);
    EXPECT_EQ(moved.path(), path);
    EXPECT_TRUE(fs::exists(path / kMarker));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(OutputDirectoryTest, AnotherRunsRemainsAreRefused) {
  const fs::path path = dir / "out";
  dir.add("out/.nwcodec-unfinished", "run 2");
  dir.add("out/shard", "x");
  expect_refused(open(path), ErrorCode::kExists, "holds an unfinished run with other arguments or inputs");
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/.nwcodec-unfinished", "out/shard"}));
}

TEST_F(OutputDirectoryTest, ForceRemovesTheCheckpointOnly) {
  for (const char* name : {"model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
                           "codec.safetensors", ".nwcodec-unfinished", ".model.safetensors.partial", "notes.txt",
                           "adapter.safetensors", "sub/model.safetensors"}) {
    dir.add(fs::path("out") / name, "x");
  }
  {
    const Result<OutputDirectory> out = open(dir / "out", "run 1", true);
    ASSERT_TRUE(out.ok()) << out.error().to_string();
    EXPECT_EQ(dir.files(), (std::set<std::string>{"out/.nwcodec-unfinished", "out/notes.txt", "out/adapter.safetensors",
                                                  "out/sub/model.safetensors"}));
    EXPECT_EQ(read_file(dir / "out/.nwcodec-unfinished"), "run 1");
    EXPECT_FALSE(out->has_from_earlier_run("notes.txt"));
  }
  EXPECT_EQ(read_file(dir / "out/notes.txt"), "x") << "never cleans up what others put there";
}

TEST_F(OutputDirectoryTest, TheInputIsNeverTheOutput) {
  for (const bool force : {false, true}) {
    expect_refused(open(input.path(), "run 1", force), ErrorCode::kInvalidArgument, "is the input directory too");
    expect_refused(open(input / "." / "", "run 1", force), ErrorCode::kInvalidArgument, "is the input directory too");
    const fs::path link = dir / ("link" + std::to_string(force));
    fs::create_directory_symlink(input.path(), link);
    expect_refused(open(link, "run 1", force), ErrorCode::kInvalidArgument, "is the input directory too");
  }
  EXPECT_EQ(input.files(), (std::set<std::string>{"model.safetensors"}));
}

TEST_F(OutputDirectoryTest, AFileInTheWay) {
  dir.add("out", "x");
  expect_refused(open(dir / "out", "run 1", true), ErrorCode::kExists, "exists and is not a directory");
  const Result<OutputDirectory> below = open(dir / "out/below");
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().code(), ErrorCode::kIo);
  EXPECT_EQ(read_file(dir / "out"), "x");
}

}  // namespace
}  // namespace nwc

#include "checkpoint/resumable_directory.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::read_file;
using testing::TempDir;

constexpr const char* kMarker = ".nwcodec-unfinished";

class ResumableDirectoryTest : public ::testing::Test {
 protected:
  ResumableDirectoryTest() { input.add("model.safetensors", "weights"); }
  static RunIdentity identity(const std::string& seed = "1") {
    RunIdentity identity("test");
    identity.add("seed", std::string_view(seed));
    return identity;
  }
  Result<ResumableDirectory> open(const fs::path& path, const std::string& seed = "1", bool force = false) {
    return ResumableDirectory::open({.path = path, .inputs = {input.path()}, .force = force}, identity(seed));
  }
  static void expect_busy(const Result<ResumableDirectory>& second) {
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code(), ErrorCode::kBusy);
    const std::string holder = "is being written by process " + std::to_string(::getpid()) + " on ";
    EXPECT_TRUE(second.error().message().starts_with(holder)) << second.error().message();
  }
  void expect_refused(const Result<ResumableDirectory>& result, ErrorCode code, const std::string& message) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code(), code);
    EXPECT_EQ(result.error().message(), message);
  }
  TempDir input, dir;
};

TEST_F(ResumableDirectoryTest, CreatesMarksAndFinishes) {
  const fs::path path = dir / "a/b/out";
  Result<ResumableDirectory> out = open(path);
  ASSERT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_EQ(out->path(), path);
  EXPECT_TRUE(read_file(path / kMarker).starts_with(identity().text() + "\n"));
  EXPECT_TRUE(ResumableDirectory::is_unfinished(path));
  std::ofstream(path / "model.safetensors") << "x";
  EXPECT_FALSE(out->has_from_earlier_run("model.safetensors")) << "of this run";
  ASSERT_TRUE(out->finish().ok());
  EXPECT_EQ(dir.files(), (std::set<std::string>{"a/b/out/model.safetensors"}));
}

TEST_F(ResumableDirectoryTest, AFailedRunLeavesNoDirectory) {
  const fs::path path = dir / "out";
  {
    const Result<ResumableDirectory> out = open(path);
    ASSERT_TRUE(out.ok());
    std::ofstream(path / "codec.safetensors") << "x";
    fs::create_directories(path / "sub");
    std::ofstream(path / "sub/file") << "x";
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ResumableDirectoryTest, AFailedRunEmptiesADirectoryThatWasEmpty) {
  const fs::path path = dir / "out";
  fs::create_directory(path);
  { const Result<ResumableDirectory> out = open(path); }
  EXPECT_TRUE(fs::is_directory(path));
  EXPECT_TRUE(fs::is_empty(path));
}

TEST_F(ResumableDirectoryTest, ProgressIsKeptAndResumed) {
  const fs::path path = dir / "out";
  {
    Result<ResumableDirectory> out = open(path);
    ASSERT_TRUE(out.ok());
    std::ofstream(path / "shard") << "whole";
    out->keep_progress();
  }
  EXPECT_EQ(read_file(path / "shard"), "whole");
  {
    Result<ResumableDirectory> again = open(path);
    ASSERT_TRUE(again.ok()) << again.error().to_string();
    EXPECT_TRUE(again->has_from_earlier_run("shard"));
    EXPECT_FALSE(again->has_from_earlier_run("other"));
    // Fails without having added anything: what the first run left stays.
  }
  EXPECT_EQ(read_file(path / "shard"), "whole");
  Result<ResumableDirectory> third = open(path);
  ASSERT_TRUE(third.ok());
  EXPECT_TRUE(third->finish().ok());
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/shard"}));
  expect_refused(open(path), ErrorCode::kExists, "output directory exists and is not empty");
}

TEST_F(ResumableDirectoryTest, MovingHandsOverTheDuty) {
  const fs::path path = dir / "out";
  {
    Result<ResumableDirectory> out = open(path);
    ASSERT_TRUE(out.ok());
    const ResumableDirectory moved = *std::move(out);
    EXPECT_EQ(moved.path(), path);
    EXPECT_TRUE(fs::exists(path / kMarker));
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(ResumableDirectoryTest, AnotherRunsRemainsAreRefusedByTheLineThatDiffers) {
  const fs::path path = dir / "out";
  {
    Result<ResumableDirectory> out = open(path, "2");
    ASSERT_TRUE(out.ok());
    dir.add("out/shard", "x");
    out->keep_progress();
  }
  expect_refused(open(path), ErrorCode::kExists,
                 "holds an unfinished run that was started with seed 2, this run has 1");
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/.nwcodec-unfinished", "out/shard"}));
  EXPECT_TRUE(open(path, "2").ok()) << "the refusal changed nothing";
}

TEST_F(ResumableDirectoryTest, ASecondProcessIsToldWhoHoldsIt) {
  const fs::path path = dir / "out";
  Result<ResumableDirectory> first = open(path);
  ASSERT_TRUE(first.ok());
  dir.add("out/model.safetensors", "x");
  expect_busy(open(path));
  expect_busy(open(path, "2"));
  expect_busy(open(path, "1", true));
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/.nwcodec-unfinished", "out/model.safetensors"}));
  first->keep_progress();
  first = Error(ErrorCode::kInternal, "over");
  Result<ResumableDirectory> resumed = open(path);
  ASSERT_TRUE(resumed.ok()) << resumed.error().to_string();
  EXPECT_TRUE(resumed->has_from_earlier_run("model.safetensors"));
  expect_busy(open(path));
}

TEST_F(ResumableDirectoryTest, LockedBeforeItBegins) {
  const fs::path path = dir / "out";
  const Result<ResumableDirectory> first = ResumableDirectory::lock({.path = path});
  ASSERT_TRUE(first.ok());
  expect_busy(open(path));
}

TEST_F(ResumableDirectoryTest, ADeadProcessDoesNotBlock) {
  const fs::path path = dir / "out";
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    Result<ResumableDirectory> out = open(path);
    if (!out) ::_exit(1);
    std::ofstream(path / "shard") << "whole";
    std::ofstream(path / ".shard2.0123456789ab.partial") << "half";
    fs::create_directories(ResumableDirectory::work_folder(path));
    std::ofstream(ResumableDirectory::work_folder(path) / ".part.0123456789ab.partial") << "half";
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  Result<ResumableDirectory> out = open(path);
  ASSERT_TRUE(out.ok()) << out.error().to_string();
  EXPECT_TRUE(out->has_from_earlier_run("shard"));
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/.nwcodec-unfinished", "out/shard"})) << "half files are gone";
  ASSERT_TRUE(out->finish().ok());
  EXPECT_EQ(dir.files(), (std::set<std::string>{"out/shard"}));
  EXPECT_FALSE(fs::exists(ResumableDirectory::work_folder(path)));
}

TEST_F(ResumableDirectoryTest, HalfAMarkerIsNoRun) {
  dir.add("out/.nwcodec-unfinished", "command: te");
  EXPECT_TRUE(open(dir / "out").ok());
  dir.add("other/.nwcodec-unfinished", "command: te");
  dir.add("other/notes.txt", "x");
  expect_refused(open(dir / "other"), ErrorCode::kExists, "output directory exists and is not empty");
}

TEST_F(ResumableDirectoryTest, ARunThatFailsBeforeItBeginsChangesNothing) {
  dir.add("out/model.safetensors", "good");
  for (const bool force : {false, true}) {
    { const auto out = ResumableDirectory::lock({.path = dir / "out", .force = force}); }
    { const auto out = ResumableDirectory::lock({.path = dir / "new", .force = force}); }
    EXPECT_EQ(dir.files(), (std::set<std::string>{"out/model.safetensors"}));
    EXPECT_FALSE(fs::exists(dir / "new"));
  }
}

TEST_F(ResumableDirectoryTest, RemoveLeavesNothing) {
  Result<ResumableDirectory> out = open(dir / "out");
  ASSERT_TRUE(out.ok());
  dir.add("out/state", "x");
  ASSERT_TRUE(out->remove().ok());
  EXPECT_FALSE(fs::exists(dir / "out"));
}

TEST_F(ResumableDirectoryTest, ForceRemovesTheCheckpointOnly) {
  for (const char* name : {"model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
                           "codec.safetensors", ".nwcodec-unfinished", ".model.safetensors.0123456789ab.partial",
                           "notes.txt", "adapter.safetensors", "sub/model.safetensors"}) {
    dir.add(fs::path("out") / name, "x");
  }
  {
    const Result<ResumableDirectory> out = open(dir / "out", "1", true);
    ASSERT_TRUE(out.ok()) << out.error().to_string();
    EXPECT_EQ(dir.files(), (std::set<std::string>{"out/.nwcodec-unfinished", "out/notes.txt", "out/adapter.safetensors",
                                                  "out/sub/model.safetensors"}));
    EXPECT_TRUE(read_file(dir / "out/.nwcodec-unfinished").starts_with(identity().text()));
    EXPECT_FALSE(out->has_from_earlier_run("notes.txt"));
  }
  EXPECT_EQ(read_file(dir / "out/notes.txt"), "x") << "never cleans up what others put there";
}

TEST_F(ResumableDirectoryTest, TheInputIsNeverTheOutput) {
  for (const bool force : {false, true}) {
    expect_refused(open(input.path(), "1", force), ErrorCode::kInvalidArgument, "is the input directory too");
    expect_refused(open(input / "." / "", "1", force), ErrorCode::kInvalidArgument, "is the input directory too");
    const fs::path link = dir / ("link" + std::to_string(force));
    fs::create_directory_symlink(input.path(), link);
    expect_refused(open(link, "1", force), ErrorCode::kInvalidArgument, "is the input directory too");
  }
  EXPECT_EQ(input.files(), (std::set<std::string>{"model.safetensors"}));
}

TEST_F(ResumableDirectoryTest, AFileInTheWay) {
  dir.add("out", "x");
  expect_refused(open(dir / "out", "1", true), ErrorCode::kExists, "exists and is not a directory");
  const Result<ResumableDirectory> below = open(dir / "out/below");
  ASSERT_FALSE(below.ok());
  EXPECT_EQ(below.error().code(), ErrorCode::kIo);
  EXPECT_EQ(read_file(dir / "out"), "x");
}

}  // namespace
}  // namespace nwc

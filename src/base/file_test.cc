#include "base/file.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::read_file;
using testing::TempDir;

// Two writers of one name, as two processes that run at the same time.
TEST(OutputFile, WritersOfOneNameDoNotMeet) {
  const TempDir dir;
  Result<OutputFile> first = OutputFile::create(dir / "shard"), second = OutputFile::create(dir / "shard");
  ASSERT_TRUE(first.ok() && second.ok());
  const std::set<std::string> names = dir.files();
  EXPECT_EQ(names.size(), 2u);
  for (const std::string& name : names) EXPECT_TRUE(is_temporary_name(name)) << name;
  ASSERT_TRUE(first->append(as_bytes("first")).ok());
  ASSERT_TRUE(second->append(as_bytes("2")).ok());
  ASSERT_TRUE(first->commit().ok());
  EXPECT_EQ(read_file(dir / "shard"), "first");
  ASSERT_TRUE(second->commit().ok());
  EXPECT_EQ(read_file(dir / "shard"), "2");
  EXPECT_EQ(dir.files(), (std::set<std::string>{"shard"}));
}

TEST(OutputFile, WithoutCommitLeavesNothing) {
  const TempDir dir;
  { const Result<OutputFile> file = OutputFile::create(dir / "shard"); }
  EXPECT_EQ(dir.files(), std::set<std::string>{});
}

TEST(OutputFile, ANameOfTheGreatestLengthFits) {
  const TempDir dir;
  const std::string name(255, 'x');
  ASSERT_TRUE(write_file(dir / name, "x").ok());
  EXPECT_EQ(dir.files(), std::set<std::string>{name});
  const Status refused = write_file(dir / (name + "x"), "x");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kIo);
  EXPECT_EQ(dir.files(), std::set<std::string>{name});
}

TEST(ListDirectory, SortedOrAnError) {
  const TempDir dir;
  dir.add("b", "");
  dir.add("a/c", "");
  EXPECT_EQ(*list_directory(dir.path()), (std::vector<std::string>{"a", "b"}));
  const Result<std::vector<std::string>> none = list_directory(dir / "none");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nwc

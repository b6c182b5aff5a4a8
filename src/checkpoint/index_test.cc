#include "checkpoint/index.h"

#include <gtest/gtest.h>

#include "support/temp_dir.h"

namespace nwc {
namespace {

using testing::read_file;
using testing::TempDir;

std::string refusal(const std::string& text, ErrorCode code = ErrorCode::kCorrupt) {
  const TempDir dir;
  const Result<WeightMap> result = read_index(dir.add("index.json", text));
  if (result.ok()) return "";
  EXPECT_EQ(result.error().code(), code) << result.error().to_string();
  EXPECT_EQ(result.error().file(), (dir / "index.json").string());
  return (result.error().tensor().empty() ? "" : result.error().tensor() + ": ") + result.error().message();
}

TEST(Index, ShardNamesHaveFiveDigits) {
  EXPECT_EQ(shard_file_name(2, 7), "model-00002-of-00007.safetensors");
  EXPECT_EQ(shard_file_name(12345, 99999), "model-12345-of-99999.safetensors");
}

TEST(Index, WritesSortedNamesAndReadsThemBack) {
  const TempDir dir;
  const WeightMap map = {{"b", "model-00001-of-00002.safetensors"},
                         {"a \"\xC3\xBC\"", "model-00002-of-00002.safetensors"}};
  ASSERT_TRUE(write_index(dir.path(), 12345, map).ok());
  EXPECT_EQ(dir.files(), std::set<std::string>{"model.safetensors.index.json"});
  EXPECT_EQ(read_file(dir / "model.safetensors.index.json"),
            "{\n"
            "  \"metadata\": {\n"
            "    \"total_size\": 12345\n"
            "  },\n"
            "  \"weight_map\": {\n"
            "    \"a \\\"\xC3\xBC\\\"\": \"model-00002-of-00002.safetensors\",\n"
            "    \"b\": \"model-00001-of-00002.safetensors\"\n"
            "  }\n"
            "}\n");
  const Result<WeightMap> back = read_index(dir / "model.safetensors.index.json");
  ASSERT_TRUE(back.ok()) << back.error().to_string();
  EXPECT_EQ(*back, map);
}

TEST(Index, RefusesToWriteWhatItWouldNotRead) {
  const TempDir dir;
  for (const WeightMap& map : {WeightMap{}, WeightMap{{"a", "../m.safetensors"}}, WeightMap{{"a", "m.bin"}},
                               WeightMap{{"a\xFF", "m.safetensors"}}}) {
    const Status status = write_index(dir.path(), 1, map);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument) << status.error().to_string();
  }
  EXPECT_TRUE(dir.files().empty());
}

TEST(Index, RefusesFileNamesThatLeaveTheDirectory) {
  for (const char* name : {"/etc/m.safetensors", "../m.safetensors", "a/m.safetensors", "a\\\\m.safetensors", "..", ".",
                           "", "C:m.safetensors", "m..safetensors", "m\\u0000.safetensors"}) {
    const std::string message = refusal(std::string(R"({"weight_map":{"w":")") + name + R"("}})",
                                        std::string(name) == "." ? ErrorCode::kUnsupported : ErrorCode::kCorrupt);
    EXPECT_EQ(message.rfind("w: the index maps it to '", 0), 0u) << name << ": " << message;
  }
  EXPECT_EQ(refusal(R"({"weight_map":{"w":"a/m.safetensors"}})"),
            "w: the index maps it to 'a/m.safetensors', which is not a bare file name");
}

TEST(Index, RefusesShardsOfAnotherKind) {
  EXPECT_EQ(refusal(R"({"weight_map":{"w":"pytorch_model.bin"}})", ErrorCode::kUnsupported),
            "w: the index maps it to 'pytorch_model.bin', but only .safetensors files are read");
  EXPECT_EQ(refusal(R"({"weight_map":{"w":"codec.safetensors"}})"),
            "w: the index maps it to 'codec.safetensors', which holds a codec, not a model's tensors");
}

TEST(Index, RefusesWhatIsNotAnIndex) {
  EXPECT_EQ(refusal("[]"), "is not a JSON object");
  EXPECT_EQ(refusal("{}"), "has no 'weight_map'");
  EXPECT_EQ(refusal(R"({"weight_map":[]})"), "'weight_map' is not an object");
  EXPECT_EQ(refusal(R"({"weight_map":{}})"), "'weight_map' is empty");
  EXPECT_EQ(refusal(R"({"weight_map":{"w":1}})"), "w: the index maps it to something that is not a string");
  EXPECT_EQ(refusal(R"({"weight_map":{"w":"m.safetensors","w":"m.safetensors"}})"),
            "JSON key 'w' appears twice in one object");
  EXPECT_NE(refusal(R"({"weight_map":)"), "");
}

TEST(Index, SaysThatTheFileIsMissing) {
  const TempDir dir;
  const Result<WeightMap> result = read_index(dir / "none.json");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace nwc

#include "nwcodec/checkpoint.h"

#include <gtest/gtest.h>

#include <cstring>

#include "checkpoint/index.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::text_of;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

std::string one_tensor(const std::string& name, const std::string& data) {
  return SafetensorsBuilder().add(name, "U8", {data.size()}, data).bytes();
}

// The error of opening `directory`, which must be of this code and name this file below the directory.
std::string refusal(const fs::path& directory, ErrorCode code, const std::string& file = "") {
  const Result<Checkpoint> result = Checkpoint::open(directory);
  if (result.ok()) return "";
  EXPECT_EQ(result.error().code(), code) << result.error().to_string();
  EXPECT_EQ(result.error().file(), (file.empty() ? directory : directory / file).string());
  std::string text = result.error().to_string();
  return text.substr(result.error().file().size() + 2);
}

TEST(Checkpoint, OpensASingleFile) {
  const TempDir dir;
  dir.add("model.safetensors", one_tensor("a", "xyz"));
  dir.add("codec.safetensors", one_tensor("decoder", "1"));
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_EQ(checkpoint->directory(), dir.path());
  EXPECT_FALSE(checkpoint->has_index());
  ASSERT_EQ(checkpoint->shards().size(), 1u);
  EXPECT_EQ(text_of(checkpoint->find("a").tensor->bytes), "xyz");
  EXPECT_EQ(checkpoint->find("a").shard, &checkpoint->shards()[0]);
  EXPECT_EQ(checkpoint->find("decoder").tensor, nullptr);
  EXPECT_EQ(checkpoint->find("decoder").shard, nullptr);
}

TEST(Checkpoint, OpensShardsInTheOrderOfTheirNames) {
  const TempDir dir;
  dir.add(kFirst, one_tensor("z", "1"));
  dir.add(kSecond, one_tensor("a", "2"));
  ASSERT_TRUE(write_index(dir.path(), 2, {{"a", kSecond}, {"z", kFirst}}).ok());
  Result<Checkpoint> opened = Checkpoint::open(dir.path());
  ASSERT_TRUE(opened.ok()) << opened.error().to_string();
  const Checkpoint checkpoint = *std::move(opened);
  EXPECT_TRUE(checkpoint.has_index());
  ASSERT_EQ(checkpoint.shards().size(), 2u);
  EXPECT_EQ(checkpoint.shards()[0].path().filename(), kFirst);
  EXPECT_EQ(checkpoint.shards()[1].path().filename(), kSecond);
  EXPECT_EQ(text_of(checkpoint.find("a").tensor->bytes), "2");
  EXPECT_EQ(checkpoint.find("a").shard, &checkpoint.shards()[1]);
  EXPECT_EQ(checkpoint.find("z").shard, &checkpoint.shards()[0]);
}

TEST(Checkpoint, FollowsLinksToFilesAsDownloadCachesHaveThem) {
  const TempDir dir;
  dir.add("blobs/1", one_tensor("a", "1"));
  fs::create_directory(dir / "snapshot");
  fs::create_symlink("../blobs/1", dir / "snapshot/model.safetensors");
  EXPECT_EQ(refusal(dir / "snapshot", ErrorCode::kIo), "");
}

TEST(Checkpoint, EveryShardMayHaveItsOwnChecksums) {
  const TempDir dir;
  for (const auto& [file, name] : {std::pair(kFirst, "a"), std::pair(kSecond, "b")}) {
    dir.add(file, SafetensorsBuilder()
                      .add("nwcodec.checksums", "U64", {2}, std::string(16, '\0'))
                      .add(name, "U8", {1}, "x")
                      .bytes());
  }
  ASSERT_TRUE(write_index(dir.path(), 2, {{"a", kFirst}, {"b", kSecond}}).ok());
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_EQ(checkpoint->find("nwcodec.checksums").tensor, nullptr);
  EXPECT_NE(checkpoint->shards()[0].find("nwcodec.checksums"), nullptr);
}

// --- directories that hold no checkpoint

TEST(Checkpoint, SaysWhatIsWrongWithTheDirectory) {
  const TempDir dir;
  const fs::path file = dir.add("file", "x");
  EXPECT_EQ(refusal(dir / "none", ErrorCode::kNotFound), "there is no such directory");
  EXPECT_EQ(refusal(file, ErrorCode::kInvalidArgument),
            "is not a directory; give the checkpoint directory that holds config.json and the weights");
}

TEST(Checkpoint, SaysWhichOtherWeightsItFound) {
  const TempDir dir;
  dir.add("config.json", "{}");
  dir.add("codec.safetensors", one_tensor("decoder", "1"));
  EXPECT_EQ(
      refusal(dir.path(), ErrorCode::kNotFound),
      "has neither model.safetensors nor model.safetensors.index.json; give the directory that holds the weights");
  dir.add("pytorch_model-00002-of-00002.bin", "");
  dir.add("pytorch_model-00001-of-00002.bin", "");
  EXPECT_EQ(
      refusal(dir.path(), ErrorCode::kNotFound),
      "has neither model.safetensors nor model.safetensors.index.json, but pytorch_model-00001-of-00002.bin; only "
      "safetensors is read: convert the checkpoint first (save_pretrained writes safetensors)");
  const TempDir gguf;
  gguf.add("x.Q4_K_M.gguf", "GGUF");
  EXPECT_EQ(refusal(gguf.path(), ErrorCode::kNotFound),
            "has neither model.safetensors nor model.safetensors.index.json, but x.Q4_K_M.gguf; GGUF is not read: take "
            "the original, or load it with transformers' from_pretrained(..., gguf_file='x.Q4_K_M.gguf') and "
            "save_pretrained()");
  dir.add(kSecond, one_tensor("a", "1"));
  EXPECT_EQ(
      refusal(dir.path(), ErrorCode::kNotFound),
      "has neither model.safetensors nor model.safetensors.index.json, but model-00002-of-00002.safetensors; fetch "
      "the index that belongs to the shards, or rename a single file to model.safetensors");
}

// --- indexes that lie

TEST(Checkpoint, RefusesAMissingShard) {
  const TempDir dir;
  dir.add(kFirst, one_tensor("a", "1"));
  ASSERT_TRUE(write_index(dir.path(), 2, {{"a", kFirst}, {"b", kSecond}}).ok());
  EXPECT_EQ(refusal(dir.path(), ErrorCode::kNotFound, kSecond),
            "cannot open: No such file or directory; the index names this shard: fetch it");
}

TEST(Checkpoint, RefusesATensorThatItsShardDoesNotHold) {
  const TempDir dir;
  dir.add(kFirst, one_tensor("a", "1"));
  ASSERT_TRUE(write_index(dir.path(), 2, {{"a", kFirst}, {"b", kFirst}}).ok());
  EXPECT_EQ(refusal(dir.path(), ErrorCode::kMismatch, kFirst),
            "tensor 'b': the index says that this file holds it, but it does not; fetch this shard again, or take the "
            "tensor out of the index if the model has none");
}

TEST(Checkpoint, RefusesAnIndexThatLeavesTheDirectory) {
  const TempDir dir;
  dir.add("secret.safetensors", one_tensor("a", "1"));
  dir.add("model/model.safetensors.index.json", R"({"weight_map":{"a":"../secret.safetensors"}})");
  EXPECT_EQ(refusal(dir / "model", ErrorCode::kCorrupt, "model.safetensors.index.json"),
            "tensor 'a': the index maps it to '../secret.safetensors', which is not a bare file name");
}

TEST(Checkpoint, RefusesADanglingIndexBesideItsShards) {
  const TempDir dir;
  dir.add(kFirst, one_tensor("a", "1"));
  fs::create_symlink("gone", dir / "model.safetensors.index.json");
  EXPECT_EQ(refusal(dir.path(), ErrorCode::kNotFound, "model.safetensors.index.json"),
            "cannot open: No such file or directory");
}

TEST(Checkpoint, NamesTheBrokenShard) {
  const TempDir dir;
  dir.add(kFirst, one_tensor("a", "1"));
  dir.add(kSecond, one_tensor("b", "2") + "trailing");
  ASSERT_TRUE(write_index(dir.path(), 2, {{"a", kFirst}, {"b", kSecond}}).ok());
  const std::string message = refusal(dir.path(), ErrorCode::kCorrupt, kSecond);
  EXPECT_NE(message.find("8 bytes after the last tensor belong to none"), std::string::npos) << message;
}

// --- checkpoints that transformers wrote

class Fixture : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::is_directory(root_)) GTEST_SKIP() << "no fixtures at " << root_;
  }
  const fs::path root_ = fs::path(NWC_SOURCE_DIR) / "../shared/fixtures";
};

TEST_F(Fixture, EveryFamilyOpens) {
  struct Expected {
    const char* family;
    size_t shards, tensors;
    uint64_t bytes;
  };
  for (const Expected& expected : {Expected{"clip", 1, 78, 527620},
                                   {"dinov2", 1, 43, 323584},
                                   {"gemma3", 1, 28, 453376},
                                   {"gpt_oss", 1, 37, 765760},
                                   {"llama2", 1, 21, 468224},
                                   {"llama3", 2, 20, 353536},
                                   {"mistral", 1, 21, 435456},
                                   {"mixtral", 7, 41, 953600},
                                   {"qwen2", 1, 26, 354560},
                                   {"qwen3", 1, 25, 534272},
                                   {"qwen3_moe", 1, 69, 956160},
                                   {"siglip", 1, 88, 756168}}) {
    const Result<Checkpoint> checkpoint = Checkpoint::open(root_ / expected.family);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    EXPECT_EQ(checkpoint->shards().size(), expected.shards) << expected.family;
    EXPECT_EQ(checkpoint->has_index(), expected.shards > 1) << expected.family;
    size_t tensors = 0;
    uint64_t bytes = 0;
    for (const SafetensorsFile& shard : checkpoint->shards()) {
      EXPECT_EQ(shard.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
      for (const TensorView& tensor : shard.tensors()) {
        ++tensors;
        bytes += tensor.bytes.size();
        EXPECT_EQ(checkpoint->find(tensor.name).tensor, &tensor);
      }
    }
    EXPECT_EQ(tensors, expected.tensors) << expected.family;
    EXPECT_EQ(bytes, expected.bytes) << expected.family;
  }
}

TEST_F(Fixture, ValuesAreWhereTheyShouldBe) {
  const Result<Checkpoint> checkpoint = Checkpoint::open(root_ / "llama2");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  const TensorView* tensor = checkpoint->find("model.layers.0.mlp.down_proj.weight").tensor;
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->dtype, DType::kF32);
  EXPECT_EQ(tensor->shape, (std::vector<uint64_t>{64, 112}));
  EXPECT_EQ(tensor->file_offset, 8u + 2136 + 164096);
  float first[2];
  std::memcpy(first, tensor->bytes.data(), sizeof(first));
  EXPECT_EQ(first[0], -0.07462148368358612f);
  EXPECT_EQ(first[1], 0.09535814076662064f);
}

}  // namespace
}  // namespace nwc

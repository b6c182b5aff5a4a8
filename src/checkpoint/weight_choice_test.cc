#include "checkpoint/weight_choice.h"

#include <gtest/gtest.h>

#include "nwcodec/checkpoint.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using testing::SafetensorsBuilder;
using testing::TempDir;
using testing::text_of;

using Names = std::vector<std::string>;

constexpr const char* kFirst = "model-00001-of-00002.safetensors";
constexpr const char* kSecond = "model-00002-of-00002.safetensors";

std::string one_tensor(const std::string& name, const std::string& data) {
  return SafetensorsBuilder().add(name, "U8", {data.size()}, data).bytes();
}

WeightChoice choice_of(const TempDir& dir) {
  Result<WeightChoice> choice = choose_weights(dir.path());
  if (!choice) throw std::runtime_error(choice.error().to_string());
  return *std::move(choice);
}

TEST(WeightChoice, ASingleFileWinsOverAnIndex) {
  const TempDir dir;
  dir.add("model.safetensors", one_tensor("a", "1"));
  dir.add(kFirst, one_tensor("a", "2"));
  dir.add("odd.safetensors", one_tensor("b", "2"));
  ASSERT_TRUE(write_index(dir.path(), 1, {{"a", kFirst}, {"b", "odd.safetensors"}}).ok());
  dir.add("mtp.safetensors", one_tensor("c", "3"));
  dir.add("codec.safetensors", one_tensor("d", "3"));
  const WeightChoice choice = choice_of(dir);
  EXPECT_EQ(choice.files, Names{"model.safetensors"});
  EXPECT_FALSE(choice.index.has_value());
  EXPECT_EQ(choice.passed_over, (Names{kFirst, "model.safetensors.index.json", "odd.safetensors"}));
  EXPECT_EQ(choice.others, Names{"mtp.safetensors"});
}

TEST(WeightChoice, AnIndexOfShardsThatAreGoneDoesNotMatterBesideASingleFile) {
  const TempDir dir;
  dir.add("model.safetensors", one_tensor("a", "1"));
  dir.add("model.safetensors.index.json", "not JSON");
  EXPECT_EQ(choice_of(dir).files, Names{"model.safetensors"});
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_EQ(checkpoint->notes(), Names{"1 files of other weights are passed over, as model.safetensors gives all: "
                                       "model.safetensors.index.json"});
}

TEST(WeightChoice, AnIndexOfTheSingleFileIsNotWorthASentence) {
  const TempDir dir;
  dir.add("model.safetensors", one_tensor("a", "1"));
  ASSERT_TRUE(write_index(dir.path(), 1, {{"a", "model.safetensors"}}).ok());
  EXPECT_EQ(choice_of(dir).files, Names{"model.safetensors"});
  EXPECT_EQ(choice_of(dir).passed_over, Names{});
}

TEST(WeightChoice, ALinkThatLeadsNowhereIsNoFile) {
  const TempDir dir;
  fs::create_symlink("gone", dir / "model.safetensors");
  EXPECT_EQ(choice_of(dir).files, Names{"model.safetensors"});  // for want of another, so that it is named
  dir.add(kFirst, one_tensor("a", "2"));
  ASSERT_TRUE(write_index(dir.path(), 1, {{"a", kFirst}}).ok());
  EXPECT_EQ(choice_of(dir).files, Names{kFirst});
  EXPECT_EQ(choice_of(dir).passed_over, Names{"model.safetensors"});
}

TEST(WeightChoice, ShardsThatTheIndexDoesNotNameArePassedOver) {
  const TempDir dir;
  dir.add("model-00001-of-00003.safetensors", one_tensor("old", "1"));
  dir.add(kFirst, one_tensor("a", "2"));
  ASSERT_TRUE(write_index(dir.path(), 1, {{"a", kFirst}}).ok());
  EXPECT_EQ(choice_of(dir).passed_over, Names{"model-00001-of-00003.safetensors"});
}

TEST(WeightChoice, ConfigMayNameAFile) {
  const TempDir dir;
  dir.add("config.json", R"({"transformers_weights": "best.safetensors"})");
  dir.add("best.safetensors", one_tensor("a", "1"));
  dir.add("model.safetensors", one_tensor("a", "2"));
  EXPECT_EQ(choice_of(dir).files, Names{"best.safetensors"});
  EXPECT_EQ(choice_of(dir).passed_over, Names{"model.safetensors"});
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok());
  EXPECT_EQ(text_of(checkpoint->find("a").tensor->bytes), "1");
  for (const char* name : {"../model.safetensors", "weights.bin", "other.safetensors.index.json"}) {
    const TempDir wrong;
    wrong.add("config.json", std::string(R"({"transformers_weights": ")") + name + "\"}");
    const Result<WeightChoice> refused = choose_weights(wrong.path());
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().to_string(), (wrong / "config.json").string() + ": 'transformers_weights' names '" +
                                               name +
                                               "', which is no safetensors file of this directory; take the key out, "
                                               "or name the file that holds the weights");
  }
}

// --- shards are read whole, one after another, whatever the index says

TEST(WeightChoice, TensorsThatTheIndexDoesNotMentionAreRead) {
  const TempDir dir;
  dir.add(kFirst, SafetensorsBuilder().add("a", "U8", {1}, "x").add("extra", "U8", {1}, "y").bytes());
  ASSERT_TRUE(write_index(dir.path(), 1, {{"a", kFirst}}).ok());
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_EQ(text_of(checkpoint->find("extra").tensor->bytes), "y");
  EXPECT_EQ(checkpoint->notes(),
            Names{"1 tensors that the index does not mention are read, as they stand in its shards: extra"});
}

// An overlay: the later file's tensor, whichever of the two the index names.
TEST(WeightChoice, OfATensorInSeveralShardsTheLastIsTaken) {
  for (const char* named : {kFirst, kSecond}) {
    const TempDir dir;
    dir.add(kFirst, SafetensorsBuilder().add("a", "U8", {1}, "1").add("b", "U8", {1}, "2").bytes());
    dir.add(kSecond, SafetensorsBuilder().add("c", "U8", {1}, "3").add("a", "U8", {1}, "4").bytes());
    ASSERT_TRUE(write_index(dir.path(), 3, {{"a", named}, {"b", kFirst}, {"c", kSecond}}).ok());
    const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
    EXPECT_EQ(text_of(checkpoint->find("a").tensor->bytes), "4");
    EXPECT_EQ(checkpoint->find("a").shard, &checkpoint->shards()[1]);
    ASSERT_EQ(checkpoint->tensors(checkpoint->shards()[0]).size(), 1u);
    EXPECT_EQ(checkpoint->tensors(checkpoint->shards()[0])[0].name, "b");
    Names expected{"1 tensors stand in several shards; of each, the last shard's is taken"};
    if (named == kFirst)
      expected.push_back("1 tensors are read from another shard than the index says, the last that holds them: a");
    EXPECT_EQ(checkpoint->notes(), expected);
  }
}

TEST(WeightChoice, ATensorMayStandInAnotherShardThanTheIndexSays) {
  const TempDir dir;
  dir.add(kFirst, one_tensor("a", "1"));
  dir.add(kSecond, one_tensor("b", "2"));
  ASSERT_TRUE(write_index(dir.path(), 2, {{"a", kSecond}, {"b", kFirst}}).ok());
  const Result<Checkpoint> checkpoint = Checkpoint::open(dir.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().to_string();
  EXPECT_EQ(text_of(checkpoint->find("a").tensor->bytes), "1");
  EXPECT_EQ(checkpoint->notes(),
            Names{"2 tensors are read from another shard than the index says, the last that holds them: a, b"});
}

}  // namespace
}  // namespace nwc

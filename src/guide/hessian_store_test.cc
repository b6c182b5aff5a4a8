#include "guide/hessian_store.h"

#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "base/hash.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

TensorView view_of(const std::string& name, const std::string& bytes) {
  return {name, DType::kU8, {bytes.size()}, std::as_bytes(std::span(bytes)), 0};
}

HessianFile two_layers(const std::string& weight_bytes) {
  HessianFile file;
  file.hessians = {{2, {10}, {1, 0.5f, 2}}, {1, {3, 0}, {4, 0}}};
  file.weights = {
      {"q.weight", {0, xxh3(std::as_bytes(std::span(weight_bytes)))}}, {"k.weight", {0, 7}}, {"experts", {1, 8}}};
  file.calibration = {{"seed", 1}};
  return file;
}

TEST(HessianStore, ThereAndBack) {
  const testing::TempDir directory;
  const std::string bytes = "weights";
  ASSERT_TRUE(write_hessian_file(directory.path() / "hessians-00000.safetensors", two_layers(bytes)).ok());
  const Result<HessianStore> store = HessianStore::open(directory.path());
  ASSERT_TRUE(store.ok()) << store.error().to_string();
  const Result<StoredHessian> found = store->find(view_of("q.weight", bytes));
  ASSERT_TRUE(found.ok()) << found.error().to_string();
  EXPECT_EQ(found->features, 2u);
  EXPECT_EQ(found->tokens, (std::vector<int64_t>{10}));
  EXPECT_EQ(found->triangles, (std::vector<float>{1, 0.5f, 2}));
  const Result<HessianFile> read = read_hessian_file(directory.path() / "hessians-00000.safetensors");
  ASSERT_TRUE(read.ok()) << read.error().to_string();
  EXPECT_EQ(read->hessians[1].tokens, (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(read->weights.at("experts").hessian, 1u);
  EXPECT_EQ(read->calibration["seed"], 1);
}

TEST(HessianStore, FisherFactorsThereAndBack) {
  const testing::TempDir directory;
  const std::string bytes = "weights";
  HessianFile file = two_layers(bytes);
  file.fishers = {{1, 2, 3, {7, 8, 9}, {1, 2, 3}, {}}, {2, 1, 2, {5, 6}, {1, 2, 3, 4}, {1, 2, 3, 4, 5, 6}, {2.5, 4}}};
  file.weights["q.weight"].fisher = 0;
  file.weights["experts"].fisher = 1;
  file.positions = 10;
  const fs::path path = directory / "hessians-00000.safetensors";
  ASSERT_TRUE(write_hessian_file(path, file));
  const Result<HessianFile> read = read_hessian_file(path);
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->positions, 10);
  ASSERT_EQ(read->fishers.size(), 2u);
  EXPECT_EQ(read->fishers[1].matrices, 2u);
  EXPECT_EQ(read->fishers[1].outputs, file.fishers[1].outputs);
  EXPECT_EQ(read->fishers[1].effective, file.fishers[1].effective);
  EXPECT_TRUE(read->fishers[0].effective.empty()) << "as older versions wrote them";
  const HessianStore store = *HessianStore::open(directory.path());
  const Result<std::optional<StoredFisher>> fisher = store.find_fisher(view_of("q.weight", bytes));
  ASSERT_TRUE(fisher && *fisher);
  EXPECT_EQ((*fisher)->features, 2u);
  EXPECT_EQ((*fisher)->output_features, 3u);
  EXPECT_EQ((*fisher)->inputs, (std::vector<float>{7, 8, 9}));
  EXPECT_EQ((*fisher)->rows, (std::vector<float>{1, 2, 3}));
  EXPECT_TRUE((*fisher)->outputs.empty());
  EXPECT_FALSE(store.find_fisher(view_of("k.weight", bytes))->has_value()) << "not every layer need have them";
  EXPECT_EQ(store.find_fisher(view_of("none", bytes)).error().code(), ErrorCode::kNotFound);
}

// Each of the shapes must fit the Hessian's and each other.
TEST(HessianStore, FisherFactorsOfOtherShapesAreRefused) {
  const testing::TempDir directory;
  const fs::path path = directory / "hessians-00000.safetensors";
  const StoredFisher sound{1, 2, 3, {7, 8, 9}, {1, 2, 3}, {1, 2, 3, 4, 5, 6}};
  const auto error_with = [&](const StoredFisher& fisher, size_t number) {
    HessianFile file = two_layers("weights");
    file.fishers = {fisher};
    file.weights["q.weight"].fisher = number;
    EXPECT_TRUE(write_hessian_file(path, file));
    const Result<HessianStore> store = HessianStore::open(directory.path());
    return store ? std::string() : store.error().message();
  };
  EXPECT_EQ(error_with(sound, 0), "");
  const std::string refused = "Fisher factors 0 are missing, or have another dtype or shape";
  EXPECT_EQ(error_with({1, 3, 3, {1, 2, 3, 4, 5, 6}, {1, 2, 3}, {}}, 0), refused) << "other inputs";
  EXPECT_EQ(error_with({2, 2, 3, {7, 8, 9, 7, 8, 9}, {1, 2, 3, 1, 2, 3}, {}}, 0), refused) << "other matrices";
  EXPECT_EQ(error_with({1, 2, 3, {7, 8, 9}, {1, 2, 3}, {}, {1, 2}}, 0), refused) << "other effective tokens";
  EXPECT_EQ(error_with({1, 2, 3, {7, 8, 9}, {1, 2, 3}, {}}, 1),
            "Fisher factors 1 are missing, or have another dtype or shape");
}

TEST(HessianStore, RefusesOtherWeightsAndUnknownLayers) {
  const testing::TempDir directory;
  ASSERT_TRUE(write_hessian_file(directory.path() / "hessians-00000.safetensors", two_layers("weights")).ok());
  const HessianStore store = *HessianStore::open(directory.path());
  EXPECT_EQ(store.find(view_of("q.weight", "fine-tuned")).error().code(), ErrorCode::kMismatch);
  EXPECT_EQ(store.find(view_of("v.weight", "weights")).error().code(), ErrorCode::kNotFound);
}

TEST(HessianStore, DirectoriesWithoutHessiansOrWithTwoOfOne) {
  const testing::TempDir directory;
  EXPECT_EQ(HessianStore::open(directory.path()).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(HessianStore::open(directory.path() / "none").error().code(), ErrorCode::kNotFound);
  for (const char* name : {"hessians-00000.safetensors", "hessians-00001.safetensors"}) {
    ASSERT_TRUE(write_hessian_file(directory.path() / name, two_layers("weights")).ok());
  }
  EXPECT_EQ(HessianStore::open(directory.path()).error().code(), ErrorCode::kMismatch);
}

TEST(HessianStore, DamagedFilesAreRefused) {
  const testing::TempDir directory;
  const fs::path path = directory.path() / "hessians-00000.safetensors";
  ASSERT_TRUE(write_hessian_file(path, two_layers("weights")).ok());
  const auto size = fs::file_size(path);
  for (uint64_t cut = 0; cut < size; cut += 7) {
    fs::resize_file(path, size);
    ASSERT_TRUE(write_hessian_file(path, two_layers("weights")).ok());
    fs::resize_file(path, cut);
    EXPECT_FALSE(HessianStore::open(directory.path()).ok()) << cut;
  }
}

}  // namespace
}  // namespace nwc

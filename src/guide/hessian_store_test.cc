#include "guide/hessian_store.h"

#include <gtest/gtest.h>

#include <fstream>

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

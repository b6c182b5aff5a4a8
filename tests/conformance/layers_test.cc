// Refinements and deltas that are missing, damaged, swapped or of another base: both decoders must refuse what does not
// belong together, the library by name, and read what is whole.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "conformance/mutation.h"
#include "conformance/reference_decoder.h"
#include "nwcodec/inspect.h"
#include "nwcodec/weights.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::TempDir;

const fs::path kGoldens = NWC_SOURCE_DIR "/tests/data/golden";

using Everything = std::map<std::string, std::string>;  // bytes by name

Result<Everything> read_all(const fs::path& directory, const WeightsOptions& options = {}) {
  Everything tensors;
  NWC_ASSIGN_OR_RETURN(const Weights weights, Weights::open(directory, options));
  for (const WeightInfo& info : weights.list()) {
    std::string& bytes = tensors[info.name];
    bytes.resize(info.elements() * bits_of(info.dtype) / 8);
    NWC_RETURN_IF_ERROR(weights.read(info.name, info.dtype, std::as_writable_bytes(std::span(bytes))));
  }
  return tensors;
}

Everything bytes_of(const std::map<std::string, reference::Tensor>& tensors) {
  Everything bytes;
  for (const auto& [name, tensor] : tensors) bytes[name] = tensor.bytes;
  return bytes;
}

std::string refusal_of_reference(const fs::path& directory, unsigned layers, const fs::path& base) {
  try {
    reference::decode_checkpoint(directory, layers, base);
    return "";
  } catch (const std::exception& e) {
    return e.what();
  }
}

// The goldens "layers" and "delta" where they may be changed.
class LayersTest : public ::testing::Test {
 protected:
  LayersTest() { SetUpAgain(); }

  void SetUpAgain() const {
    for (const auto& entry : fs::directory_iterator(root.path())) fs::remove_all(entry.path());
    for (const char* golden : {"layers", "delta"})
      fs::copy(kGoldens / golden, root / golden, fs::copy_options::recursive);
  }

  // Changes the files of one folder, and repairs its checksums.
  void mutate(const fs::path& folder, const json& mutations, const std::set<std::string>& keep = {}) const {
    const TempDir flat;
    for (const auto& entry : fs::directory_iterator(root / folder)) {
      if (entry.is_regular_file()) fs::copy_file(entry.path(), flat / entry.path().filename());
    }
    testing::MutableCheckpoint checkpoint(flat.path());
    for (const json& mutation : mutations) checkpoint.apply(mutation);
    checkpoint.write(root / folder, keep);
  }

  // Both decoders give the same.
  void agree(const fs::path& name, const WeightsOptions& options = {}) const {
    const auto read = read_all(root / name, options);
    ASSERT_TRUE(read.ok()) << read.error().to_string();
    EXPECT_TRUE(*read == bytes_of(reference::decode_checkpoint(root / name, options.layers.value_or(0), options.base)));
  }

  // Both refuse, the library with all of these words.
  void refused(const fs::path& name, const std::vector<std::string>& words, const WeightsOptions& options = {}) const {
    const auto read = read_all(root / name, options);
    EXPECT_NE(refusal_of_reference(root / name, options.layers.value_or(0), options.base), "");
    ASSERT_FALSE(read.ok());
    for (const std::string& word : words)
      EXPECT_NE(read.error().to_string().find(word), std::string::npos)
          << read.error().to_string() << "\n lacks " << word;
  }

  std::vector<std::string> warnings(const fs::path& name, const WeightsOptions& options = {}) const {
    const Result<Weights> weights = Weights::open(root / name, options);
    EXPECT_TRUE(weights.ok());
    return weights.ok() ? weights->warnings() : std::vector<std::string>();
  }

  const TempDir root;
};

TEST_F(LayersTest, EveryPrefixIsACheckpoint) {
  std::vector<Everything> prefixes;
  for (unsigned layers = 1; layers <= 3; ++layers) {
    agree("layers", {.layers = layers});
    prefixes.push_back(*read_all(root / "layers", {.layers = layers}));
  }
  EXPECT_NE(prefixes[0], prefixes[1]);
  EXPECT_NE(prefixes[1], prefixes[2]);
  EXPECT_EQ(*read_all(root / "layers"), prefixes[2]);
  EXPECT_EQ(warnings("layers"), std::vector<std::string>());
  EXPECT_EQ(warnings("layers", {.layers = 2}), std::vector<std::string>());
  refused("layers", {"refinement-3", "the checkpoint here has 3", "--layers 3"}, {.layers = 4});
  EXPECT_FALSE(Weights::open(root / "layers", WeightsOptions{.layers = 0}).ok());

  fs::remove_all(root / "layers/refinement-2");
  EXPECT_EQ(*read_all(root / "layers"), prefixes[1]);
  fs::remove_all(root / "layers/refinement-1");
  EXPECT_EQ(*read_all(root / "layers"), prefixes[0]);
  agree("layers");
}

// Sums exceed the largest number, which they become.
TEST_F(LayersTest, SumsSaturate) {
  const Everything read = *read_all(root / "layers");
  EXPECT_EQ(read.at("huge.weight").substr(0, 4), "\xFF\xFF\x7F\x7F");
  EXPECT_NE(read_all(root / "layers", {.layers = 1})->at("huge.weight").substr(0, 4), "\xFF\xFF\x7F\x7F");
}

TEST_F(LayersTest, SlicesAreThoseOfTheWhole) {
  for (const char* golden : {"layers", "delta"}) {
    const Result<Weights> weights = Weights::open(root / golden);
    ASSERT_TRUE(weights.ok());
    for (const WeightInfo& info : weights->list()) {
      if (!info.compressed || info.rows() < 4 || info.columns() < 4) continue;
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        const size_t size = bits_of(dtype) / 8;
        std::string whole(info.elements() * size, '\0');
        ASSERT_TRUE(weights->read(info.name, dtype, std::as_writable_bytes(std::span(whole))));
        for (uint64_t m = 0; m < info.matrices(); ++m) {
          const WeightSlice slice{m, 1, info.rows() - 1, 2, info.columns() - 1};
          std::string part((info.rows() - 2) * (info.columns() - 3) * size, '\0'), wanted;
          ASSERT_TRUE(weights->read(info.name, slice, dtype, std::as_writable_bytes(std::span(part))));
          for (uint64_t r = slice.row_begin; r < slice.row_end; ++r)
            wanted += whole.substr(((m * info.rows() + r) * info.columns() + 2) * size, (info.columns() - 3) * size);
          EXPECT_TRUE(part == wanted) << info.name;
        }
      }
    }
  }
}

TEST_F(LayersTest, AGapIsSaid) {
  fs::remove_all(root / "layers/refinement-1");
  agree("layers");
  EXPECT_EQ(warnings("layers"), std::vector<std::string>{"refinement-2 is not read: there is no refinement-1"});
}

TEST_F(LayersTest, LayersOfOthersAreRefusedByName) {
  // Another base: one symbol of one tensor; a plain tensor.
  mutate("layers", {{{"end_tile", "a.weight"}, {"tile", 0}, {"drop", 1}, {"hex", "55"}}});
  refused("layers", {"refinement-1/model.safetensors", "a.weight", "which is not its base", "--layers 1"});
  SetUpAgain();
  mutate("layers", {{{"set", "norm.weight"}, {"at", 0}, {"hex", "55"}}});
  refused("layers", {"refinement-1/model.safetensors", "tensors that it takes from there are not the same"});
  agree("layers", {.layers = 1});
  SetUpAgain();
  mutate("layers/refinement-1", {{{"end_tile", "c.weight"}, {"tile", 0}, {"drop", 1}, {"hex", "55"}}});
  refused("layers", {"refinement-2/model.safetensors", "tensors that it takes from there are not the same"});
  SetUpAgain();
  fs::rename(root / "layers/refinement-1", root / "layers/x");
  fs::rename(root / "layers/refinement-2", root / "layers/refinement-1");
  refused("layers", {"layers/refinement-1", "does not hold refinement 1"});
  fs::rename(root / "layers/x", root / "layers/refinement-2");
  refused("layers", {"layers/refinement-1", "does not hold refinement 1"});
  agree("layers", {.layers = 1});
}

TEST_F(LayersTest, PartsOfALayerThatAreMissing) {
  fs::remove(root / "layers/refinement-2/codec.safetensors");
  refused("layers", {"refinement-2/codec.safetensors"});
  agree("layers", {.layers = 2});
  SetUpAgain();
  fs::remove(root / "layers/refinement-2/model.safetensors");
  refused("layers", {"refinement-2"});
  SetUpAgain();
  fs::copy_file(root / "layers/codec.safetensors", root / "layers/refinement-1/codec.safetensors",
                fs::copy_options::overwrite_existing);
  refused("layers", {"refinement-1/model.safetensors", "stream was made with codec"});
}

TEST_F(LayersTest, WhatARefinementMustNotHold) {
  mutate("layers/refinement-2", {{{"add", "norm.weight"}, {"dtype", "BF16"}, {"shape", {1}}, {"hex", "0000"}}});
  refused("layers", {"norm.weight", "is no difference, and stands in a refinement"});
  SetUpAgain();
  mutate("layers/refinement-1", {{{"set", "a.weight.nwc_stream"}, {"at", 74}, {"hex", "08"}}});  // line scales misread
  refused("layers", {"a.weight"});
  SetUpAgain();
  mutate("layers/refinement-2", {{{"set", "a.weight.nwc_stream"}, {"at", 4}, {"hex", "0400"}}});
  refused("layers", {"a.weight", "a feature that format version 4 does not have"});
  SetUpAgain();
  mutate("layers/refinement-2", {{{"cut_section", "a.weight"}, {"size", 7}}});
  refused("layers", {"a.weight", "stream holds a difference, and not from what"});
  SetUpAgain();
  mutate("layers/refinement-2", {{{"set_section", "a.weight"}, {"at", 0}, {"hex", "0123456789ABCDEF"}}});
  refused("layers", {"a.weight", "which is not its base"});
}

TEST_F(LayersTest, MetadataThatSayNothing) {
  const auto with = [&](const char* folder, const char* key, const char* value) {
    SetUpAgain();
    mutate(folder, {{{"metadata", key}, {"value", value}, {"file", "model.safetensors"}}});
  };
  for (const char* layer : {"0", "2", "01", "256", "-1", "1 ", "", "999999999999"}) {
    with("layers/refinement-1", "nwcodec.layer", layer);
    refused("layers", {"refinement-1"});
  }
  for (const char* base : {"", "0", "0123456789abcdef", "0123456789ABCDEF0"}) {
    with("layers/refinement-1", "nwcodec.base", base);
    refused("layers", {"refinement-1"});
  }
  for (const char* kind : {"", "delta", "Refinement"}) {
    with("layers/refinement-1", "nwcodec.difference", kind);
    refused("layers", {"refinement-1"});
  }
  SetUpAgain();
  mutate("layers/refinement-1", {{{"metadata", "nwcodec.difference"}, {"file", "model.safetensors"}}});
  refused("layers", {"refinement-1/model.safetensors", "stream holds a difference"});
}

TEST_F(LayersTest, ADifferenceAloneIsNoCheckpoint) {
  refused("layers/refinement-1", {"refinement-1", "no checkpoint by itself"});
  fs::remove_all(root / "layers");
  refused("delta", {"layers", "there is no such directory", "--base"});
}

TEST_F(LayersTest, ADeltaHasItsBaseWhereverItLies) {
  agree("delta");
  agree("delta", {.layers = 1});
  const Everything whole = *read_all(root / "delta");
  EXPECT_EQ(whole.size(), 7u);                   // those of the base and one more
  fs::remove_all(root / "layers/refinement-2");  // which it does not want
  EXPECT_EQ(*read_all(root / "delta"), whole);
  fs::rename(root / "layers", root / "elsewhere");
  EXPECT_FALSE(read_all(root / "delta").ok());
  EXPECT_EQ(*read_all(root / "delta", {.base = root / "elsewhere"}), whole);
  agree("delta", {.base = root / "elsewhere"});

  mutate("elsewhere/refinement-1", {{{"end_tile", "a.weight"}, {"tile", 0}, {"drop", 1}, {"hex", "55"}}});
  refused("delta", {"a.weight", "which is not its base", "--base"}, {.base = root / "elsewhere"});
  refused("delta", {"elsewhere/refinement-1", "the checkpoint here has 1"}, [&] {
    fs::remove_all(root / "elsewhere/refinement-1");
    return WeightsOptions{.base = root / "elsewhere"};
  }());
  refused("delta", {"is a difference itself"}, {.base = root / "delta"});
  EXPECT_FALSE(Weights::open(kGoldens / "layers", WeightsOptions{.base = root / "delta"}).ok());
}

TEST_F(LayersTest, InspectCountsLayers) {
  const Result<CheckpointReport> all = inspect_checkpoint(root / "layers", true);
  ASSERT_TRUE(all.ok()) << all.error().to_string();
  ASSERT_EQ(all->layers.size(), 3u);
  EXPECT_EQ(all->layers[0].folder, "");
  EXPECT_EQ(all->layers[1].folder, "refinement-1");
  EXPECT_EQ(all->layers[0].tensors, 4u);
  EXPECT_EQ(all->layers[2].tensors, 3u);
  EXPECT_EQ(all->tensors.size(), 4u);
  uint64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root / "layers")) {
    if (entry.path().extension() == ".safetensors") bytes += entry.file_size();
  }
  EXPECT_EQ(all->file_bytes, bytes);
  const Result<CheckpointReport> delta = inspect_checkpoint(root / "delta", true);
  ASSERT_TRUE(delta.ok()) << delta.error().to_string();
  EXPECT_EQ(delta->unchanged_tensors, 2u);
  EXPECT_EQ(delta->plain_tensors, 1u);
  EXPECT_EQ(delta->tensors.size(), 4u);
  EXPECT_NE(delta->base, "");
}

// Bytes changed and files cut anywhere in any file of any layer.
TEST_F(LayersTest, NoDamageGoesUnnoticed) {
  std::mt19937 random(21);
  int refusals = 0;
  for (const char* golden : {"layers", "delta"}) {
    const Everything whole = *read_all(root / golden);
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(root.path())) {
      const bool unread = entry.path().string().find("refinement-2") != std::string::npos && golden[0] == 'd';
      if (entry.path().extension() == ".safetensors" && !unread) files.push_back(entry.path());
    }
    for (int round = 0; round < 1500; ++round) {
      const fs::path& file = files[random() % files.size()];
      const std::string bytes = testing::read_file(file);
      std::string damaged = bytes;
      const size_t at = random() % bytes.size();
      if (round % 4 == 0)
        damaged.resize(at);
      else
        damaged[at] = static_cast<char>(damaged[at] ^ (1 << random() % 8));
      root.add(file, damaged);
      const auto read = read_all(root / golden);
      root.add(file, bytes);
      if (read.ok()) {
        EXPECT_TRUE(*read == whole) << file << " byte " << at;
      } else {
        ++refusals;
      }
      const bool belongs = file.string().find(std::string("/") + golden) != std::string::npos;
      EXPECT_FALSE(belongs && round % 4 == 0 && read.ok()) << file << " of " << at << " bytes";
    }
  }
  EXPECT_GT(refusals, 2000);
}

}  // namespace
}  // namespace nwc

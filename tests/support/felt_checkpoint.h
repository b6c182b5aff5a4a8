// A checkpoint that is large enough for steps by sensitivity, whose tables cost some 8 KB, and its calibration.
#pragma once

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/hash.h"
#include "guide/hessian_store.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"
#include "support/tiny_codec.h"

namespace nwc::testing {

// Three linear tensors; no gradient came to the last.
class FeltCheckpoint {
 public:
  static constexpr uint64_t kRows = 512, kColumns = 96;
  static constexpr int64_t kTokens = 4096;
  static constexpr float kEffective = 2048;
  static std::string name(int block) { return "model.layers." + std::to_string(block) + ".mlp.up_proj.weight"; }

  FeltCheckpoint() {
    std::mt19937 random(1);
    SafetensorsBuilder builder;
    builder.metadata("format", "pt");
    HessianFile file;
    file.positions = kTokens;
    for (int block = 0; block < 3; ++block) {
      weights.push_back(random_values(kRows * kColumns, 0.02, random));
      const OwnedMatrix matrix("", DType::kF32, {kRows, kColumns}, weights.back());
      builder.add(name(block), "F32", {kRows, kColumns}, text_of(matrix.bytes()));
      fishers.push_back(fisher_of(block < 2, random));
      if (block == 1) fishers.back().effective = {kEffective};  // of block 0 as older versions wrote it
      file.weights[name(block)] = {file.hessians.size(), xxh3(matrix.bytes()), file.fishers.size()};
      file.hessians.push_back({kColumns, {block < 2 ? kTokens : 0}, fishers.back().inputs});
      file.fishers.push_back(fishers.back());
    }
    builder.add("model.norm.weight", "F32", {4}, raw<float>({1, 2, 3, 4}));
    model_.add("model.safetensors", builder.bytes());
    model_.add("config.json", "{\n  \"model_type\": \"llama\",\n  \"hidden_size\": 96\n}\n");
    model_.add("extra/notes.txt", "a side file in a folder");
    std::filesystem::create_directories(hessians());
    if (!write_hessian_file(hessians() / hessian_file_name(0), file)) throw std::runtime_error("no Hessians");
  }

  const std::filesystem::path& model() const { return model_.path(); }
  std::filesystem::path hessians() const { return other_ / "hessians"; }
  std::filesystem::path out(const std::string& directory = "out") const { return other_ / directory; }

  std::vector<std::vector<float>> weights;  // [kRows][kColumns] of each
  std::vector<StoredFisher> fishers;

 private:
  // Inputs that hang together, rows that differ; or zeros.
  static StoredFisher fisher_of(bool felt, std::mt19937& random) {
    StoredFisher fisher{.matrices = 1, .features = kColumns, .output_features = kRows};
    const std::vector<float> x = random_values(2 * kColumns * kColumns, 1.0, random);
    for (uint64_t i = 0; i < kColumns; ++i) {
      for (uint64_t j = 0; j <= i; ++j) {
        double sum = 0;
        for (uint64_t t = 0; t < 2 * kColumns; ++t) sum += x[t * kColumns + i] * x[t * kColumns + j];
        fisher.inputs.push_back(felt ? static_cast<float>(sum) : 0.0f);
      }
    }
    for (uint64_t i = 0; i < kRows; ++i) fisher.rows.push_back(felt ? 1 + 0.01f * static_cast<float>(i % 97) : 0.0f);
    return fisher;
  }

  TempDir model_, other_;
};

// The definition: 1/2 sum_i (r_i / sum r) (E G E^T)_ii, of all rows.
inline double felt_by_definition(const StoredFisher& fisher, const std::vector<float>& original,
                                 const std::vector<float>& decoded) {
  double of_rows = 0, sum = 0;
  for (uint64_t r = 0; r < fisher.output_features; ++r) {
    double form = 0;
    const auto error = [&](uint64_t c) {
      return static_cast<double>(decoded[r * fisher.features + c]) - original[r * fisher.features + c];
    };
    for (uint64_t i = 0; i < fisher.features; ++i) {
      for (uint64_t j = 0; j < fisher.features; ++j) {
        const uint64_t a = std::max(i, j), b = std::min(i, j);
        form += error(i) * error(j) * static_cast<double>(fisher.inputs[a * (a + 1) / 2 + b]);
      }
    }
    of_rows += fisher.rows[r] * form;
    sum += fisher.rows[r];
  }
  return of_rows / sum / 2;
}

}  // namespace nwc::testing

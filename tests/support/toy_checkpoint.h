// Test support: tiny Llama checkpoints on disk, sound ones and broken ones.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace nwc::testing {

// hidden 8, 2 heads of 4, 1 key head, MLP 12, 2 blocks, vocabulary 16, context 64, no end-of-sequence token.
inline constexpr int64_t kToyVocab = 16;
inline constexpr const char* kToyConfig = R"({
  "model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
  "num_key_value_heads": 1, "vocab_size": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-06,
  "rope_theta": 10000.0, "torch_dtype": "float32"})";

// kToyConfig with more keys: toy_config("\"mlp_bias\": true").
std::string toy_config(const std::string& extra);

struct ToyTensor {
  std::vector<uint64_t> shape;
  std::vector<float> values;
};
using ToyTensors = std::map<std::string, ToyTensor>;

// Values in [-scale, scale) that look random and are the same everywhere.
ToyTensor toy_tensor(std::vector<uint64_t> shape, float scale, uint32_t seed);

// The tensors that kToyConfig asks for.
ToyTensors toy_tensors(uint32_t seed);

// Writes config.json and model.safetensors into `dir`.
void write_toy_checkpoint(const TempDir& dir, const ToyTensors& tensors, const std::string& config = kToyConfig);

}  // namespace nwc::testing

// Test support: tiny Llama checkpoints on disk, sound ones and broken ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc::testing {

// hidden 8, 2 heads of 4, 1 key head, MLP 12, 2 blocks, vocabulary 16, context 64, no end-of-sequence token.
inline constexpr int64_t kToyVocab = 16;
inline constexpr const char* kToyConfig = R"({
  "model_type": "llama", "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
  "num_key_value_heads": 1, "vocab_size": 16, "max_position_embeddings": 64, "rms_norm_eps": 1e-06,
  "rope_theta": 10000.0, "torch_dtype": "float32"})";

// kToyConfig with more keys: toy_config("\"mlp_bias\": true").
inline std::string toy_config(const std::string& extra) {
  std::string config = kToyConfig;
  config.pop_back();
  return config + ", " + extra + "}";
}

struct ToyTensor {
  std::vector<uint64_t> shape;
  std::vector<float> values;
};
using ToyTensors = std::map<std::string, ToyTensor>;

// Values in [-scale, scale) that look random and are the same everywhere.
inline ToyTensor toy_tensor(std::vector<uint64_t> shape, float scale, uint32_t seed) {
  uint64_t elements = 1;
  for (const uint64_t dim : shape) elements *= dim;
  ToyTensor tensor{std::move(shape), {}};
  uint32_t state = seed * 2654435761u + 12345u;
  for (uint64_t i = 0; i < elements; ++i) {
    state = state * 1664525u + 1013904223u;
    tensor.values.push_back(scale * (static_cast<float>(state >> 8) / 8388608.0f - 1.0f));
  }
  return tensor;
}

// The tensors that kToyConfig asks for.
inline ToyTensors toy_tensors(uint32_t seed) {
  ToyTensors tensors;
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape, float scale) {
    tensors[name] = toy_tensor(std::move(shape), scale, ++seed);
  };
  add("model.embed_tokens.weight", {16, 8}, 1);
  add("lm_head.weight", {16, 8}, 1);
  add("model.norm.weight", {8}, 2);
  for (const std::string prefix : {"model.layers.0.", "model.layers.1."}) {
    add(prefix + "input_layernorm.weight", {8}, 2);
    add(prefix + "post_attention_layernorm.weight", {8}, 2);
    add(prefix + "self_attn.q_proj.weight", {8, 8}, 1);
    add(prefix + "self_attn.k_proj.weight", {4, 8}, 1);
    add(prefix + "self_attn.v_proj.weight", {4, 8}, 1);
    add(prefix + "self_attn.o_proj.weight", {8, 8}, 1);
    add(prefix + "mlp.gate_proj.weight", {12, 8}, 1);
    add(prefix + "mlp.up_proj.weight", {12, 8}, 1);
    add(prefix + "mlp.down_proj.weight", {8, 12}, 1);
  }
  return tensors;
}

// Writes config.json and model.safetensors into `dir`.
inline void write_toy_checkpoint(const TempDir& dir, const ToyTensors& tensors, const std::string& config = kToyConfig) {
  SafetensorsBuilder builder;
  builder.metadata("format", "pt");
  for (const auto& [name, tensor] : tensors) builder.add(name, "F32", tensor.shape, raw<float>(tensor.values));
  dir.add("config.json", config);
  dir.add("model.safetensors", builder.bytes());
}

}  // namespace nwc::testing

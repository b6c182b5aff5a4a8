#include "support/toy_checkpoint.h"

#include <utility>

#include "support/safetensors_builder.h"

namespace nwc::testing {

std::string toy_config(const std::string& extra) {
  std::string config = kToyConfig;
  config.pop_back();
  return config + ", " + extra + "}";
}

ToyTensor toy_tensor(std::vector<uint64_t> shape, float scale, uint32_t seed) {
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

ToyTensors toy_tensors(uint32_t seed) {
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

void write_toy_checkpoint(const TempDir& dir, const ToyTensors& tensors, const std::string& config) {
  SafetensorsBuilder builder;
  builder.metadata("format", "pt");
  for (const auto& [name, tensor] : tensors) builder.add(name, "F32", tensor.shape, raw<float>(tensor.values));
  dir.add("config.json", config);
  dir.add("model.safetensors", builder.bytes());
}

}  // namespace nwc::testing

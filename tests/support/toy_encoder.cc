#include "support/toy_encoder.h"

#include <utility>

namespace nwc::testing {

ToyTensors toy_dinov2() {
  ToyTensors tensors;
  uint32_t seed = 0;
  const auto add = [&](const std::string& name, std::vector<uint64_t> shape) {
    tensors[name] = toy_tensor(std::move(shape), 1, ++seed);
  };
  const auto add_linear = [&](const std::string& name, uint64_t in, uint64_t out) {
    add(name + ".weight", {out, in});
    add(name + ".bias", {out});
  };
  add("embeddings.patch_embeddings.projection.weight", {8, 3, 4, 4});
  add("embeddings.patch_embeddings.projection.bias", {8});
  add("embeddings.cls_token", {1, 1, 8});
  add("embeddings.position_embeddings", {1, 5, 8});
  for (const std::string prefix : {"encoder.layer.0.", "encoder.layer.1."}) {
    for (const char* norm : {"norm1", "norm2"}) {
      add(prefix + norm + ".weight", {8});
      add(prefix + norm + ".bias", {8});
    }
    add(prefix + "layer_scale1.lambda1", {8});
    add(prefix + "layer_scale2.lambda1", {8});
    for (const char* part : {"attention.query", "attention.key", "attention.value", "output.dense"}) {
      add_linear(prefix + "attention." + part, 8, 8);
    }
    add_linear(prefix + "mlp.fc1", 8, 24);
    add_linear(prefix + "mlp.fc2", 24, 8);
  }
  add("layernorm.weight", {8});
  add("layernorm.bias", {8});
  return tensors;
}

}  // namespace nwc::testing

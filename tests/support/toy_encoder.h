// Test support: a tiny DINOv2 checkpoint on disk.
#pragma once

#include "support/toy_checkpoint.h"

namespace nwc::testing {

// hidden 8, 2 heads, MLP 24, 2 blocks, images of 3 channels and 8 x 8 in 4 patches, and a class token: 5 positions.
inline constexpr const char* kToyDinov2 = R"({"model_type": "dinov2", "hidden_size": 8, "num_hidden_layers": 2,
  "num_attention_heads": 2, "mlp_ratio": 3, "image_size": 8, "patch_size": 4, "torch_dtype": "float32"})";

// The tensors that kToyDinov2 asks for.
ToyTensors toy_dinov2();

}  // namespace nwc::testing

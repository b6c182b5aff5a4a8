// What the encoder families have in common: blocks of biased layers between layer norms, patches, and in part names.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/config/config.h"
#include "model/config/encoder_spec.h"

namespace nwc {

// What a block's tensors are called, below the block's prefix and without ".weight" and ".bias".
struct EncoderNames {
  std::string norm1, q, k, v, o, norm2, up, down;
};

// The sizes of a tower.
struct EncoderSize {
  int64_t hidden = 0, intermediate = 0, blocks = 0, heads = 0;
  std::string activation;
  double eps = 0;
};

// The image side of a tower, likewise.
struct ImageSize {
  int64_t channels = 0, image = 0, patch = 0;
  int64_t patches() const { return (image / patch) * (image / patch); }
};

// Reads hidden_size, num_hidden_layers, num_attention_heads, hidden_act, layer_norm_eps, and intermediate_size where
// there is one. Errors: as ConfigObject; kCorrupt for heads that do not divide the width.
Result<EncoderSize> read_encoder_size(const ConfigObject& config);

// Reads num_channels, image_size and patch_size. Errors: as ConfigObject; kCorrupt for an image without a patch.
Result<ImageSize> read_image_size(const ConfigObject& config);

// Layer norm with bias, under NAME.weight and NAME.bias.
NormSpec layer_norm(const std::string& name, int64_t features, double eps);

// A biased layer, under NAME.weight and NAME.bias.
LinearSpec biased_linear(const std::string& name, int64_t in_features, int64_t out_features);

// Blocks with the prefixes "PREFIX0.", "PREFIX1.", ... Errors: kUnsupported for an unknown activation, under the key
// hidden_act.
Result<std::vector<BlockSpec>> describe_encoder_blocks(const ConfigObject& config, const EncoderSize& size,
                                                       const std::string& prefix, const EncoderNames& names,
                                                       bool causal);

// The towers of CLIP and of its descendants, under "text_model." and "vision_model.", up to the last norm: pooling and
// projection are the family's. `size` and `image` as read.
Result<EncoderSpec> describe_text_tower(const ConfigObject& config, const EncoderSize& size, int64_t vocab,
                                        int64_t positions, bool causal);
Result<EncoderSpec> describe_vision_tower(const ConfigObject& config, const EncoderSize& size, const ImageSize& image);

}  // namespace nwc

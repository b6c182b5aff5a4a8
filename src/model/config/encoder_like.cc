#include "model/config/encoder_like.h"

#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"

namespace nwc {
namespace {

const EncoderNames kClipNames{"layer_norm1",        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
                              "self_attn.out_proj", "layer_norm2",      "mlp.fc1",          "mlp.fc2"};

}  // namespace

Result<EncoderSize> read_encoder_size(const ConfigObject& config) {
  EncoderSize size;
  NWC_ASSIGN_OR_RETURN(size.hidden, read_width(config, "hidden_size"));
  if (config.has("intermediate_size")) {
    NWC_ASSIGN_OR_RETURN(size.intermediate, read_width(config, "intermediate_size"));
  }
  NWC_ASSIGN_OR_RETURN(size.blocks, config.integer("num_hidden_layers", 1, kMaxBlocks));
  NWC_ASSIGN_OR_RETURN(size.heads, read_width(config, "num_attention_heads"));
  NWC_ASSIGN_OR_RETURN(size.activation, config.string("hidden_act"));
  NWC_ASSIGN_OR_RETURN(size.eps, config.number("layer_norm_eps", 0, 1));
  if (size.hidden % size.heads != 0) {
    return config.error(ErrorCode::kCorrupt, "num_attention_heads",
                        fmt::format("is {}, which does not divide the hidden size of {}", size.heads, size.hidden));
  }
  return size;
}

Result<ImageSize> read_image_size(const ConfigObject& config) {
  ImageSize size;
  NWC_ASSIGN_OR_RETURN(size.channels, read_width(config, "num_channels"));
  NWC_ASSIGN_OR_RETURN(size.image, read_width(config, "image_size"));
  NWC_ASSIGN_OR_RETURN(size.patch, read_width(config, "patch_size"));
  if (size.patch > size.image) {
    return config.error(ErrorCode::kCorrupt, "patch_size",
                        fmt::format("is {}, larger than the images of {}", size.patch, size.image));
  }
  return size;
}

NormSpec layer_norm(const std::string& name, int64_t features, double eps) {
  return {name + ".weight", features, eps, NormSpec::Kind::kLayer, 0, name + ".bias"};
}

LinearSpec biased_linear(const std::string& name, int64_t in_features, int64_t out_features) {
  return {name + ".weight", name + ".bias", in_features, out_features};
}

Result<std::vector<BlockSpec>> describe_encoder_blocks(const ConfigObject& config, const EncoderSize& size,
                                                       const std::string& prefix, const EncoderNames& names,
                                                       bool causal) {
  NWC_ASSIGN_OR_RETURN(const Activation activation, read_activation(config, "hidden_act"));
  std::vector<BlockSpec> blocks;
  for (int64_t i = 0; i < size.blocks; ++i) {
    const auto name = [&](const std::string& layer) { return fmt::format("{}{}.{}", prefix, i, layer); };
    BlockSpec block;
    block.attention_path.norm = layer_norm(name(names.norm1), size.hidden, size.eps);
    block.attention.q = biased_linear(name(names.q), size.hidden, size.hidden);
    block.attention.k = biased_linear(name(names.k), size.hidden, size.hidden);
    block.attention.v = biased_linear(name(names.v), size.hidden, size.hidden);
    block.attention.o = biased_linear(name(names.o), size.hidden, size.hidden);
    block.attention.heads = block.attention.kv_heads = size.heads;
    block.attention.head_dim = size.hidden / size.heads;
    block.attention.scale = 1 / std::sqrt(static_cast<double>(block.attention.head_dim));
    block.attention.causal = causal;
    block.mlp_path.norm = layer_norm(name(names.norm2), size.hidden, size.eps);
    block.mlp = PlainMlpSpec{biased_linear(name(names.up), size.hidden, size.intermediate),
                             biased_linear(name(names.down), size.intermediate, size.hidden), activation};
    blocks.push_back(std::move(block));
  }
  return blocks;
}

Result<EncoderSpec> describe_text_tower(const ConfigObject& config, const EncoderSize& size, int64_t vocab,
                                        int64_t positions, bool causal) {
  EncoderSpec tower;
  tower.name = "text";
  tower.hidden_size = size.hidden;
  tower.input = TokenInputSpec{{"text_model.embeddings.token_embedding.weight", {vocab, size.hidden}},
                               {"text_model.embeddings.position_embedding.weight", {positions, size.hidden}}};
  NWC_ASSIGN_OR_RETURN(tower.blocks,
                       describe_encoder_blocks(config, size, "text_model.encoder.layers.", kClipNames, causal));
  tower.output.norm = layer_norm("text_model.final_layer_norm", size.hidden, size.eps);
  return tower;
}

Result<EncoderSpec> describe_vision_tower(const ConfigObject& config, const EncoderSize& size, const ImageSize& image) {
  EncoderSpec tower;
  tower.name = "vision";
  tower.hidden_size = size.hidden;
  PatchInputSpec input;
  input.projection = {"vision_model.embeddings.patch_embedding.weight",
                      {size.hidden, image.channels, image.patch, image.patch}};
  input.positions = {"vision_model.embeddings.position_embedding.weight", {image.patches(), size.hidden}};
  input.image_size = image.image;
  tower.input = std::move(input);
  NWC_ASSIGN_OR_RETURN(tower.blocks, describe_encoder_blocks(config, size, "vision_model.encoder.layers.", kClipNames,
                                                             /*causal=*/false));
  tower.output.norm = layer_norm("vision_model.post_layernorm", size.hidden, size.eps);
  return tower;
}

}  // namespace nwc

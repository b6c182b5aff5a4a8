// DINOv2: a vision tower with a class token, a learned scale on both halves of a block, positions that stretch to other
// image sizes, and in the largest model a gated MLP. The output is every position's vector.
#include <fmt/format.h>

#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/encoder_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kKeys[] = {
    {"hidden_size", 768},     {"num_hidden_layers", 12}, {"num_attention_heads", 12}, {"hidden_act", "gelu"},
    {"layer_norm_eps", 1e-6}, {"mlp_ratio", 4},          {"qkv_bias", true},          {"use_swiglu_ffn", false},
    {"num_channels", 3},      {"image_size", 224},       {"patch_size", 14},
};
constexpr FamilyKeys kTable{kKeys};
const EncoderNames kNames{"norm1",
                          "attention.attention.query",
                          "attention.attention.key",
                          "attention.attention.value",
                          "attention.output.dense",
                          "norm2",
                          "mlp.fc1",
                          "mlp.fc2"};

// Two thirds of the plain MLP's width, rounded up to eights.
int64_t gated_width(int64_t plain) { return (plain * 2 / 3 + 7) / 8 * 8; }

Result<EncoderSize> read_size(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(EncoderSize size, read_encoder_size(config));
  NWC_ASSIGN_OR_RETURN(const double ratio, config.number("mlp_ratio", 0.01, 100));
  size.intermediate = static_cast<int64_t>(static_cast<double>(size.hidden) * ratio);
  return size;
}

PatchInputSpec describe_input(const EncoderSize& size, const ImageSize& image) {
  const std::string prefix = "embeddings.";
  PatchInputSpec input;
  input.projection = {prefix + "patch_embeddings.projection.weight",
                      {size.hidden, image.channels, image.patch, image.patch}};
  input.projection_bias = {prefix + "patch_embeddings.projection.bias", {size.hidden}};
  input.class_token = {prefix + "cls_token", {1, 1, size.hidden}};
  input.positions = {prefix + "position_embeddings", {1, image.patches() + 1, size.hidden}};
  input.image_size = image.image;
  input.resize_positions = true;
  return input;
}

Result<EncoderModelSpec> describe(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_size(config));
  NWC_ASSIGN_OR_RETURN(const ImageSize image, read_image_size(config));
  NWC_ASSIGN_OR_RETURN(const bool gated, config.boolean("use_swiglu_ffn", false));
  NWC_ASSIGN_OR_RETURN(const bool qkv_bias, config.boolean("qkv_bias", true));
  EncoderSpec tower;
  tower.name = "vision";
  tower.hidden_size = size.hidden;
  tower.input = describe_input(size, image);
  NWC_ASSIGN_OR_RETURN(tower.blocks, describe_encoder_blocks(config, size, "encoder.layer.", kNames, /*causal=*/false));
  for (size_t i = 0; i < tower.blocks.size(); ++i) {
    BlockSpec& block = tower.blocks[i];
    const std::string prefix = fmt::format("encoder.layer.{}.", i);
    block.attention_path.scale = {prefix + "layer_scale1.lambda1", {size.hidden}};
    block.mlp_path.scale = {prefix + "layer_scale2.lambda1", {size.hidden}};
    if (!qkv_bias) block.attention.q.bias = block.attention.k.bias = block.attention.v.bias = "";
    if (gated) {
      const int64_t width = gated_width(size.intermediate);
      block.mlp = FusedGateMlpSpec{biased_linear(prefix + "mlp.weights_in", size.hidden, 2 * width),
                                   biased_linear(prefix + "mlp.weights_out", width, size.hidden)};
    }
  }
  tower.output.norm = layer_norm("layernorm", size.hidden, size.eps);

  EncoderModelSpec model;
  model.towers.push_back(std::move(tower));
  return model;
}

}  // namespace

const Family kDinov2{"dinov2", nullptr, describe, &kTable};

}  // namespace nwc

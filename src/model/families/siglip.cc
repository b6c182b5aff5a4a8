// SigLIP: CLIP's towers without a class token and without a causal mask. Texts are pooled at their last position,
// images by a learned query; logits have a bias.
#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/encoder_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kTextKeys[] = {
    {"hidden_size", 768},
    {"intermediate_size", 3072},
    {"num_hidden_layers", 12},
    {"num_attention_heads", 12},
    {"hidden_act", "gelu_pytorch_tanh"},
    {"layer_norm_eps", 1e-6},
    {"vocab_size", 32000},
    {"max_position_embeddings", 64},
    {"projection_size", SameAs("hidden_size"), SameAs("hidden_size")},
};
constexpr ConfigKey kVisionKeys[] = {
    {"hidden_size", 768},
    {"intermediate_size", 3072},
    {"num_hidden_layers", 12},
    {"num_attention_heads", 12},
    {"hidden_act", "gelu_pytorch_tanh"},
    {"layer_norm_eps", 1e-6},
    {"num_channels", 3},
    {"image_size", 224},
    {"patch_size", 16},
    {"vision_use_head", true},
};
constexpr FamilyKeys kTextTable{kTextKeys}, kVisionTable{kVisionKeys};
constexpr ConfigPart kParts[] = {{"text_config", &kTextTable}, {"vision_config", &kVisionTable}};
constexpr FamilyKeys kTable{{}, {}, kParts};

Result<EncoderSpec> describe_text(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_encoder_size(config));
  NWC_ASSIGN_OR_RETURN(const int64_t vocab, read_width(config, "vocab_size"));
  NWC_ASSIGN_OR_RETURN(const int64_t positions, read_width(config, "max_position_embeddings"));
  NWC_ASSIGN_OR_RETURN(const int64_t projection, read_width(config, "projection_size"));
  NWC_ASSIGN_OR_RETURN(EncoderSpec tower, describe_text_tower(config, size, vocab, positions, /*causal=*/false));
  tower.output.pool = PositionPoolSpec{PositionPoolSpec::Position::kLast, 0};
  tower.output.projection = biased_linear("text_model.head", size.hidden, projection);
  tower.output.unit_length = true;
  return tower;
}

AttentionPoolSpec describe_pool(const EncoderSize& size, Activation activation) {
  const std::string head = "vision_model.head.";
  AttentionPoolSpec pool;
  pool.probe = {head + "probe", {1, 1, size.hidden}};
  pool.in_weight = {head + "attention.in_proj_weight", {3 * size.hidden, size.hidden}};
  pool.in_bias = {head + "attention.in_proj_bias", {3 * size.hidden}};
  pool.out = biased_linear(head + "attention.out_proj", size.hidden, size.hidden);
  pool.heads = size.heads;
  pool.norm = layer_norm(head + "layernorm", size.hidden, size.eps);
  pool.mlp = {biased_linear(head + "mlp.fc1", size.hidden, size.intermediate),
              biased_linear(head + "mlp.fc2", size.intermediate, size.hidden), activation};
  return pool;
}

Result<EncoderSpec> describe_vision(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_encoder_size(config));
  NWC_ASSIGN_OR_RETURN(const ImageSize image, read_image_size(config));
  NWC_ASSIGN_OR_RETURN(const Activation activation, read_activation(config, "hidden_act"));
  NWC_ASSIGN_OR_RETURN(const bool pooled, config.boolean("vision_use_head", true));
  if (!pooled) return config.error(ErrorCode::kUnsupported, "vision_use_head", "must be true: images are pooled");
  NWC_ASSIGN_OR_RETURN(EncoderSpec tower, describe_vision_tower(config, size, image));
  std::get<PatchInputSpec>(tower.input).projection_bias = {"vision_model.embeddings.patch_embedding.bias",
                                                           {size.hidden}};
  tower.output.pool = describe_pool(size, activation);
  tower.output.unit_length = true;
  return tower;
}

Result<EncoderModelSpec> describe(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject text, config.object("text_config"));
  NWC_ASSIGN_OR_RETURN(const ConfigObject vision, config.object("vision_config"));
  EncoderModelSpec model;
  NWC_ASSIGN_OR_RETURN(EncoderSpec vision_tower, describe_vision(vision));
  NWC_ASSIGN_OR_RETURN(EncoderSpec text_tower, describe_text(text));
  model.towers = {std::move(vision_tower), std::move(text_tower)};
  model.similarity = SimilaritySpec{{"logit_scale", {1}}, {"logit_bias", {1}}};
  return model;
}

}  // namespace

const Family kSiglip{"siglip", nullptr, describe, &kTable};

}  // namespace nwc

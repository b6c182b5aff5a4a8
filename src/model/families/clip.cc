// CLIP: a causal text tower pooled at the end token, and a vision tower pooled at its class token, each projected
// into the common space.
#include "model/config/common_config.h"
#include "model/config/config_keys.h"
#include "model/config/encoder_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

constexpr ConfigKey kTextKeys[] = {
    {"hidden_size", 512},       {"intermediate_size", 2048},     {"num_hidden_layers", 12},
    {"num_attention_heads", 8}, {"hidden_act", "quick_gelu"},    {"layer_norm_eps", 1e-5},
    {"vocab_size", 49408},      {"max_position_embeddings", 77}, {"eos_token_id", 49407},
};
constexpr ConfigKey kVisionKeys[] = {
    {"hidden_size", 768},        {"intermediate_size", 3072},  {"num_hidden_layers", 12},
    {"num_attention_heads", 12}, {"hidden_act", "quick_gelu"}, {"layer_norm_eps", 1e-5},
    {"num_channels", 3},         {"image_size", 224},          {"patch_size", 32},
};
constexpr FamilyKeys kTextTable{kTextKeys}, kVisionTable{kVisionKeys};
constexpr ConfigPart kParts[] = {{"text_config", &kTextTable, "text_config_dict"},
                                 {"vision_config", &kVisionTable, "vision_config_dict"}};
constexpr ConfigKey kKeys[] = {{"projection_dim", 512}};
constexpr FamilyKeys kTable{kKeys, {}, kParts};

// Configurations of the first conversions say this wrong end token; their end token is the largest one.
constexpr int64_t kWrongEndToken = 2;

PositionPoolSpec pool_at_end(int64_t end_token) {
  using Position = PositionPoolSpec::Position;
  if (end_token == kWrongEndToken) return {Position::kLargestToken, 0};
  return {Position::kEndToken, end_token};
}

Result<EncoderSpec> describe_text(const ConfigObject& config, int64_t projection) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_encoder_size(config));
  NWC_ASSIGN_OR_RETURN(const int64_t vocab, read_width(config, "vocab_size"));
  NWC_ASSIGN_OR_RETURN(const int64_t positions, read_width(config, "max_position_embeddings"));
  NWC_ASSIGN_OR_RETURN(const int64_t end_token, config.integer("eos_token_id", 0, kMaxWidth));
  NWC_ASSIGN_OR_RETURN(EncoderSpec tower, describe_text_tower(config, size, vocab, positions, /*causal=*/true));
  tower.output.pool = pool_at_end(end_token);
  tower.output.projection = LinearSpec{"text_projection.weight", "", size.hidden, projection};
  tower.output.unit_length = true;
  return tower;
}

Result<EncoderSpec> describe_vision(const ConfigObject& config, int64_t projection) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_encoder_size(config));
  NWC_ASSIGN_OR_RETURN(const ImageSize image, read_image_size(config));
  NWC_ASSIGN_OR_RETURN(EncoderSpec tower, describe_vision_tower(config, size, image));
  PatchInputSpec& input = std::get<PatchInputSpec>(tower.input);
  input.class_token = {"vision_model.embeddings.class_embedding", {size.hidden}};
  input.positions.shape = {image.patches() + 1, size.hidden};
  input.norm = layer_norm("vision_model.pre_layrnorm", size.hidden, size.eps);  // so spelt in checkpoints
  tower.output.pool = PositionPoolSpec{PositionPoolSpec::Position::kFirst, 0};
  tower.output.projection = LinearSpec{"visual_projection.weight", "", size.hidden, projection};
  tower.output.unit_length = true;
  return tower;
}

Result<EncoderModelSpec> describe(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject text, config.object("text_config"));
  NWC_ASSIGN_OR_RETURN(const ConfigObject vision, config.object("vision_config"));
  NWC_ASSIGN_OR_RETURN(const int64_t projection, read_width(config, "projection_dim"));
  EncoderModelSpec model;
  NWC_ASSIGN_OR_RETURN(EncoderSpec vision_tower, describe_vision(vision, projection));
  NWC_ASSIGN_OR_RETURN(EncoderSpec text_tower, describe_text(text, projection));
  model.towers = {std::move(vision_tower), std::move(text_tower)};
  model.similarity = SimilaritySpec{{"logit_scale", {}}, {}};
  return model;
}

}  // namespace

const Family kClip{"clip", nullptr, describe, &kTable};

}  // namespace nwc

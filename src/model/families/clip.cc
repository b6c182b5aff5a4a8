// CLIP: a causal text tower pooled at the end token, and a vision tower pooled at its class token, each projected
// into the common space.
#include "model/config/common_config.h"
#include "model/config/encoder_like.h"
#include "model/families/families.h"

namespace nwc {
namespace {

const EncoderSize kTextDefaults{512, 2048, 12, 8, "quick_gelu", 1e-5};
const EncoderSize kVisionDefaults{768, 3072, 12, 12, "quick_gelu", 1e-5};
const ImageSize kImageDefaults{3, 224, 32};
constexpr int64_t kVocab = 49408, kPositions = 77, kEndToken = 49407, kProjection = 512;
// Configurations of the first conversions say this wrong end token; their end token is the largest one.
constexpr int64_t kWrongEndToken = 2;

PositionPoolSpec pool_at_end(int64_t end_token) {
  using Position = PositionPoolSpec::Position;
  if (end_token == kWrongEndToken) return {Position::kLargestToken, 0};
  return {Position::kEndToken, end_token};
}

Result<EncoderSpec> describe_text(const ConfigObject& config, int64_t projection) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_encoder_size(config, kTextDefaults));
  NWC_ASSIGN_OR_RETURN(const int64_t vocab, read_width(config, "vocab_size", kVocab));
  NWC_ASSIGN_OR_RETURN(const int64_t positions, read_width(config, "max_position_embeddings", kPositions));
  NWC_ASSIGN_OR_RETURN(const int64_t end_token, config.integer("eos_token_id", 0, kMaxWidth, kEndToken));
  NWC_ASSIGN_OR_RETURN(EncoderSpec tower, describe_text_tower(config, size, vocab, positions, /*causal=*/true));
  tower.output.pool = pool_at_end(end_token);
  tower.output.projection = LinearSpec{"text_projection.weight", "", size.hidden, projection};
  tower.output.unit_length = true;
  return tower;
}

Result<EncoderSpec> describe_vision(const ConfigObject& config, int64_t projection) {
  NWC_ASSIGN_OR_RETURN(const EncoderSize size, read_encoder_size(config, kVisionDefaults));
  NWC_ASSIGN_OR_RETURN(const ImageSize image, read_image_size(config, kImageDefaults));
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
  NWC_ASSIGN_OR_RETURN(const int64_t projection, read_width(config, "projection_dim", kProjection));
  EncoderModelSpec model;
  NWC_ASSIGN_OR_RETURN(model.declared_dtype, read_dtype(config));
  NWC_ASSIGN_OR_RETURN(EncoderSpec vision_tower, describe_vision(vision, projection));
  NWC_ASSIGN_OR_RETURN(EncoderSpec text_tower, describe_text(text, projection));
  model.towers = {std::move(vision_tower), std::move(text_tower)};
  model.similarity = SimilaritySpec{{"logit_scale", {}}, {}};
  return model;
}

}  // namespace

const Family kClip{"clip", nullptr, describe};

}  // namespace nwc

#include "model/config/rope_config.h"

#include <fmt/format.h>

#include <cmath>

#include "model/config/common_config.h"

namespace nwc {
namespace {

constexpr double kMinTheta = 1;
constexpr double kMaxTheta = 1e15;
constexpr double kMaxFactor = 1e6;
constexpr double kMinFrequencyFactor = 1e-6;

Status check_whole_head_rotates(const ConfigObject& object) {
  NWC_ASSIGN_OR_RETURN(const double share, object.number("partial_rotary_factor", 0, 1, 1));
  if (share != 1) return object.error(ErrorCode::kUnsupported, "partial_rotary_factor", "must be 1");
  return {};
}

Status read_llama3(const ConfigObject& scaling, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->low_freq_factor, scaling.number("low_freq_factor", kMinFrequencyFactor, kMaxFactor));
  NWC_ASSIGN_OR_RETURN(rope->high_freq_factor, scaling.number("high_freq_factor", kMinFrequencyFactor, kMaxFactor));
  if (rope->high_freq_factor <= rope->low_freq_factor) {
    return scaling.error(ErrorCode::kCorrupt, "high_freq_factor", "must be larger than low_freq_factor");
  }
  NWC_ASSIGN_OR_RETURN(rope->original_positions,
                       scaling.integer("original_max_position_embeddings", 1, int64_t{1} << 31));
  return {};
}

// How YaRN scales cosines and sines, by its authors' recommendation.
double yarn_magnitude(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

Status read_yarn(const ConfigObject& scaling, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->original_positions, scaling.integer("original_max_position_embeddings", 1, kMaxPositions));
  NWC_ASSIGN_OR_RETURN(rope->beta_fast, scaling.number("beta_fast", kMinFrequencyFactor, kMaxFactor, rope->beta_fast));
  NWC_ASSIGN_OR_RETURN(rope->beta_slow, scaling.number("beta_slow", kMinFrequencyFactor, kMaxFactor, rope->beta_slow));
  NWC_ASSIGN_OR_RETURN(rope->whole_dimensions, scaling.boolean("truncate", true));
  NWC_ASSIGN_OR_RETURN(const double mscale, scaling.number("mscale", 0, kMaxFactor, 0));
  NWC_ASSIGN_OR_RETURN(const double mscale_all_dim, scaling.number("mscale_all_dim", 0, kMaxFactor, 0));
  const double recommended = mscale != 0 && mscale_all_dim != 0
                                 ? yarn_magnitude(rope->factor, mscale) / yarn_magnitude(rope->factor, mscale_all_dim)
                                 : yarn_magnitude(rope->factor, 1);
  NWC_ASSIGN_OR_RETURN(rope->magnitude, scaling.number("attention_factor", 0, kMaxFactor, recommended));
  return {};
}

// `type_key` is the one that holds `type`, for errors.
Status read_scaling(const ConfigObject& scaling, std::string_view type_key, const std::string& type, RopeSpec* rope) {
  NWC_RETURN_IF_ERROR(check_whole_head_rotates(scaling));
  if (type == "default") return {};
  if (type == "linear") {
    rope->scaling = RopeSpec::Scaling::kLinear;
  } else if (type == "llama3") {
    rope->scaling = RopeSpec::Scaling::kLlama3;
  } else if (type == "yarn") {
    rope->scaling = RopeSpec::Scaling::kYarn;
  } else {
    return scaling.error(ErrorCode::kUnsupported, type_key,
                         fmt::format("is '{}'; known are default, linear, llama3 and yarn", type));
  }
  NWC_ASSIGN_OR_RETURN(rope->factor, scaling.number("factor", 1, kMaxFactor));
  if (rope->scaling == RopeSpec::Scaling::kLlama3) return read_llama3(scaling, rope);
  if (rope->scaling == RopeSpec::Scaling::kYarn) return read_yarn(scaling, rope);
  return {};
}

// The form of transformers 5.
Result<RopeSpec> read_parameters(const ConfigObject& parameters, double default_theta) {
  RopeSpec rope;
  NWC_ASSIGN_OR_RETURN(rope.theta, parameters.number("rope_theta", kMinTheta, kMaxTheta, default_theta));
  NWC_ASSIGN_OR_RETURN(const std::string type, parameters.string("rope_type", "default"));
  NWC_RETURN_IF_ERROR(read_scaling(parameters, "rope_type", type, &rope));
  return rope;
}

}  // namespace

Result<RopeSpec> read_rope(const ConfigObject& config, double default_theta) {
  NWC_RETURN_IF_ERROR(check_whole_head_rotates(config));
  RopeSpec rope;
  NWC_ASSIGN_OR_RETURN(rope.theta, config.number("rope_theta", kMinTheta, kMaxTheta, default_theta));
  if (config.has("rope_parameters")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject parameters, config.object("rope_parameters"));
    return read_parameters(parameters, rope.theta);
  }
  if (config.has("rope_scaling")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject scaling, config.object("rope_scaling"));
    const std::string_view type_key = scaling.has("rope_type") ? "rope_type" : "type";
    NWC_ASSIGN_OR_RETURN(const std::string type, scaling.string(type_key));
    NWC_RETURN_IF_ERROR(read_scaling(scaling, type_key, type, &rope));
  }
  return rope;
}

Result<LayerRopes> read_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta) {
  LayerRopes ropes;
  if (config.has("rope_parameters")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject parameters, config.object("rope_parameters"));
    NWC_ASSIGN_OR_RETURN(const ConfigObject full, parameters.object("full_attention"));
    NWC_ASSIGN_OR_RETURN(const ConfigObject sliding, parameters.object("sliding_attention"));
    NWC_ASSIGN_OR_RETURN(ropes.full, read_parameters(full, default_theta));
    NWC_ASSIGN_OR_RETURN(ropes.sliding, read_parameters(sliding, default_local_theta));
    return ropes;
  }
  NWC_ASSIGN_OR_RETURN(ropes.full, read_rope(config, default_theta));
  NWC_ASSIGN_OR_RETURN(ropes.sliding.theta,
                       config.number("rope_local_base_freq", kMinTheta, kMaxTheta, default_local_theta));
  return ropes;
}

}  // namespace nwc

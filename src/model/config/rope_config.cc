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

constexpr double kMinPart = 1e-6;

// `fallback` is what holds where the key is absent.
Status read_partial(const ConfigObject& object, const RopeRules& rules, double fallback, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->partial, object.number("partial_rotary_factor", kMinPart, 1, fallback));
  if (rope->partial == 1 || rules.partial) return {};
  return object.error(ErrorCode::kUnsupported, "partial_rotary_factor", "must be 1 in this family");
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

Status read_yarn(const ConfigObject& scaling, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->original_positions, scaling.integer("original_max_position_embeddings", 1, kMaxPositions));
  NWC_ASSIGN_OR_RETURN(rope->beta_fast, scaling.number("beta_fast", kMinFrequencyFactor, kMaxFactor, rope->beta_fast));
  NWC_ASSIGN_OR_RETURN(rope->beta_slow, scaling.number("beta_slow", kMinFrequencyFactor, kMaxFactor, rope->beta_slow));
  NWC_ASSIGN_OR_RETURN(rope->whole_dimensions, scaling.boolean("truncate", true));
  NWC_ASSIGN_OR_RETURN(const double mscale, scaling.number("mscale", 0, kMaxFactor, 0));
  const double recommended =
      mscale != 0 && rope->mscale_all_dim != 0
          ? yarn_magnitude(rope->factor, mscale) / yarn_magnitude(rope->factor, rope->mscale_all_dim)
          : yarn_magnitude(rope->factor, 1);
  NWC_ASSIGN_OR_RETURN(rope->magnitude, scaling.number("attention_factor", 0, kMaxFactor, recommended));
  return {};
}

// The context before scaling stands at the top level, in `scaling`, or is the model's.
Result<int64_t> read_long_positions(const ConfigObject& config, const ConfigObject& scaling, const RopeRules& rules) {
  constexpr const char* kKey = "original_max_position_embeddings";
  if (config.has(kKey)) return config.integer(kKey, 2, kMaxPositions);
  if (rules.only_long_positions) return *rules.only_long_positions;
  if (scaling.has(kKey)) return scaling.integer(kKey, 2, kMaxPositions);
  return config.integer("max_position_embeddings", 2, kMaxPositions);
}

Status read_long(const ConfigObject& config, const ConfigObject& scaling, const RopeRules& rules, RopeSpec* rope) {
  rope->scaling = RopeSpec::Scaling::kLong;
  NWC_ASSIGN_OR_RETURN(rope->original_positions, read_long_positions(config, scaling, rules));
  NWC_ASSIGN_OR_RETURN(rope->short_factors, scaling.numbers("short_factor", 1 / kMaxFactor, kMaxFactor));
  NWC_ASSIGN_OR_RETURN(rope->long_factors, scaling.numbers("long_factor", 1 / kMaxFactor, kMaxFactor));
  NWC_ASSIGN_OR_RETURN(const int64_t positions,
                       config.integer("max_position_embeddings", 1, kMaxPositions, rope->original_positions));
  const double original = static_cast<double>(rope->original_positions);
  NWC_ASSIGN_OR_RETURN(const double factor,
                       scaling.number("factor", 1 / kMaxFactor, kMaxFactor, static_cast<double>(positions) / original));
  const double recommended = factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(original));
  NWC_ASSIGN_OR_RETURN(rope->magnitude, scaling.number("attention_factor", 0, kMaxFactor, recommended));
  return {};
}

// `type_key` is the one that holds `type`, for errors.
Status read_scaling(const ConfigObject& config, const ConfigObject& scaling, std::string_view type_key,
                    const std::string& type, const RopeRules& rules, RopeSpec* rope) {
  NWC_RETURN_IF_ERROR(read_partial(scaling, rules, rope->partial, rope));
  if (type == "default") return {};
  if (type == "longrope" || (rules.only_long_positions && (type == "su" || type == "yarn"))) {
    return read_long(config, scaling, rules, rope);
  }
  if (rules.only_long_positions) {
    return scaling.error(ErrorCode::kUnsupported, type_key,
                         fmt::format("is '{}'; this family knows default and longrope", type));
  }
  if (type == "linear") {
    rope->scaling = RopeSpec::Scaling::kLinear;
  } else if (type == "llama3") {
    rope->scaling = RopeSpec::Scaling::kLlama3;
  } else if (type == "yarn") {
    rope->scaling = RopeSpec::Scaling::kYarn;
  } else {
    return scaling.error(ErrorCode::kUnsupported, type_key,
                         fmt::format("is '{}'; known are default, linear, llama3, longrope and yarn", type));
  }
  NWC_ASSIGN_OR_RETURN(rope->mscale_all_dim, scaling.number("mscale_all_dim", 0, kMaxFactor, 0));
  NWC_ASSIGN_OR_RETURN(rope->factor, scaling.number("factor", 1, kMaxFactor));
  if (rope->scaling == RopeSpec::Scaling::kLlama3) return read_llama3(scaling, rope);
  if (rope->scaling == RopeSpec::Scaling::kYarn) return read_yarn(scaling, rope);
  return {};
}

// The form of transformers 5, over what holds where its keys are absent.
Result<RopeSpec> read_parameters(const ConfigObject& config, const ConfigObject& parameters, const RopeRules& rules,
                                 RopeSpec rope) {
  NWC_ASSIGN_OR_RETURN(rope.theta, parameters.number("rope_theta", kMinTheta, kMaxTheta, rope.theta));
  NWC_ASSIGN_OR_RETURN(const std::string type, parameters.string("rope_type", "default"));
  NWC_RETURN_IF_ERROR(read_scaling(config, parameters, "rope_type", type, rules, &rope));
  return rope;
}

}  // namespace

double yarn_magnitude(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

Result<RopeSpec> read_rope(const ConfigObject& config, const RopeRules& rules) {
  RopeSpec rope;
  rope.interleaved = rules.interleaved;
  NWC_RETURN_IF_ERROR(read_partial(config, rules, rules.partial.value_or(1), &rope));
  NWC_ASSIGN_OR_RETURN(rope.theta, config.number("rope_theta", kMinTheta, kMaxTheta, rules.theta));
  if (config.has("rope_parameters")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject parameters, config.object("rope_parameters"));
    return read_parameters(config, parameters, rules, rope);
  }
  if (config.has("rope_scaling")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject scaling, config.object("rope_scaling"));
    const std::string_view type_key = scaling.has("rope_type") ? "rope_type" : "type";
    NWC_ASSIGN_OR_RETURN(const std::string type, scaling.string(type_key));
    NWC_RETURN_IF_ERROR(read_scaling(config, scaling, type_key, type, rules, &rope));
  }
  return rope;
}

Status check_rope(const ConfigObject& config, const RopeSpec& rope, int64_t head_dim) {
  const int64_t turning = rope.rotary_dim(head_dim);
  if (turning < 2 || turning % 2 != 0) {
    return config.error(
        ErrorCode::kUnsupported, "partial_rotary_factor",
        fmt::format("lets {} of a head's {} dimensions turn; RoPE needs an even number", turning, head_dim));
  }
  const auto pairs = static_cast<size_t>(turning / 2);
  if (rope.scaling == RopeSpec::Scaling::kLong &&
      (rope.short_factors.size() != pairs || rope.long_factors.size() != pairs)) {
    return config.error(ErrorCode::kCorrupt, config.has("rope_parameters") ? "rope_parameters" : "rope_scaling",
                        fmt::format("has {} entries of short_factor and {} of long_factor; both must have {}",
                                    rope.short_factors.size(), rope.long_factors.size(), pairs));
  }
  return {};
}

Result<LayerRopes> read_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta) {
  LayerRopes ropes;
  if (config.has("rope_parameters")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject parameters, config.object("rope_parameters"));
    NWC_ASSIGN_OR_RETURN(const ConfigObject full, parameters.object("full_attention"));
    NWC_ASSIGN_OR_RETURN(const ConfigObject sliding, parameters.object("sliding_attention"));
    NWC_ASSIGN_OR_RETURN(ropes.full, read_parameters(config, full, {}, {.theta = default_theta}));
    NWC_ASSIGN_OR_RETURN(ropes.sliding, read_parameters(config, sliding, {}, {.theta = default_local_theta}));
    return ropes;
  }
  NWC_ASSIGN_OR_RETURN(ropes.full, read_rope(config, {.theta = default_theta}));
  NWC_ASSIGN_OR_RETURN(ropes.sliding.theta,
                       config.number("rope_local_base_freq", kMinTheta, kMaxTheta, default_local_theta));
  return ropes;
}

}  // namespace nwc

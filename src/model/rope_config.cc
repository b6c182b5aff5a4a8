#include "model/rope_config.h"

#include <fmt/format.h>

namespace nwc {
namespace {

constexpr double kDefaultTheta = 10000;
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

// `type_key` is the one that holds `type`, for errors.
Status read_scaling(const ConfigObject& scaling, std::string_view type_key, const std::string& type, RopeSpec* rope) {
  NWC_RETURN_IF_ERROR(check_whole_head_rotates(scaling));
  if (type == "default") return {};
  if (type == "linear" || type == "llama3") {
    NWC_ASSIGN_OR_RETURN(rope->factor, scaling.number("factor", 1, kMaxFactor));
    rope->scaling = type == "linear" ? RopeSpec::Scaling::kLinear : RopeSpec::Scaling::kLlama3;
    return type == "llama3" ? read_llama3(scaling, rope) : Status();
  }
  return scaling.error(ErrorCode::kUnsupported, type_key,
                       fmt::format("is '{}'; known are default, linear and llama3", type));
}

}  // namespace

Result<RopeSpec> read_rope(const ConfigObject& config) {
  NWC_RETURN_IF_ERROR(check_whole_head_rotates(config));
  RopeSpec rope;
  NWC_ASSIGN_OR_RETURN(rope.theta, config.number("rope_theta", kMinTheta, kMaxTheta, kDefaultTheta));
  if (config.has("rope_parameters")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject parameters, config.object("rope_parameters"));
    NWC_ASSIGN_OR_RETURN(rope.theta, parameters.number("rope_theta", kMinTheta, kMaxTheta, rope.theta));
    NWC_ASSIGN_OR_RETURN(const std::string type, parameters.string("rope_type", "default"));
    NWC_RETURN_IF_ERROR(read_scaling(parameters, "rope_type", type, &rope));
  } else if (config.has("rope_scaling")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject scaling, config.object("rope_scaling"));
    const std::string_view type_key = scaling.has("rope_type") ? "rope_type" : "type";
    NWC_ASSIGN_OR_RETURN(const std::string type, scaling.string(type_key));
    NWC_RETURN_IF_ERROR(read_scaling(scaling, type_key, type, &rope));
  }
  return rope;
}

}  // namespace nwc

#include "model/config/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/config/common_config.h"

namespace nwc {
namespace {

constexpr double kMinTheta = 1;
constexpr double kMaxTheta = 1e15;
constexpr double kMinFactor = 1e-6;
constexpr double kMaxFactor = 1e6;
constexpr double kMinPart = 1e-6;
constexpr const char* kLayerTypes[] = {"full_attention", "sliding_attention"};

// Python's falsehood: such a value gives way to another.
bool is_empty(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value.get<double>() == 0;
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  return value.empty();
}

bool is_scaled(const ConfigObject& config) {
  return config.has("rope_scaling") && !is_empty(config.json()["rope_scaling"]);
}

// Keys that are there, if only as null, keep what they have.
void add_if_absent(Json& object, const char* key, Json value) {
  if (!object.contains(key)) object[key] = std::move(value);
}

// From beside the parameters, where they have none. One that is null there is none.
Status add_theta(const ConfigObject& config, const char* key, double default_theta, Json& parameters) {
  if (parameters.contains("rope_theta")) return {};
  if (!config.mentions(key)) {
    parameters["rope_theta"] = default_theta;
    return {};
  }
  NWC_RETURN_IF_ERROR(config.number(key, kMinTheta, kMaxTheta));  // an error names this key
  parameters["rope_theta"] = config.json()[key];
  return {};
}

void add_type(Json& parameters) {
  add_if_absent(parameters, "rope_type", parameters.contains("type") ? parameters["type"] : Json("default"));
}

bool has_original_length(const Json& parameters) {
  const Json& type = parameters["rope_type"];
  return type == "llama3" || type == "yarn" || type == "longrope";
}

// `key`, or nothing where it holds nothing.
Result<ConfigObject> object_or_empty(const ConfigObject& config, const char* key) {
  if (config.has(key)) return config.object(key);
  return config.with(Json::object());
}

Status read_llama3(const ConfigObject& scaling, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->low_freq_factor, scaling.number("low_freq_factor", kMinFactor, kMaxFactor));
  NWC_ASSIGN_OR_RETURN(rope->high_freq_factor, scaling.number("high_freq_factor", kMinFactor, kMaxFactor));
  if (rope->high_freq_factor <= rope->low_freq_factor) {
    return scaling.error(ErrorCode::kCorrupt, "high_freq_factor", "must be larger than low_freq_factor");
  }
  NWC_ASSIGN_OR_RETURN(rope->original_positions, scaling.integer("original_max_position_embeddings", 1, kMaxPositions));
  return {};
}

// 0 counts as absent, as in transformers.
Result<double> read_beta(const ConfigObject& scaling, std::string_view key, double fallback) {
  NWC_ASSIGN_OR_RETURN(const double beta, scaling.number(key, 0, kMaxFactor, 0));
  return beta == 0 ? fallback : beta;
}

// `whole` has the key "truncate", which transformers looks for beside the layer types where there are any.
Status read_yarn(const ConfigObject& scaling, const ConfigObject& whole, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->original_positions, scaling.integer("original_max_position_embeddings", 1, kMaxPositions));
  NWC_ASSIGN_OR_RETURN(rope->beta_fast, read_beta(scaling, "beta_fast", rope->beta_fast));
  NWC_ASSIGN_OR_RETURN(rope->beta_slow, read_beta(scaling, "beta_slow", rope->beta_slow));
  NWC_ASSIGN_OR_RETURN(rope->whole_dimensions, whole.boolean("truncate", !whole.mentions("truncate")));
  NWC_ASSIGN_OR_RETURN(const double mscale, scaling.number("mscale", 0, kMaxFactor, 0));
  const double recommended =
      mscale != 0 && rope->mscale_all_dim != 0
          ? yarn_magnitude(rope->factor, mscale) / yarn_magnitude(rope->factor, rope->mscale_all_dim)
          : yarn_magnitude(rope->factor, 1);
  NWC_ASSIGN_OR_RETURN(rope->magnitude, scaling.number("attention_factor", 0, kMaxFactor, recommended));
  return {};
}

// Of YaRN it may be null, of LongRoPE absent: the ratio of the context lengths.
Result<double> read_factor(const ConfigObject& scaling, const ConfigObject& config, const RopeSpec& rope) {
  const bool is_long = rope.scaling == RopeSpec::Scaling::kLong;
  const bool may_be_null = is_long || rope.scaling == RopeSpec::Scaling::kYarn;
  const bool is_ratio = !scaling.has("factor") && (scaling.mentions("factor") ? may_be_null : is_long);
  if (!is_ratio) return scaling.number("factor", kMinFactor, kMaxFactor);
  NWC_ASSIGN_OR_RETURN(const int64_t original, scaling.integer("original_max_position_embeddings", 1, kMaxPositions));
  NWC_ASSIGN_OR_RETURN(const int64_t positions, config.integer("max_position_embeddings", 1, kMaxPositions));
  return static_cast<double>(positions) / static_cast<double>(original);
}

Status read_long(const ConfigObject& scaling, RopeSpec* rope) {
  NWC_ASSIGN_OR_RETURN(rope->original_positions, scaling.integer("original_max_position_embeddings", 2, kMaxPositions));
  NWC_ASSIGN_OR_RETURN(rope->short_factors, scaling.numbers("short_factor", kMinFactor, kMaxFactor));
  NWC_ASSIGN_OR_RETURN(rope->long_factors, scaling.numbers("long_factor", kMinFactor, kMaxFactor));
  const double original = static_cast<double>(rope->original_positions);
  const double recommended = rope->factor <= 1 ? 1 : std::sqrt(1 + std::log(rope->factor) / std::log(original));
  NWC_ASSIGN_OR_RETURN(rope->magnitude, scaling.number("attention_factor", 0, kMaxFactor, recommended));
  rope->factor = 1;
  return {};
}

// transformers' forms of scaling, by name. "dynamic" changes frequencies only beyond max_position_embeddings, where no
// model of ours goes: the context that it was made for is the longest.
Result<RopeSpec::Scaling> read_scaling(const ConfigObject& parameters, const RopeRules& rules) {
  using Scaling = RopeSpec::Scaling;
  NWC_ASSIGN_OR_RETURN(const std::string type, parameters.string("rope_type"));
  // The one that is written down.
  const bool is_old = parameters.has("type") && parameters.json()["type"] == type;
  const std::string_view key = is_old ? "type" : "rope_type";
  if (type == "longrope") return Scaling::kLong;
  if (rules.only_long && type != "default") {
    return parameters.error(ErrorCode::kUnsupported, key,
                            fmt::format("is '{}'; this family knows default and longrope", type));
  }
  if (type == "default" || type == "dynamic") return Scaling::kNone;
  if (type == "linear") return Scaling::kLinear;
  if (type == "llama3") return Scaling::kLlama3;
  if (type == "yarn") return Scaling::kYarn;
  return parameters.error(ErrorCode::kUnsupported, key,
                          fmt::format("is '{}'; known are default, linear, dynamic, llama3, longrope and yarn", type));
}

// The share of a head that turns. Families that turn whole heads ignore the key where nothing scales, as transformers
// does, which fails where something does.
Result<double> read_partial(const ConfigObject& parameters, const ConfigObject& config, const RopeRules& rules) {
  constexpr const char* kKey = "partial_rotary_factor";
  const Json& type = parameters.json()["rope_type"];
  if (!rules.partial && type == "default") return 1.0;
  NWC_ASSIGN_OR_RETURN(const double beside, config.number(kKey, kMinPart, 1, 1));
  NWC_ASSIGN_OR_RETURN(const double share, parameters.number(kKey, kMinPart, 1, beside));
  if (rules.partial || share == 1) return share;
  const ConfigObject& place = config.has(kKey) ? config : parameters;
  return place.error(ErrorCode::kUnsupported, kKey,
                     fmt::format("must be 1 in this family where rope_type is {}", type.dump()));
}

// Reads what standard_rope() or one half of standard_layer_ropes() returned; `whole` is all of it.
Result<RopeSpec> read_standard(const ConfigObject& parameters, const ConfigObject& whole, const ConfigObject& config,
                               const RopeRules& rules) {
  RopeSpec rope;
  rope.interleaved = rules.interleaved;
  NWC_ASSIGN_OR_RETURN(rope.theta, parameters.number("rope_theta", kMinTheta, kMaxTheta));
  NWC_ASSIGN_OR_RETURN(rope.scaling, read_scaling(parameters, rules));
  NWC_ASSIGN_OR_RETURN(rope.partial, read_partial(parameters, config, rules));
  if (parameters.json()["rope_type"] == "default") return rope;
  NWC_ASSIGN_OR_RETURN(rope.factor, read_factor(parameters, config, rope));
  NWC_ASSIGN_OR_RETURN(rope.mscale_all_dim, parameters.number("mscale_all_dim", 0, kMaxFactor, 0));
  if (rope.scaling == RopeSpec::Scaling::kLlama3) NWC_RETURN_IF_ERROR(read_llama3(parameters, &rope));
  if (rope.scaling == RopeSpec::Scaling::kYarn) NWC_RETURN_IF_ERROR(read_yarn(parameters, whole, &rope));
  if (rope.scaling == RopeSpec::Scaling::kLong) NWC_RETURN_IF_ERROR(read_long(parameters, &rope));
  return rope;
}

}  // namespace

double yarn_magnitude(double factor, double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; }

Result<ConfigObject> standard_rope(const ConfigObject& config, const RopeRules& rules) {
  const char* key = is_scaled(config) ? "rope_scaling" : "rope_parameters";
  NWC_ASSIGN_OR_RETURN(const ConfigObject stated, object_or_empty(config, key));
  for (const char* type : kLayerTypes) {
    if (!stated.mentions(type)) continue;
    return stated.error(ErrorCode::kUnsupported, type,
                        "gives a layer type parameters of its own, which this family does not have");
  }
  Json parameters = stated.json();
  NWC_RETURN_IF_ERROR(add_theta(config, "rope_theta", rules.theta, parameters));
  if (config.has("partial_rotary_factor")) {
    add_if_absent(parameters, "partial_rotary_factor", config.json()["partial_rotary_factor"]);
  } else if (rules.partial && !config.mentions("partial_rotary_factor")) {
    add_if_absent(parameters, "partial_rotary_factor", *rules.partial);
  }
  add_type(parameters);
  const Json& type = parameters["rope_type"];
  if (rules.only_long && (type == "su" || type == "yarn")) parameters["rope_type"] = "longrope";
  if (has_original_length(parameters)) {
    // Beside the parameters it has the last word (Phi-3 has it there).
    constexpr const char* kOriginal = "original_max_position_embeddings";
    if (config.mentions(kOriginal)) {
      parameters[kOriginal] = config.json()[kOriginal];
    } else if (config.has("max_position_embeddings")) {
      add_if_absent(parameters, kOriginal, config.json()["max_position_embeddings"]);
    }
  }
  return stated.with(std::move(parameters));
}

Result<RopeSpec> read_rope(const ConfigObject& config, const RopeRules& rules) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject parameters, standard_rope(config, rules));
  return read_standard(parameters, parameters, config, rules);
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
    return config.error(ErrorCode::kCorrupt, is_scaled(config) ? "rope_scaling" : "rope_parameters",
                        fmt::format("has {} entries of short_factor and {} of long_factor; both must have {}",
                                    rope.short_factors.size(), rope.long_factors.size(), pairs));
  }
  return {};
}

Result<ConfigObject> standard_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta,
                                          const char* local_key) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject stated, object_or_empty(config, "rope_parameters"));
  Json ropes = stated.json();
  for (const char* type : kLayerTypes) {
    if (!ropes.contains(type) || ropes[type].is_null()) ropes[type] = {{"rope_type", "default"}};
    if (!ropes[type].is_object()) return stated.error(ErrorCode::kCorrupt, type, "is not an object");
  }
  Json &full = ropes["full_attention"], &sliding = ropes["sliding_attention"];
  if (config.has("rope_scaling")) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject scaling, config.object("rope_scaling"));
    for (const auto& [key, value] : scaling.json().items()) full[key] = value;
  }
  NWC_RETURN_IF_ERROR(add_theta(config, "rope_theta", default_theta, full));
  NWC_RETURN_IF_ERROR(add_theta(config, local_key, default_local_theta, sliding));
  for (Json* parameters : {&full, &sliding}) {
    add_type(*parameters);
    if (has_original_length(*parameters) && config.has("max_position_embeddings")) {
      add_if_absent(*parameters, "original_max_position_embeddings", config.json()["max_position_embeddings"]);
    }
  }
  return stated.with(std::move(ropes));
}

Result<LayerRopes> read_layer_ropes(const ConfigObject& config, double default_theta, double default_local_theta,
                                    const char* local_key) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject ropes,
                       standard_layer_ropes(config, default_theta, default_local_theta, local_key));
  NWC_ASSIGN_OR_RETURN(const ConfigObject full, ropes.object("full_attention"));
  NWC_ASSIGN_OR_RETURN(const ConfigObject sliding, ropes.object("sliding_attention"));
  NWC_ASSIGN_OR_RETURN(const int64_t head_dim, config.integer("head_dim", 2, kMaxWidth));
  LayerRopes read;
  NWC_ASSIGN_OR_RETURN(read.full, read_standard(full, ropes, config, {}));
  NWC_ASSIGN_OR_RETURN(read.sliding, read_standard(sliding, ropes, config, {}));
  NWC_RETURN_IF_ERROR(check_rope(config, read.full, head_dim));
  NWC_RETURN_IF_ERROR(check_rope(config, read.sliding, head_dim));
  return read;
}

}  // namespace nwc

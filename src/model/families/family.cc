#include "model/families/family.h"

#include <fmt/format.h>

#include "base/file.h"
#include "model/config/config.h"
#include "model/config/config_keys.h"
#include "model/families/families.h"
#include "nwcodec/limits.h"

namespace nwc {
namespace {

std::string known_model_types() {
  std::string list;
  for (const Family* family : families()) list += fmt::format("{}{}", list.empty() ? "" : ", ", family->model_type);
  return list;
}

Result<const Family*> find_family(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::string model_type, config.string("model_type"));
  for (const Family* family : families()) {
    if (family->model_type == model_type) return family;
  }
  return config
      .error(ErrorCode::kUnsupported, "model_type",
             fmt::format("is '{}'; known are {}", model_type, known_model_types()))
      .remedy("compress, inspect and decompress work for any family");
}

// The family, of which `describes` is set.
template <class Describe>
Result<const Family*> find_family(const ConfigObject& config, Describe Family::*describes, std::string_view wanted,
                                  std::string_view remedy) {
  NWC_ASSIGN_OR_RETURN(const Family* family, find_family(config));
  if (family->*describes != nullptr) return family;
  return config
      .error(ErrorCode::kUnsupported, "model_type", fmt::format("is '{}', which is not {}", family->model_type, wanted))
      .remedy(std::string(remedy));
}

// Keys that change every family's computation in transformers, and that we do not compute.
Status check_common_keys(const ConfigObject& config) {
  if (config.mentions("is_causal") && config.json()["is_causal"] != true) {
    return config.error(ErrorCode::kUnsupported, "is_causal", "must be true: only causal language models are computed");
  }
  if (config.has("per_layer_config") && !config.json()["per_layer_config"].empty()) {
    return config.error(ErrorCode::kUnsupported, "per_layer_config",
                        "gives layers sizes of their own, which is not computed");
  }
  if (!config.has("text_config")) return {};
  NWC_ASSIGN_OR_RETURN(const ConfigObject text, config.object("text_config"));
  return check_common_keys(text);
}

// transformers reads another file of the directory where this key names one for its version.
Status check_no_other_config(const ConfigObject& config) {
  NWC_ASSIGN_OR_RETURN(const std::vector<std::string> files, config.strings("configuration_files"));
  for (const std::string& file : files) {
    if (file == "config.json") continue;
    return config
        .error(ErrorCode::kUnsupported, "configuration_files", fmt::format("names {}, which is not read", file))
        .remedy("replace config.json by the file for the newest transformers");
  }
  return {};
}

// generation_config.json, unless there is none or nothing in it.
Result<std::optional<ConfigObject>> read_generation_config(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "generation_config.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return std::optional<ConfigObject>();
  NWC_ASSIGN_OR_RETURN(const std::string text, read_text_file(file, limits::kMaxJsonFile));
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return std::optional<ConfigObject>();
  NWC_ASSIGN_OR_RETURN(ConfigObject config, ConfigObject::parse(text, file.string()));
  return std::optional(std::move(config));
}

// As in transformers, generation_config.json decides, also by leaving the key out; without that file it is config.json,
// or else the language model inside it. Ids outside the vocabulary, which no model can produce, stop nothing.
Result<std::vector<int32_t>> read_eos(const ConfigObject& config, const std::filesystem::path& directory,
                                      int64_t vocab) {
  constexpr const char* kEos = "eos_token_id";
  NWC_ASSIGN_OR_RETURN(const std::optional<ConfigObject> generation, read_generation_config(directory));
  std::optional<ConfigObject> source = generation ? generation : config;
  if (!generation && !config.has(kEos) && config.has("text_config")) {
    NWC_ASSIGN_OR_RETURN(source, config.object("text_config"));
  }
  NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, source->integers(kEos, INT64_MIN, INT64_MAX));
  std::vector<int32_t> within;
  for (const int64_t id : ids) {
    if (id >= 0 && id < vocab) within.push_back(static_cast<int32_t>(id));
  }
  return within;
}

Result<ConfigObject> completed_for(const Family& family, const ConfigObject& config) {
  if (family.keys == nullptr) return config;
  return completed(config, *family.keys);
}

}  // namespace

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all{
      &kClip,  &kDeepseekV2, &kDeepseekV3, &kDinov2, &kGemma2,    &kGemma3,  &kGemma3Text, &kGlm,
      &kGlm4,  &kGptOss,     &kGranite,    &kLlama,  &kMinistral, &kMistral, &kMixtral,    &kOlmo2,
      &kOlmo3, &kPhi3,       &kQwen2,      &kQwen3,  &kQwen3Moe,  &kSiglip,  &kSmolLm3,    &kStarcoder2};
  return all;
}

Result<ModelSpec> describe_model(const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject config, ConfigObject::open(directory / "config.json"));
  NWC_ASSIGN_OR_RETURN(const Family* family,
                       find_family(config, &Family::describe, "a language model", "encoders take --images"));
  NWC_RETURN_IF_ERROR(check_no_other_config(config));
  NWC_RETURN_IF_ERROR(check_common_keys(config));
  NWC_ASSIGN_OR_RETURN(const ConfigObject full, completed_for(*family, config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, family->describe(full));
  model.model_type = std::string(family->model_type);
  if (family->keys != nullptr) model.sizes_left_out = sizes_left_out(config, *family->keys);
  NWC_ASSIGN_OR_RETURN(model.eos_token_ids, read_eos(config, directory, model.vocab_size));
  return model;
}

Result<std::optional<int32_t>> beginning_token(const std::filesystem::path& directory, int64_t vocab_size) {
  NWC_ASSIGN_OR_RETURN(const std::optional<ConfigObject> generation, read_generation_config(directory));
  NWC_ASSIGN_OR_RETURN(const ConfigObject config, ConfigObject::open(directory / "config.json"));
  std::vector<ConfigObject> sources;
  if (generation) sources.push_back(*generation);
  sources.push_back(config);
  if (config.has("text_config")) {
    NWC_ASSIGN_OR_RETURN(ConfigObject text, config.object("text_config"));
    sources.push_back(std::move(text));
  }
  for (const ConfigObject& source : sources) {
    NWC_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, source.integers("bos_token_id", INT64_MIN, INT64_MAX));
    if (!ids.empty() && ids[0] >= 0 && ids[0] < vocab_size) return std::optional(static_cast<int32_t>(ids[0]));
  }
  return std::optional<int32_t>();
}

Result<EncoderModelSpec> describe_encoder_model(const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject config, ConfigObject::open(directory / "config.json"));
  NWC_ASSIGN_OR_RETURN(const Family* family,
                       find_family(config, &Family::describe_encoder, "an encoder", "language models take --text"));
  NWC_RETURN_IF_ERROR(check_no_other_config(config));
  NWC_ASSIGN_OR_RETURN(const ConfigObject full, completed_for(*family, config));
  NWC_ASSIGN_OR_RETURN(EncoderModelSpec model, family->describe_encoder(full));
  model.model_type = std::string(family->model_type);
  return model;
}

}  // namespace nwc

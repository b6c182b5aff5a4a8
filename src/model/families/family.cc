#include "model/families/family.h"

#include <fmt/format.h>

#include "model/config/config.h"
#include "model/families/families.h"

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
Result<const Family*> find_family(const ConfigObject& config, Describe Family::*describes, std::string_view wanted) {
  NWC_ASSIGN_OR_RETURN(const Family* family, find_family(config));
  if (family->*describes != nullptr) return family;
  return config.error(ErrorCode::kUnsupported, "model_type",
                      fmt::format("is '{}', which is not {}", family->model_type, wanted));
}

Status check_quantization(const ConfigObject& config) {
  if (!config.has("quantization_config")) return {};
  NWC_ASSIGN_OR_RETURN(const ConfigObject quantization, config.object("quantization_config"));
  NWC_ASSIGN_OR_RETURN(const std::string method, quantization.string("quant_method"));
  if (method == "nwcodec" || method == "mxfp4") return {};
  return quantization.error(
      ErrorCode::kUnsupported, "quant_method",
      fmt::format("is '{}'; only plain checkpoints, mxfp4 and nwcodec's own can be read", method));
}

// eos_token_id of generation_config.json takes precedence over that of config.json, as in transformers.
Result<std::vector<int32_t>> read_eos(const ConfigObject& config, const std::filesystem::path& directory,
                                      int64_t vocab) {
  const std::filesystem::path generation_file = directory / "generation_config.json";
  NWC_ASSIGN_OR_RETURN(std::vector<int64_t> ids, config.integers("eos_token_id", 0, vocab - 1));
  std::error_code ignored;
  if (std::filesystem::exists(generation_file, ignored)) {
    NWC_ASSIGN_OR_RETURN(const ConfigObject generation, ConfigObject::open(generation_file));
    if (generation.has("eos_token_id")) {
      NWC_ASSIGN_OR_RETURN(ids, generation.integers("eos_token_id", 0, vocab - 1));
    }
  }
  return std::vector<int32_t>(ids.begin(), ids.end());
}

}  // namespace

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all{
      &kClip, &kDeepseekV2, &kDeepseekV3, &kDinov2,   &kGemma2,  &kGemma3,  &kGemma3Text, &kGlm,
      &kGlm4, &kGptOss,     &kGranite,    &kLlama,    &kMistral, &kMixtral, &kOlmo2,      &kOlmo3,
      &kPhi3, &kQwen2,      &kQwen3,      &kQwen3Moe, &kSiglip,  &kSmolLm3, &kStarcoder2};
  return all;
}

Result<ModelSpec> describe_model(const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject config, ConfigObject::open(directory / "config.json"));
  NWC_ASSIGN_OR_RETURN(const Family* family, find_family(config, &Family::describe, "a language model"));
  NWC_RETURN_IF_ERROR(check_quantization(config));
  NWC_ASSIGN_OR_RETURN(ModelSpec model, family->describe(config));
  model.model_type = std::string(family->model_type);
  NWC_ASSIGN_OR_RETURN(model.eos_token_ids, read_eos(config, directory, model.vocab_size));
  return model;
}

Result<EncoderModelSpec> describe_encoder_model(const std::filesystem::path& directory) {
  NWC_ASSIGN_OR_RETURN(const ConfigObject config, ConfigObject::open(directory / "config.json"));
  NWC_ASSIGN_OR_RETURN(const Family* family, find_family(config, &Family::describe_encoder, "an encoder"));
  NWC_RETURN_IF_ERROR(check_quantization(config));
  NWC_ASSIGN_OR_RETURN(EncoderModelSpec model, family->describe_encoder(config));
  model.model_type = std::string(family->model_type);
  return model;
}

}  // namespace nwc

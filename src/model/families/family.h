// The model families that we know, by the `model_type` of config.json. A new family is one file in families/ and its
// line in family.cc.
//
// Thread safety: all functions may be called from several threads at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "model/config/encoder_spec.h"
#include "model/config/spec.h"
#include "nwcodec/result.h"

namespace nwc {

class ConfigObject;
struct FamilyKeys;

struct Family {
  std::string_view model_type;
  // One of the two is not nullptr: a family is of language models or of encoders. Each reads a completed config.json
  // and fills in everything but model_type and eos_token_ids.
  Result<ModelSpec> (*describe)(const ConfigObject& config) = nullptr;
  Result<EncoderModelSpec> (*describe_encoder)(const ConfigObject& config) = nullptr;
  const FamilyKeys* keys = nullptr;  // what config.json is completed by before it is described
};

// In alphabetical order of their model_type.
const std::vector<const Family*>& families();

// Reads config.json (and, for the end-of-sequence tokens, generation_config.json where there is one) of a checkpoint
// directory. Errors: kUnsupported for an unknown model_type, with the list of known ones, for an encoder, and for
// another tool's quantisation; those of the family's description; each names file and key.
Result<ModelSpec> describe_model(const std::filesystem::path& directory);

// The token that a text of this model begins with, bos_token_id: of generation_config.json if that has one, else of
// config.json or the language model inside it. None if neither has one within the vocabulary. Errors: of reading.
Result<std::optional<int32_t>> beginning_token(const std::filesystem::path& directory, int64_t vocab_size);

// The same as describe_model() for an encoder, of config.json alone.
Result<EncoderModelSpec> describe_encoder_model(const std::filesystem::path& directory);

}  // namespace nwc

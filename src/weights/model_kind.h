// What config.json says about a model that decides how its tensors are stored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nwcodec/result.h"

namespace nwc {

struct ModelKind {
  std::string type = {};                      // `model_type`; empty if there is no config.json or no such key
  std::vector<std::string> inner_types = {};  // those of its parts (text_config, decoder)
  uint64_t hidden_size = 0;                   // of the language model; 0 if unknown

  // Errors: kIo; kCorrupt for a broken file.
  static Result<ModelKind> read(const std::filesystem::path& directory);

  // Whether the model or a part of it is of this type.
  bool has(std::string_view wanted) const;
};

}  // namespace nwc

// Which file names hold weights: those of formats that nwcodec does not read, and what config.json names.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "nwcodec/result.h"

namespace nwc {

// Whether the name is one that other formats give to weights (.bin, .pt, .pth, .ckpt, .gguf, .h5, .msgpack), or the
// index of such shards (pytorch_model.bin.index.json).
bool is_foreign_weight_file(std::string_view file_name);

// The file of `directory` that config.json names in `transformers_weights`, a safetensors file or the index; nullopt if
// there is no such key. A config that cannot be read is for those to refuse who need more of it.
// Errors: kUnsupported for anything else.
Result<std::optional<std::string>> explicit_weight_file(const std::filesystem::path& directory);

}  // namespace nwc

// What someone may have meant by a path that is no checkpoint.
#pragma once

#include <filesystem>
#include <string>

#include "nwcodec/result.h"

namespace nwc {

// Errors: kNotFound, kInvalidArgument; a name on the Hugging Face Hub ("org/name") is told from a path that is missing,
// with the place in the local cache where that model lies, if it does.
Status check_is_directory(const std::filesystem::path& directory);

// Why a directory without model.safetensors and without an index cannot be opened: it is the root of a cache of the
// Hub, holds an adapter only, weights in other formats, or nothing.
Error no_weights(const std::filesystem::path& directory);

// A directory's own name, also of a path that ends in a slash, and of ".".
std::string directory_name(const std::filesystem::path& directory);

// The path beside a directory that has its name and `suffix` behind it, also of a path that ends in a slash, and of "."
// and "..", which have no names of their own.
std::filesystem::path path_beside(const std::filesystem::path& directory, const std::string& suffix);

}  // namespace nwc

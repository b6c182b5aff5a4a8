// Which files of a checkpoint directory its weights are read from.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/index.h"
#include "nwcodec/result.h"

namespace nwc {

struct WeightChoice {
  std::vector<std::string> files;  // in the order of their names; empty if there are no weights
  std::optional<WeightMap> index;  // if they were found through one
  // What is there but not read, in the order of the names: files called as a checkpoint's own are (shards of an index
  // beside a single file), and other safetensors files.
  std::vector<std::string> passed_over, others;
};

// transformers' precedence: the file that config.json names in `transformers_weights`, else model.safetensors if it is
// a file, else the files that model.safetensors.index.json names.
// Errors: those of an index that is to be read; kUnsupported for a `transformers_weights` that names no safetensors
// file of the directory; kIo.
Result<WeightChoice> choose_weights(const std::filesystem::path& directory);

// "a, b and 3 more".
std::string some_of(const std::vector<std::string>& names);

}  // namespace nwc

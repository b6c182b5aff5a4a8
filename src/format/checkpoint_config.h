// The `quantization_config` that a compressed checkpoint adds to config.json (docs/format.md, section 2).
#pragma once

#include <filesystem>
#include <optional>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// Writes `to`/config.json: the text of `from`'s with our quantization_config behind the rest; an earlier one keeps its
// place, as original_quantization_config. Floats as Python writes them (Infinity) are fine. Does nothing if `from` has
// no config.json. Errors: kIo, kCorrupt.
Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id);

// Whether `directory`/config.json, if there is one with a quantization_config, is that of a checkpoint compressed with
// this codec. Errors: kUnsupported for another format version; kMismatch for another codec or another method; kIo,
// kCorrupt.
Status check_compressed_config(const std::filesystem::path& directory, uint64_t codec_id);

// The way back, to the original's text. With `dtype` (F32, F16 or BF16) the keys `dtype` and `torch_dtype` say so, also
// those of parts of the model (text_config): loaders go by them. Errors as above.
Status write_plain_config(const std::filesystem::path& from, const std::filesystem::path& to,
                          std::optional<DType> dtype = std::nullopt);

}  // namespace nwc

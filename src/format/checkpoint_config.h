// The `quantization_config` that a compressed checkpoint adds to config.json (docs/format.md, section 2).
#pragma once

#include <filesystem>

#include "nwcodec/result.h"

namespace nwc {

// Writes `to`/config.json: that of `from` with our quantization_config; an earlier one is kept as
// original_quantization_config. Does nothing if `from` has no config.json. Errors: kIo, kCorrupt.
Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id);

// Whether `directory`/config.json, if there is one with a quantization_config, is that of a checkpoint compressed with
// this codec. Errors: kUnsupported for another format version; kMismatch for another codec or another method; kIo,
// kCorrupt.
Status check_compressed_config(const std::filesystem::path& directory, uint64_t codec_id);

// The way back. Errors as above.
Status write_plain_config(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace nwc

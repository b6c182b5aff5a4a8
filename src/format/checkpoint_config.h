// The `quantization_config` that a compressed checkpoint adds to config.json (docs/format.md, section 2).
#pragma once

#include <filesystem>

#include "nwcodec/result.h"

namespace nwc {

// Writes `to`/config.json: that of `from` with our quantization_config; an earlier one is kept as
// original_quantization_config. Does nothing if `from` has no config.json. Errors: kIo, kCorrupt.
Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id);

// The way back. Errors as above.
Status write_plain_config(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace nwc

// The `quantization_config` that a compressed checkpoint adds to config.json (docs/format.md, section 2).
#pragma once

#include <filesystem>
#include <optional>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

// What of a model's numbers has been decoded, so that its config.json must no longer describe it: weights that
// `quantization_config` is about, and F64, which has become F32.
struct DecodedNumbers {
  bool quantisation = false, float64 = false;
};

// Writes `to`/config.json: the text of `from`'s with our quantization_config behind the rest; an earlier one keeps its
// place, as original_quantization_config, unless it is `decoded`. Floats as Python writes them (Infinity) are fine.
// Does nothing if `from` has no config.json. `version`: of the checkpoint's streams, the newest. Errors: kIo, kCorrupt.
Status write_compressed_config(const std::filesystem::path& from, const std::filesystem::path& to, uint64_t codec_id,
                               unsigned version, const DecodedNumbers& decoded = {});

// The config of a model as it is once decoded. Does nothing if there is none. Errors as above.
Status write_decoded_config(const std::filesystem::path& from, const std::filesystem::path& to,
                            const DecodedNumbers& decoded);

// Whether `directory`/config.json, if there is one with a quantization_config, is that of a checkpoint compressed with
// this codec. Errors: kUnsupported for another format version; kMismatch for another codec or another method; kIo,
// kCorrupt.
Status check_compressed_config(const std::filesystem::path& directory, uint64_t codec_id);

// The way back, to the original's text. With `dtype` (F32, F16 or BF16) the keys `dtype` and `torch_dtype` say so, also
// those of parts of the model (text_config): loaders go by them. Errors as above.
Status write_plain_config(const std::filesystem::path& from, const std::filesystem::path& to,
                          std::optional<DType> dtype = std::nullopt);

}  // namespace nwc

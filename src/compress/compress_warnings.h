// What a user should know about a compression that succeeded.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "compress/compress.h"
#include "nwcodec/checkpoint.h"

namespace nwc {

// Experts that calibration never reached: their Hessians say nothing, so all their inputs count alike. One sentence
// that names the first few; nullopt if there are none.
std::optional<std::string> unseen_experts_warning(std::span<const CompressedTensorReport> tensors);

// Experts stored in MXFP4, as gpt-oss is published, have 4.25 bits per weight already and stay as they are. nullopt if
// there are none.
std::optional<std::string> mxfp4_warning(const Checkpoint& checkpoint);

}  // namespace nwc

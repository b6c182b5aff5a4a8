// What a user should know about a compression that succeeded.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/tensor_record.h"
#include "nwcodec/checkpoint.h"
#include "nwcodec/result.h"
#include "weights/selection.h"

namespace nwc {

// Experts that calibration never reached: their Hessians say nothing, so all their inputs count alike. One sentence
// that names the first few; nullopt if there are none.
std::optional<std::string> unseen_experts_warning(std::span<const TensorRecord> tensors);

// What is known of a checkpoint before it is compressed, a sentence each:
//   - linear weights that stay as they are because of their dtype (FP8, integers of GPTQ and AWQ, F64);
//   - experts in MXFP4, as gpt-oss is published, which have 4.25 bits per weight already and stay as they are;
//   - selected tensors of which it is a guess which side is the inputs (weights/storage_order.h).
// Errors: those of the selection.
Result<std::vector<std::string>> selection_warnings(const Checkpoint& checkpoint, const Selection& selection);

// The error for a checkpoint of which nothing is selected: names the file, and a remedy that helps.
Error nothing_to_compress(const Checkpoint& checkpoint, const Selection& selection);

}  // namespace nwc

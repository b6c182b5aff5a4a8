// What decodes a compressed checkpoint for a model that computes on a device.
#pragma once

#include <filesystem>
#include <memory>

#include "cli/layer_options.h"
#include "libtorch/device.h"
#include "model/causal_lm.h"
#include "nwcodec/decode_backend.h"
#include "nwcodec/result.h"

namespace nwc::cli {

// A backend on the model's own GPU. None, which means the cores, for a model on the CPU, for a plain checkpoint, and
// where this build or this GPU cannot decode. Errors: those of reading the codec, and of the device.
Result<std::shared_ptr<DecodeBackend>> decode_backend_for(ModelDevice device, const std::filesystem::path& checkpoint);

// A language model that computes there, whose compressed tensors that backend decodes. Errors: those of both.
Result<CausalLm> open_causal_lm(const std::filesystem::path& checkpoint, int threads, ModelDevice device,
                                const LayerOptions& layers = {});

}  // namespace nwc::cli

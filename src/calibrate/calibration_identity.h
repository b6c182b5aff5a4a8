// What calibrations of every kind have in common in their identities (checkpoint/run_identity.h). Private to
// src/calibrate.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "checkpoint/run_identity.h"
#include "libtorch/device.h"
#include "nwcodec/checkpoint.h"

namespace nwc {

// The model, config.json included, and the class of machines that compute alike. Reads all weights. Errors: kIo.
Status add_model(const std::filesystem::path& model, const Checkpoint& checkpoint, ModelDevice device, int threads,
                 RunIdentity& identity);

}  // namespace nwc

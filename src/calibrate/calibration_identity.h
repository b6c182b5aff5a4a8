// What calibrations of every kind have in common in their identities (checkpoint/run_identity.h). Private to
// src/calibrate.
#pragma once

#include <filesystem>

#include "base/json.h"
#include "calibrate/calibrate.h"
#include "checkpoint/run_identity.h"
#include "libtorch/device.h"
#include "nwcodec/checkpoint.h"

namespace nwc {

// The model, config.json included, and the class of machines that compute alike. Reads all weights. Errors: kIo.
Status add_model(const std::filesystem::path& model, const Checkpoint& checkpoint, ModelDevice device, int threads,
                 RunIdentity& identity);

// What is measured of gradients, for the identity and for what files say they were made from.
void add_gradients(const CalibrateOptions& options, RunIdentity& identity);
void add_gradients(const CalibrateOptions& options, Json& provenance);

}  // namespace nwc

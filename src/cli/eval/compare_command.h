// `nwcodec compare` as a function.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "report/divergence/comparison.h"

namespace nwc::cli {

struct CompareOptions {
  std::vector<std::filesystem::path> checkpoints;  // compressed, of one model
  std::optional<std::filesystem::path> reference;  // the model; plain or compressed
  std::vector<std::filesystem::path> texts;        // to measure on; without them, what the checkpoints record counts
  int64_t context = 2048;
  int64_t windows = 0;  // of each text; 0: all
  int threads = 0;
  ModelDevice device = {};
  std::string command;  // for the report
};

// Errors: kMismatch for a checkpoint of another model (report/divergence/model_identity.h); those of inspecting, of
// texts and of score_tokens().
Result<Comparison> compare_checkpoints(const CompareOptions& options, const Progress& progress);

}  // namespace nwc::cli

// `compress --polish`: what was compressed is polished on the texts that it was calibrated on. It stands beside the
// output until then.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "cli/text_calibration.h"
#include "compress/compress.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"
#include "polish/polish.h"

namespace nwc::cli {

// Without effect unless wanted() is true.
class PolishAfterwards {
 public:
  // `text`: the option that it needs.
  void add_options(CLI::App& app, CLI::Option* text);
  bool wanted() const { return steps_ > 0; }

  // Once everything else is known, before the compression: from now on `options` write beside the output. Errors:
  // kInvalidArgument for the model's own text; those of locking the output, so that they come before the work.
  Status begin(CompressOptions& options, const TextCalibrationOptions& calibration);
  // Writes the output, and removes what stands beside it. Errors: those of polish_on_files().
  Result<PolishReport> finish(CompressOptions& options, const TextCalibrationOptions& calibration,
                              const std::string& device, const std::string& command, const Progress& progress);

 private:
  int64_t steps_ = 0;
  std::filesystem::path output_;
  bool force_ = false;
};

}  // namespace nwc::cli

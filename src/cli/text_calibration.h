// `compress --text`: calibration before the compression, and a measurement after it, on the same texts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "calibrate/calibrate.h"
#include "evaluate/divergence.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc::cli {

struct TextCalibrationOptions {
  std::vector<std::filesystem::path> texts;
  std::filesystem::path model;
  std::filesystem::path hessians;   // where calibration writes
  std::filesystem::path reference;  // what the outcome is measured against; empty: the model
  int64_t sequences = 128, length = 2048;
  uint64_t seed = 1;
  bool force = false;  // replace a finished calibration that stands there
  int threads = 0;
  ModelDevice device = {};
};

// A text of this name is the model's own (calibrate/own_text.h); a file of that name is ./self.
inline constexpr const char* kOwnText = "self";

// The texts as tokens. The model's own text alone needs no tokenizer. Errors: those of the tokenizer and of reading.
struct TokenisedTexts {
  std::vector<CalibrationText> texts;
  std::vector<std::string> warnings;
};
Result<TokenisedTexts> tokenise_texts(const std::filesystem::path& model,
                                      const std::vector<std::filesystem::path>& texts, const Progress& progress);

// Takes the last tenth of each file's text away from it, in whole windows of `length` tokens; none of a text that is
// shorter than ten windows. Returns them, one after another.
std::vector<int32_t> hold_out(std::vector<CalibrationText>& texts, int64_t length);

// Calibrates, with gradients, on all but what is held out, which is left in `held_out`; of the model's own text, which
// comes last, it is a tenth as many sequences as calibration has, at least one and at most kMeasuredWindows. An
// interrupted run is gone on with. Errors: those of calibrate().
Result<CalibrateReport> calibrate_for(const TextCalibrationOptions& options, std::vector<int32_t>& held_out,
                                      const Progress& progress);

// KL divergence of the compressed checkpoint's first `layers` from the model on at most kMeasuredWindows windows that
// were held out; none if there are not any.
inline constexpr int64_t kMeasuredWindows = 8;
Result<std::optional<DivergenceResult>> measure(const TextCalibrationOptions& options,
                                                const std::filesystem::path& compressed,
                                                const std::vector<int32_t>& held_out, const Progress& progress,
                                                unsigned layers = 1);

// For the summary, and for --json. `own`: the model's own text is among what was held out.
bool has_own_text(const TextCalibrationOptions& options);
void print_measured(const DivergenceResult& divergence, bool own);
Json to_json(const DivergenceResult& divergence, bool own);

}  // namespace nwc::cli

// Ablations of compression (paper, Section 5.4, Figure 9 and Table 7): the same checkpoint, compressed in several ways
// at the same rates.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "compress/compress.h"
#include "evaluate/windows.h"
#include "libtorch/device.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// One way to compress; `options` without bits and output, which the ablation sets.
struct AblationVariant {
  std::string name;
  CompressOptions options;
};

// Each of these returns variants of `base`, in the order in which a table should have them.
std::vector<AblationVariant> normalisation_variants(const CompressOptions& base);  // Figure 9a
std::vector<AblationVariant> calibration_variants(
    const CompressOptions& base);  // levels, feedback, both, neither (Figures 9b, 9c); needs Hessians
std::vector<AblationVariant> codec_variants(const CompressOptions& base,
                                            const std::vector<std::filesystem::path>& codecs);  // Table 7

struct AblationOptions {
  std::vector<AblationVariant> variants;  // of one model, at least one
  std::vector<double> bits;               // of all bytes on disk per compressed weight, codec included
  std::filesystem::path work;             // a directory to compress into; what is written there is removed again
  std::span<const int32_t> ids;           // a text's tokens; empty: no model is run
  WindowOptions windows;                  // of the text
  int threads = 0;
  ModelDevice device = {};  // where models run
};

struct AblationPoint {
  std::string variant;
  double asked_bits = 0, bits = 0, payload_bits = 0;
  double relative_error = 0;  // sum of squared errors over sum of squared weights, all tensors
  double weighted_error = 0;  // tr(E H E^T) over all tensors; 0 without feedback
  std::optional<double> divergence, divergence_error,
      perplexity;  // with a text: KL divergence from the original in nats per token
};

struct AblationReport {
  double original_perplexity = 0;  // with a text
  std::vector<AblationPoint> points;
};

// Errors: those of compressing and of divergence(); kInterrupted.
Result<AblationReport> run_ablation(const AblationOptions& options, const Progress& progress);

std::string ablation_csv(const AblationReport& report);
// Divergence (else relative error, in dB) against bits, a series per variant.
std::string ablation_svg(const AblationReport& report);

}  // namespace nwc

// `nwcodec compress --divergence D`: the smallest checkpoint whose measured KL divergence is at most D.
#pragma once

#include <filesystem>
#include <functional>
#include <vector>

#include "compress/compress.h"
#include "compress/rate/divergence_search.h"
#include "nwcodec/progress.h"
#include "nwcodec/result.h"

namespace nwc {

// The KL divergence of the checkpoint in this directory, in nats per token. It is complete, but may still be written
// to.
using MeasureDivergence = std::function<Result<double>(const std::filesystem::path& directory)>;

struct TargetedCompression {
  CompressReport report;                        // of the checkpoint that was taken
  DivergenceSearch::Point taken;                // its rate, and what was measured
  std::vector<DivergenceSearch::Point> trials;  // all that were measured
};

// Compresses at up to three rates, in the work folder of the output, and moves the checkpoint that was taken to its
// place: the very one that compress_checkpoint() makes at that rate. Whatever ends it early, nothing else is left; the
// same command then begins anew. The options' `bits`, `size` and `before_finish` are not looked at. Errors: those of
// CompressionPredictor and compress_checkpoint(); kInvalidArgument for a divergence out of reach; those of `measure`.
Result<TargetedCompression> compress_to_divergence(const CompressOptions& options, double limit,
                                                   const MeasureDivergence& measure, const Progress& progress);

}  // namespace nwc

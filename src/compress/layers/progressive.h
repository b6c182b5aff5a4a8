// Progressive checkpoints: a base and refinements of what it leaves over (docs/format.md, section 9).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "compress/compress.h"

namespace nwc {

// What feedback of all layers but the last goes by. Errors that feedback has spread over columns and rows are smaller
// for the model, and more alike for a coder that does not know the Hessian, which costs the next layer bits; damping
// trades one for the other (docs/lab/progressive.md).
struct LowerLayers {
  double damping = 0.2;
  double row_shrinkage = 0.5;
};

struct ProgressiveOptions {
  std::vector<double> bits;  // of each prefix of layers, per compressed weight, ascending, at least two
  LowerLayers lower;
  // Called when so many layers, the base among them, are complete, from 2 on; an error ends the run, which can be gone
  // on with. May be empty.
  std::function<Status(const std::filesystem::path& directory, unsigned layers)> refined = {};
};

struct ProgressiveReport {
  CompressReport base;
  std::vector<CompressReport> refinements;  // without those that an earlier run completed
  std::vector<double> bits;                 // per weight on disk, of each prefix
  std::vector<uint64_t> file_bytes;         // of all weight files and codecs of each prefix
};

// Rates of layers: at least two, each a quarter of a bit above the one before. Errors: kInvalidArgument.
Status check_layers(const std::vector<double>& bits);

// `options` are those of a single rate, whatever its rate: the base is, byte for byte, what they give at the first of
// `layers.bits` with the feedback of `layers.lower`. Refinements follow in folders inside the output, each at the rate
// that is left to its prefix, the last with the feedback of `options`. The leading process makes them. An interrupted
// run goes on where it was. Errors: compress_checkpoint()'s; kInvalidArgument for rates that do not ascend.
Result<ProgressiveReport> compress_progressively(const CompressOptions& options, const ProgressiveOptions& layers,
                                                 const Progress& progress, Team* team = nullptr);

}  // namespace nwc

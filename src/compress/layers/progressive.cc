#include "compress/layers/progressive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <system_error>

#include "checkpoint/checkpoint_files.h"
#include "checkpoint/resumable_directory.h"
#include "nwcodec/inspect.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

constexpr double kLeastStep = 0.25;  // bits: what a refinement takes at the least

// With the feedback of a layer.
CompressOptions options_of(const CompressOptions& options, const ProgressiveOptions& layers, size_t layer) {
  CompressOptions own = options;
  own.bits = layers.bits[layer];
  if (layer + 1 == layers.bits.size()) return own;
  own.guide.ldl.damping = layers.lower.damping;
  own.guide.row_shrinkage = layers.lower.row_shrinkage;
  return own;
}

class Refining {
 public:
  Refining(const CompressOptions& options, const ProgressiveOptions& layers, const Progress& progress,
           ProgressiveReport& report)
      : options_(options), layers_(layers), progress_(progress), report_(report) {}

  Status run(const fs::path& directory) {
    report_.refinements.clear();
    report_.bits.clear();
    report_.file_bytes.clear();
    NWC_RETURN_IF_ERROR(add_prefix(directory, 1));
    for (unsigned number = 1; number < layers_.bits.size(); ++number) {
      const fs::path folder = directory / refinement_folder(number);
      std::error_code ignored;
      // Inside an unfinished run of this identity, a folder that is complete is this run's.
      const bool done = fs::exists(folder, ignored) && !ResumableDirectory::is_unfinished(folder);
      if (!done) NWC_RETURN_IF_ERROR(refine(directory, folder, number, report_.bits.back()));
      NWC_RETURN_IF_ERROR(add_prefix(directory, number + 1));
      if (layers_.refined) NWC_RETURN_IF_ERROR(layers_.refined(directory, number + 1));
    }
    return {};
  }

 private:
  Status add_prefix(const fs::path& directory, unsigned layers) {
    NWC_ASSIGN_OR_RETURN(const CheckpointReport prefix, inspect_checkpoint(directory, false, {.layers = layers}));
    report_.bits.push_back(prefix.bits_per_weight());
    report_.file_bytes.push_back(prefix.file_bytes);
    return {};
  }
  Status refine(const fs::path& directory, const fs::path& folder, unsigned number, double bits) {
    CompressOptions options = options_of(options_, layers_, number);
    options.bits = layers_.bits[number] - bits;
    options.output = folder;
    options.before_finish = {};
    options.added = {};
    NWC_ASSIGN_OR_RETURN(options.base, base_of_refinement(directory, number));
    NWC_ASSIGN_OR_RETURN(CompressReport report, compress_checkpoint(options, progress_));
    report_.refinements.push_back(std::move(report));
    return {};
  }

  const CompressOptions& options_;
  const ProgressiveOptions& layers_;
  const Progress& progress_;
  ProgressiveReport& report_;
};

}  // namespace

Status check_layers(const std::vector<double>& bits) {
  if (bits.size() < 2 || bits.size() > kMostLayers)
    return Error(ErrorCode::kInvalidArgument, fmt::format("takes 2 to {} rates: 2.5,4", kMostLayers));
  for (size_t i = 1; i < bits.size(); ++i) {
    if (bits[i] >= bits[i - 1] + kLeastStep) continue;
    return Error(ErrorCode::kInvalidArgument, fmt::format("{:g} bits: each layer must have {} more than the one before",
                                                          fmt::join(bits, ", "), kLeastStep));
  }
  return {};
}

Result<ProgressiveReport> compress_progressively(const CompressOptions& options, const ProgressiveOptions& layers,
                                                 const Progress& progress, Team* team) {
  if (options.base) return Error(ErrorCode::kInvalidArgument, "a delta has no layers of its own");
  NWC_RETURN_IF_ERROR(check_layers(layers.bits));
  ProgressiveReport report;
  Refining refining(options, layers, progress, report);
  CompressOptions base = options_of(options, layers, 0);
  base.added.emplace_back("layers", fmt::format("{:g}", fmt::join(layers.bits, ", ")));
  base.added.emplace_back("damping of the last layer", fmt::format("{:g}", options.guide.ldl.damping));
  base.added.emplace_back("row shrinkage of the last layer", fmt::format("{:g}", options.guide.row_shrinkage));
  base.before_finish = [&](const fs::path& directory) -> Status {
    if (options.before_finish) NWC_RETURN_IF_ERROR(options.before_finish(directory));
    return refining.run(directory);
  };
  NWC_ASSIGN_OR_RETURN(report.base, compress_checkpoint(base, progress, nullptr, team));
  return report;
}

}  // namespace nwc

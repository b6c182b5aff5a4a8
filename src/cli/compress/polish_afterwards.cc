#include "cli/compress/polish_afterwards.h"

#include <system_error>
#include <utility>

#include "checkpoint/checkpoint_path.h"
#include "checkpoint/resumable_directory.h"
#include "cli/command.h"
#include "cli/compress/beside_output.h"
#include "cli/polish_run.h"

namespace nwc::cli {
namespace {

namespace fs = std::filesystem;

}  // namespace

void PolishAfterwards::add_options(CLI::App& app, CLI::Option* text) {
  app.add_option("--polish", steps_,
                 "With --text: train everything stored beside the symbols end to end afterwards, as nwcodec polish "
                 "does, in so many steps of four sequences")
      ->check(in_range(int64_t{1}, int64_t{1000000}))
      ->needs(text);
}

Status PolishAfterwards::begin(CompressOptions& options, const TextCalibrationOptions& calibration) {
  if (has_own_text(calibration)) {
    return Error(ErrorCode::kInvalidArgument, "the model's own text is not for polishing")
        .remedy("name text files, or leave out --polish");
  }
  output_ = options.output;
  force_ = options.force;
  {
    // Somebody else's directory is told of before hours of work, not after.
    NWC_ASSIGN_OR_RETURN(const ResumableDirectory output,
                         ResumableDirectory::lock({.path = output_, .inputs = {options.model}, .force = force_}));
  }
  options.output = path_beside(output_, ".unpolished");
  NWC_RETURN_IF_ERROR(check_ours(options.output));
  if (!ResumableDirectory::is_unfinished(options.output)) options.force = true;
  return {};
}

Result<PolishReport> PolishAfterwards::finish(CompressOptions& options, const TextCalibrationOptions& calibration,
                                              const std::string& device, const std::string& command,
                                              const Progress& progress) {
  const fs::path unpolished = std::exchange(options.output, output_);
  NWC_RETURN_IF_ERROR(mark_as_ours(unpolished));
  const fs::path& original = calibration.reference.empty() ? options.model : calibration.reference;
  Result<PolishReport> report = polish_on_files({.compressed = unpolished,
                                                 .reference = original,
                                                 .output = output_,
                                                 .steps = steps_,
                                                 .length = calibration.length,
                                                 .seed = calibration.seed,
                                                 .force = force_,
                                                 .threads = options.threads},
                                                calibration.texts, device, command, progress);
  if (!report) return report;
  NWC_ASSIGN_OR_RETURN(ResumableDirectory left, ResumableDirectory::lock({.path = unpolished, .force = true}));
  NWC_RETURN_IF_ERROR(left.begin(RunIdentity("compress --polish")));
  NWC_RETURN_IF_ERROR(left.remove());
  return report;
}

}  // namespace nwc::cli

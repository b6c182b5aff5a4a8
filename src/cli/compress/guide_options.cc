#include "cli/compress/guide_options.h"

#include "cli/command.h"

namespace nwc::cli {
namespace {

// What calibration tells is needed for these.
constexpr const char* kOfCalibration[] = {"--steps",         "--shares",   "--sensitivity", "--damping",
                                          "--block-size",    "--unsorted", "--no-levels",   "--feedback",
                                          "--row-shrinkage", "--trellis",  "--rate-weight"};

}  // namespace

void add_guide_options(CLI::App& app, GuideOptions& guide) {
  app.add_option(
         "--steps", guide.steps,
         "How finely weights are quantised: levels by quantiles, a step for each column by water filling, or as "
         "finely as the model feels each row and column (after calibrate --gradients; needs --bits)")
      ->transform(one_of<StepRule>({{"levels", StepRule::kLevels},
                                    {"water-fill", StepRule::kWaterFill},
                                    {"sensitivity", StepRule::kSensitivity}}));
  app.add_option("--shares", guide.importance.shares, "Shares of columns of the finer levels, finest first")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--sensitivity", guide.importance.sensitivity,
                 "What levels go by: the Hessian's diagonal, or that of its inverse")
      ->transform(one_of<Sensitivity>({{"diagonal", Sensitivity::kDiagonal}, {"inverse", Sensitivity::kInverse}}));
  app.add_option("--damping", guide.ldl.damping, "Added to the Hessian's diagonal, as a share of its mean")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--block-size", guide.ldl.block_size, "Columns quantised together, without feedback among them")
      ->check(in_range(1u, 128u))
      ->capture_default_str();
  app.add_flag("--unsorted{false}", guide.sort_columns,
               "Feedback from the last column to the first, instead of from the costliest");
  app.add_flag("--no-levels{false}", guide.levels, "All columns at level 0");
  app.add_option("--feedback", guide.feedback,
                 "What makes up for errors: later columns of a tensor, or rows as well (two-sided: with --steps "
                 "sensitivity the default), or none")
      ->transform(one_of<Feedback>(
          {{"none", Feedback::kNone}, {"columns", Feedback::kColumns}, {"two-sided", Feedback::kTwoSided}}));
  app.add_option("--row-shrinkage", guide.row_shrinkage,
                 "With two-sided feedback: how far the output side is moved towards its diagonal")
      ->check(in_range(0.0, 1.0))
      ->capture_default_str();
}

void check_without_calibration(const CLI::App& app) {
  for (const char* const option : kOfCalibration) {
    if (app.count(option) > 0) throw CLI::ValidationError(option, "needs --hessians, or --text");
  }
}

}  // namespace nwc::cli

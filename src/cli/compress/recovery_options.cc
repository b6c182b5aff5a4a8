#include "cli/compress/recovery_options.h"

#include "cli/command.h"

namespace nwc::cli {

void add_recovery_options(CLI::App& app, CLI::Option* hessians, bool& wanted, RecoverOptions& r) {
  CLI::Option* recover = app.add_flag("--recover", wanted,
                                      "Train what is left of a block after each of its layers is compressed, on the "
                                      "sequences of the calibration")
                             ->needs(hessians);
  app.add_option("--recover-sequences", r.sequences,
                 "How many of the calibration's sequences; one in eight is for validation")
      ->check(in_range(int64_t{2}, kManySequences))
      ->needs(recover)
      ->capture_default_str();
  app.add_option("--recover-length", r.length, "Tokens of each sequence that are used; 0 means all")
      ->check(in_range(int64_t{0}, kManyTokens))
      ->needs(recover)
      ->capture_default_str();
  app.add_option("--recover-epochs", r.epochs, "Passes over them after each layer")
      ->check(in_range(int64_t{0}, int64_t{1000}))
      ->needs(recover)
      ->capture_default_str();
  app.add_option("--recover-batch", r.batch, "Sequences per step")
      ->check(in_range(int64_t{1}, kManySequences))
      ->needs(recover)
      ->capture_default_str();
  app.add_option("--recover-rate", r.learning_rate, "Learning rate, as a share of a tensor's root mean square")
      ->check(in_range(1e-9, 1.0))
      ->needs(recover)
      ->capture_default_str();
  app.add_flag("--recover-anyway", r.harmful_too, "Also families that it makes worse (gpt_oss)")->needs(recover);
  app.add_option("--seed", r.seed, "Which sequences and labels --text draws, and the order of them in recovery")
      ->check(any_seed())
      ->capture_default_str();
}

}  // namespace nwc::cli

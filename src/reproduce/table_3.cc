#include <fmt/format.h>

#include "learn/train.h"
#include "reproduce/bench.h"
#include "reproduce/experiment.h"

namespace nwc {
namespace {

Result<ExperimentResult> run(Bench& bench, const Progress&) {
  const ReproductionProfile& profile = bench.profile();
  const TrainOptions ours;
  const auto list = [](const std::vector<double>& values) {
    std::string text;
    for (const double v : values) text += (text.empty() ? "" : ", ") + fmt::format("{:g}", v);
    return text;
  };
  ExperimentResult result;
  result.table = {
      {"hyperparameter", "paper", "here"},
      {"chunk size", "16", std::to_string(ours.chunk)},
      {"g_a network width", "512", std::to_string(profile.train_width)},
      {"g_a number of residual blocks", "4", std::to_string(profile.train_depth)},
      {"g_s network width", "512", std::to_string(profile.train_width)},
      {"g_s number of residual blocks", "4", std::to_string(profile.train_depth)},
      {"entropy model channels", "16", std::to_string(ours.latents)},
      {"learning rate", "0.0001", fmt::format("{:g}", ours.learning_rate)},
      {"learning rate (auxiliary loss)", "0.001", fmt::format("{:g}", ours.auxiliary_learning_rate)},
      {"optimiser", "Adam", "Adam, cosine decay"},
      {"lambda", "30, 50, 100, 300, 1000, 10000", list(profile.lambdas)},
      {"lambda_I", "0.29, 0.83, 10, 20", list(ours.level_coefficients)},
      {"steps", "60 epochs", fmt::format("{} steps of {} chunks", profile.train_steps, profile.train_batch)}};
  result.remarks = {"Of the codecs that this run trains; the shipped ones have their cards in codecs/README.md."};
  return result;
}

}  // namespace

extern const Experiment kTable3{"Table 3", "Hyperparameters of network and training", run, nullptr};

}  // namespace nwc

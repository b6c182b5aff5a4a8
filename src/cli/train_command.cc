#include <fmt/format.h>

#include <memory>

#include "base/json.h"
#include "cli/command.h"
#include "cli/terminal.h"
#include "cli/train_options.h"
#include "learn/train.h"
#include "nwcodec/limits.h"

namespace nwc::cli {
namespace {

std::string levels_text(const std::vector<LevelQuality>& levels) {
  std::string text;
  for (size_t l = 0; l < levels.size(); ++l)
    text += fmt::format("  level {}: {:.3f} bits, NMSE {:.2e}", l, levels[l].bits, levels[l].nmse);
  return text;
}

Json to_json(const TrainReport& report) {
  Json levels = Json::array();
  for (const LevelQuality& l : report.levels) levels.push_back({{"bits", l.bits}, {"nmse", l.nmse}});
  return {{"training_chunks", report.training_chunks},
          {"validation_chunks", report.validation_chunks},
          {"validation_loss", report.validation_loss},
          {"levels", levels}};
}

}  // namespace

void add_train(CLI::App& app, Command& command) {
  const auto o = std::make_shared<TrainOptions>();
  app.add_option("models", o->models, "Checkpoint directories to learn from")->required()->check(not_empty());
  app.add_option("-o,--output", o->output, "Codec file to write")->required()->check(not_empty());
  app.add_option("--lambda", o->lambda, "Weight of the distortion: larger means more bits")
      ->check(in_range(kLeastLambda, kMostLambda))
      ->capture_default_str();
  app.add_option("--chunk", o->chunk, "Weights per chunk")
      ->check(in_range(1u, limits::kMaxChunk))
      ->capture_default_str();
  app.add_option("--latents", o->latents, "Latents per chunk")
      ->check(in_range(1u, limits::kMaxLatents))
      ->capture_default_str();
  app.add_option("--level-coefficients", o->level_coefficients, "lambda_I of each importance level, coarsest first")
      ->check(in_range(kLeastCoefficient, kMostCoefficient))
      ->capture_default_str();
  app.add_option("--analysis-width", o->analysis.width, "Width of the analysis transform")
      ->check(widths())
      ->capture_default_str();
  app.add_option("--analysis-depth", o->analysis.depth, "Residual blocks of the analysis transform; 0 is a linear map")
      ->check(depths())
      ->capture_default_str();
  app.add_option("--synthesis-width", o->synthesis.width, "Width of the synthesis transform")
      ->check(widths())
      ->capture_default_str();
  app.add_option("--synthesis-depth", o->synthesis.depth,
                 "Residual blocks of the synthesis transform; 0 is a linear map")
      ->check(depths())
      ->capture_default_str();
  app.add_flag("--shared-density{false}", o->density_per_level,
               "One density per channel for all levels, as in the paper");
  app.add_option("--normalisation", o->normalisation, kNormalisationHelp)->transform(normalisations());
  app.add_flag("--identity", o->identity,
               "Learn the density only: both transforms stay multiplications (a uniform quantiser)");
  app.add_option("--recipe", o->recipe,
                 "linear: start as scaled identities, cosine decay; paper: random start, constant rate")
      ->transform(one_of<TrainRecipe>({{"linear", TrainRecipe::kLinearStart}, {"paper", TrainRecipe::kPaper}}));
  app.add_option("--steps", o->steps, "Training steps")->check(in_range(int64_t{1}, kMostSteps))->capture_default_str();
  app.add_option("--batch", o->batch, "Chunks per step")
      ->check(in_range(int64_t{1}, kMostBatch))
      ->capture_default_str();
  app.add_option("--learning-rate", o->learning_rate, "Adam's learning rate")->check(rates())->capture_default_str();
  app.add_option("--auxiliary-learning-rate", o->auxiliary_learning_rate, "The same for the density's quantiles")
      ->check(rates())
      ->capture_default_str();
  app.add_option("--max-chunks", o->max_chunks, "Chunks kept in memory, sampled evenly over the tensors")
      ->check(in_range(uint64_t{1}, kMostChunks))
      ->capture_default_str();
  app.add_option("--heavy-share", o->heavy_share, "Share of heavy-tailed synthetic chunks among the training data")
      ->check(in_range(0.0, kMostHeavyShare))
      ->capture_default_str();
  app.add_option("--from", o->from, "Fine-tune this codec; it decides the networks' shapes")->check(not_empty());
  app.add_option("--teacher", o->teacher,
                 "Distil this codec: keep its analysis transform and density, learn a synthesis transform for them")
      ->check(not_empty());
  app.add_option("--include", o->selection.include,
                 "Also learn from tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  app.add_option("--exclude", o->selection.exclude,
                 "Leave out tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  app.add_option("--validate-every", o->validate_every, "Steps between validations")
      ->check(in_range(int64_t{1}, kMostSteps))
      ->capture_default_str();
  app.add_option("--save-every", o->save_every, "Steps between saved states")
      ->check(in_range(int64_t{1}, kMostSteps))
      ->capture_default_str();
  app.add_option("--device", o->device, "cpu, or cuda")
      ->transform(one_of<TrainDevice>({{"cpu", TrainDevice::kCpu}, {"cuda", TrainDevice::kCuda}}));
  app.add_option("--seed", o->seed, "Seed of all random numbers")->check(any_seed())->capture_default_str();
  app.add_flag("--resume", o->resume,
               "Refuse to start anew: OUTPUT.training must hold an interrupted run of the same command");
  app.add_flag("--force", o->force, "Overwrite the codec file, and start anew where other options were interrupted");
  add_global_options(app, command);
  command.run = [o, &command]() -> Status {
    o->threads = command.global.threads;
    Result<TrainReport> report = TrainReport{};
    {
      ProgressLine line(command.global.quiet);
      report =
          train_codec(*o, line.progress(),
                      [&](int64_t step, double training, double validation, const std::vector<LevelQuality>& levels) {
                        line.note(fmt::format("step {}: training loss {:.4f}, validation loss {:.4f}{}", step, training,
                                              validation, levels_text(levels)));
                      });
    }
    if (!report) return std::move(report).error();
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      fmt::print("validation loss {:.4f} on {} chunks\n", report->validation_loss, report->validation_chunks);
      for (size_t l = 0; l < report->levels.size(); ++l) {
        fmt::print("level {}  {:.4f} bits per weight, normalised squared error {:.6f}\n", l, report->levels[l].bits,
                   report->levels[l].nmse);
      }
    }
    return {};
  };
}

}  // namespace nwc::cli

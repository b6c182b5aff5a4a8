#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/json.h"
#include "calibrate/hessian_files.h"
#include "checkpoint/checkpoint_path.h"
#include "checkpoint/resumable_directory.h"
#include "cli/command.h"
#include "cli/compress/beside_output.h"
#include "cli/compress/compress_summary.h"
#include "cli/compress/decoded_model.h"
#include "cli/compress/difference_options.h"
#include "cli/compress/encoding_options.h"
#include "cli/compress/guide_options.h"
#include "cli/compress/polish_afterwards.h"
#include "cli/compress/recovery_options.h"
#include "cli/compress/selection_list.h"
#include "cli/polish_run.h"
#include "cli/quality_record.h"
#include "cli/shipped_codecs.h"
#include "cli/team_end.h"
#include "cli/terminal.h"
#include "cli/text_calibration.h"
#include "compress/compress.h"
#include "compress/compress_defaults.h"
#include "compress/rate/divergence_prediction.h"
#include "compress/rate/divergence_target.h"
#include "guide/hessian_store.h"
#include "nwcodec/limits.h"
#include "recover/recover.h"
#include "report/report.h"
#include "team/team.h"
#include "tensor/device.h"

namespace nwc::cli {
namespace {

namespace fs = std::filesystem;

CLI::Validator a_size() {
  return {[](std::string& text) {
            const Result<SizeTarget> size = parse_size(text);
            return size ? std::string() : size.error().to_string();
          },
          "", "size"};
}

struct Arguments {
  CompressOptions options;
  TextCalibrationOptions calibration;  // with --text
  std::string size;
  std::optional<double> divergence;
  std::string codec, profile = "fast";
  std::filesystem::path report;
  bool list = false, plan = false;
  bool codec_tables_only = false;
  bool recover = false;
  DifferenceArguments differences;
  std::optional<LowerLayers> lower;  // with --layers
  std::optional<ProgressiveReport> layers;
  std::string device = "cpu";
  RecoverOptions recovery;
  PolishAfterwards polish;

  bool asks_for_a_rate() const { return options.bits || options.size || divergence || lower; }
};

using MeasureLayers = std::function<Status(const fs::path& directory, unsigned layers)>;

// At the rate that is asked for, or with --divergence in `found`.
Result<CompressReport> compress_together(Arguments& a, Team& team, const Progress& progress,
                                         const MeasureDivergence& measure, const MeasureLayers& measure_layers,
                                         std::optional<TargetedCompression>& found) {
  NWC_ASSIGN_OR_RETURN(const std::unique_ptr<EncodeDevice> device, open_encode_device(a.device, team.local_rank()));
  a.options.device = device.get();
  std::unique_ptr<BlockCompressor> recovery;
  if (a.recover) {
    NWC_ASSIGN_OR_RETURN(a.recovery.device, open_device(a.device, team.local_rank()));
    NWC_ASSIGN_OR_RETURN(recovery, make_recovery(a.options.model, a.options.hessians, a.recovery, a.options.threads));
  }
  if (a.lower) {
    const ProgressiveOptions layers{a.differences.layers, *a.lower, measure_layers};
    NWC_ASSIGN_OR_RETURN(a.layers, compress_progressively(a.options, layers, progress, &team));
    CompressReport report = a.layers->base;
    if (!a.layers->file_bytes.empty()) report.output_bytes = a.layers->file_bytes.back();
    return report;
  }
  if (!a.differences.base.empty()) {
    NWC_ASSIGN_OR_RETURN(a.options.base, base_of_delta(a.differences.base, a.options.output));
    a.options.base->original = a.differences.base_model;
  }
  if (!a.divergence) return compress_checkpoint(a.options, progress, recovery.get(), &team);
  NWC_ASSIGN_OR_RETURN(found, compress_to_divergence(a.options, *a.divergence, measure, progress));
  return found->report;
}

// Before the compression. Errors: those of calibrate().
Status calibrate_on_texts(Arguments& a, const Team& team, std::vector<int32_t>& held_out, ProgressLine& line) {
  if (team.size() > 1) {
    return Error(ErrorCode::kInvalidArgument, "--text calibrates in one process")
        .remedy("nwcodec calibrate first, then compress with --hessians");
  }
  TextCalibrationOptions& c = a.calibration;
  c.model = a.options.model;
  c.threads = a.options.threads;
  c.force = a.options.force;
  const bool beside = a.options.hessians.empty();
  if (beside) {
    a.options.hessians = path_beside(a.options.output, ".calibration");
    NWC_RETURN_IF_ERROR(check_ours(a.options.hessians, is_calibration_file));
    if (!ResumableDirectory::is_unfinished(a.options.hessians)) c.force = true;
  }
  c.hessians = a.options.hessians;
  NWC_ASSIGN_OR_RETURN(c.device, open_device(a.device));
  NWC_ASSIGN_OR_RETURN(const CalibrateReport report, calibrate_for(c, held_out, line.progress()));
  if (beside) NWC_RETURN_IF_ERROR(mark_as_ours(a.options.hessians));
  for (const std::string& warning : report.warnings) line.note("warning: " + warning);
  return {};
}

// Those to choose among, by name or by profile. Errors: kNotFound.
Status find_codecs(Arguments& a) {
  if (a.options.guide.steps == StepRule::kSensitivity) {  // no transform
    if (a.codec.empty()) return {};
    return Error(ErrorCode::kInvalidArgument, "--steps sensitivity goes without a codec").remedy("leave out --codec");
  }
  if (a.codec.empty() && (a.options.bits || a.options.size)) {
    a.options.codecs = shipped_profile(a.profile);
    if (!a.options.codecs.empty()) return {};
    return Error(ErrorCode::kNotFound, "no shipped codecs found").remedy("name one with --codec");
  }
  NWC_ASSIGN_OR_RETURN(fs::path codec, find_codec(a.codec.empty() ? kDefaultCodec : a.codec));
  a.options.codecs = {std::move(codec)};
  return {};
}

// For --list: before a calibration that is still to come.
Result<SelectionList> selection_before(const Arguments& a, const Progress& progress) {
  std::optional<HessianStore> hessians;
  if (!a.options.hessians.empty() && a.calibration.texts.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(a.options.hessians));
  }
  return list_selection(a.options.model, selection_of(a.options, hessians ? &*hessians : nullptr),
                        a.options.keep_nonfinite, a.options.threads, progress);
}

// --plan.
Status plan(const Arguments& a, const GlobalOptions& global) {
  Result<CompressionPrediction> prediction = CompressionPrediction{};
  {
    ProgressLine line(global.quiet);
    NWC_ASSIGN_OR_RETURN(CompressionPredictor predictor, CompressionPredictor::open(a.options, line.progress()));
    NWC_ASSIGN_OR_RETURN(const double bits, predictor.rate_asked());
    prediction = predictor.at(bits, line.progress());
    if (!prediction) return std::move(prediction).error();
    for (const std::string& warning : prediction->warnings) line.note("warning: " + warning);
  }
  if (global.json) {
    print_json(to_json(*prediction));
  } else {
    print_prediction(*prediction);
  }
  return {};
}

void add_text_options(CLI::App& app, Arguments& a) {
  TextCalibrationOptions& c = a.calibration;
  CLI::Option* text = app.add_option("--text", c.texts,
                                     "Calibrate on these texts first, as nwcodec calibrate does, and measure on the "
                                     "last tenth of each afterwards; self is the model's own text; with --hessians, "
                                     "keep the calibration there")
                          ->check(not_empty());
  app.add_option("--sequences", c.sequences, "With --text: sequences of each text")
      ->check(in_range(int64_t{1}, kManySequences))
      ->needs(text)
      ->capture_default_str();
  app.add_option("--length", c.length, "With --text: tokens per sequence")
      ->check(in_range(int64_t{2}, kManyTokens))
      ->needs(text)
      ->capture_default_str();
  a.polish.add_options(app, text);
}

void add_compression(CLI::App& app, Command& command, bool again) {
  const auto a = std::make_shared<Arguments>();
  app.add_option("model", a->options.model,
                 again ? "Compressed checkpoint directory" : "Checkpoint directory (config.json, *.safetensors)")
      ->required()
      ->check(not_empty());
  app.add_option("-o,--output", a->options.output, "Directory to write")->check(not_empty());
  app.add_flag("--list", a->list, "Say what becomes of each tensor, and why; without --output nothing else is done");
  app.add_option("--codec", a->codec,
                 std::string("Codec file, or the name of a shipped one (default: ") + kDefaultCodec +
                     ", or with --bits the best of the profile)")
      ->check(not_empty());
  app.add_option("--profile", a->profile,
                 "Which shipped codecs --bits chooses among: fast (small decoder), paper (512 x 4)")
      ->check(CLI::IsMember({"fast", "paper"}))
      ->capture_default_str();
  CLI::Option* bits =
      app.add_option("--bits", a->options.bits,
                     "Bits per compressed weight on disk, side information included: chooses codec and gain")
          ->check(in_range(0.5, 12.0));
  app.add_option("--size", a->size, "The same by the size of all weight files: 4.5GB, 700MiB, 60%")
      ->check(a_size())
      ->excludes(bits);
  app.add_option("--divergence", a->divergence,
                 "The smallest size whose KL divergence, measured on text that --text holds out, is at most this, in "
                 "nats per token; found by at most three compressions")
      ->check(in_range(1e-6, 20.0))
      ->excludes(bits)
      ->excludes("--size");
  add_difference_options(app, a->differences);
  app.add_flag("--plan", a->plan,
               "Only predict rate, size and KL divergence, tensor by tensor, from --hessians with gradients");
  app.add_option("--include", a->options.selection.include,
                 "Also compress tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  app.add_option("--exclude", a->options.selection.exclude,
                 "Leave alone tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  app.add_option("--normalisation", a->options.encode.normalisation.kind,
                 std::string(kNormalisationHelp) + "; column by default, both with --hessians")
      ->transform(normalisations());
  app.add_option("--level", a->options.level,
                 "Importance level of all columns, when there are no Hessians: higher is finer")
      ->check(in_range(0u, limits::kMaxLevels - 1))
      ->capture_default_str();
  CLI::Option* hessians = app.add_option("--hessians", a->options.hessians,
                                         "What nwcodec calibrate wrote: importance levels and error feedback")
                              ->check(not_empty());
  add_guide_options(app, a->options.guide);
  add_encoding_options(app, a->options.encode);
  app.add_flag("--codec-tables-only", a->codec_tables_only, "Never fit frequency tables to a tensor");
  app.add_flag("--keep-embeddings", a->options.keep_embeddings,
               "With steps by sensitivity: leave embedding and head as they are");
  app.add_flag("--keep-nonfinite", a->options.keep_nonfinite,
               "Store tensors with NaN or infinite weights uncompressed");
  app.add_option("--report", a->report,
                 "Directory for report.json and report.html: every tensor measured again, with plots")
      ->check(not_empty());
  add_text_options(app, *a);
  if (again) {
    app.add_option("--reference", a->calibration.reference,
                   "With --text: measure against this model, the original, instead of what was decoded")
        ->check(not_empty())
        ->needs("--text");
  }
  add_recovery_options(app, hessians, a->recover, a->recovery);
  add_device_option(app, a->device);
  app.add_flag("--force", a->options.force, "Replace the checkpoint that stands in the output directory");
  add_global_options(app, command);
  app.callback([a, &app] {
    if (a->options.hessians.empty() && a->calibration.texts.empty()) check_without_calibration(app);
    if (a->options.output.empty() && !a->list && !a->plan) throw CLI::RequiredError("--output");
    if (a->divergence && a->calibration.texts.empty())
      throw CLI::ValidationError("--divergence", "is measured on text: give --text, too");
    if (a->divergence && a->polish.wanted())
      throw CLI::ValidationError("--polish", "changes what --divergence has found: leave out one of them");
    if (a->polish.wanted() && (!a->differences.layers.empty() || !a->differences.base.empty()))
      throw CLI::ValidationError("--polish", "is for checkpoints of one layer: leave out --layers or --base");
    if (a->plan && (a->options.hessians.empty() || !a->calibration.texts.empty()))
      throw CLI::ValidationError("--plan", "predicts from --hessians: calibrate first, and leave out --text");
    if (a->plan && !a->options.bits && a->size.empty()) throw CLI::ValidationError("--plan", "needs --bits or --size");
    if (!a->size.empty()) a->options.size = *parse_size(a->size);
    check_difference_options(app, a->differences);
    if (!a->differences.layers.empty()) {
      a->lower = lower_layers(app, a->options.guide);
      a->options.bits = a->differences.layers[0];
    }
    if (const Status status = check_options(a->options.guide.importance); !status)
      throw CLI::ValidationError("--shares", status.error().message());
  });
  command.run = [a, again, &app, &command]() -> Status {
    std::optional<SelectionList> list;
    std::unique_ptr<DecodedModel> decoded;
    NWC_ASSIGN_OR_RETURN(const std::unique_ptr<Team> team, join_team());
    if (again) {
      if (team->size() > 1) {
        return Error(ErrorCode::kInvalidArgument, "recompress decodes in one process")
            .remedy("nwcodec decompress first, then compress that");
      }
      if (!a->options.output.empty()) NWC_RETURN_IF_ERROR(check_output(a->options));
      ProgressLine reading(command.global.quiet);
      NWC_ASSIGN_OR_RETURN(decoded, DecodedModel::decode(a->options, command.global.threads, reading.progress()));
      reading.note("warning: weights are quantised anew from what a compression left of them: both losses count");
    }
    if (a->calibration.texts.empty())
      NWC_RETURN_IF_ERROR(settle_guide(open_options(app), a->asks_for_a_rate(), a->options));
    a->options.threads = command.global.threads;
    if (a->list) {
      {
        ProgressLine reading(command.global.quiet);
        NWC_ASSIGN_OR_RETURN(list, selection_before(*a, reading.progress()));
      }
      if (a->options.output.empty()) return print_selection(*list, command.global);
    }
    a->options.encode.own_tables = !a->codec_tables_only;
    const bool calibrates = !a->calibration.texts.empty(), keeps = !a->options.hessians.empty();
    std::optional<ProgressLine> line(std::in_place, command.global.quiet || !team->leads());
    std::vector<int32_t> held_out;
    if (calibrates) {
      a->calibration.seed = a->recovery.seed;
      if (a->polish.wanted()) NWC_RETURN_IF_ERROR(a->polish.begin(a->options, a->calibration));
      NWC_RETURN_IF_ERROR(check_output(a->options));
      NWC_RETURN_IF_ERROR(calibrate_on_texts(*a, *team, held_out, *line));
      NWC_RETURN_IF_ERROR(settle_guide(open_options(app), a->asks_for_a_rate(), a->options));
    }
    NWC_RETURN_IF_ERROR(settle_encoding(open_options(app), a->options));
    if (a->plan) {
      line.reset();
      return plan(*a, command.global);
    }
    NWC_RETURN_IF_ERROR(find_codecs(*a));
    std::optional<DivergenceResult> divergence;
    MeasuredQuality quality;  // of the output, as far as it is complete
    std::vector<double> divergences;
    const auto measure_and_record = [&](const fs::path& directory) -> Result<double> {
      NWC_ASSIGN_OR_RETURN(divergence, measure(a->calibration, directory, held_out, line->progress()));
      if (!divergence) return 0.0;
      NWC_ASSIGN_OR_RETURN(quality, quality_of(*divergence, a->calibration.texts, command_text(app)));
      divergences = {divergence->mean_kl};
      NWC_RETURN_IF_ERROR(write_measured_quality(directory, quality));
      return divergence->mean_kl;
    };
    MeasureLayers measure_layers;
    if (calibrates) {
      measure_layers = [&](const fs::path& directory, unsigned layers) -> Status {
        NWC_ASSIGN_OR_RETURN(divergence, measure(a->calibration, directory, held_out, line->progress(), layers));
        if (!divergence) return {};
        quality.refined.push_back({divergence->mean_kl, divergence->candidate_perplexity, divergence->top1_agreement});
        divergences.push_back(divergence->mean_kl);
        return write_measured_quality(directory, quality);
      };
    }
    if (calibrates && !a->polish.wanted()) {
      a->options.before_finish = [&](const fs::path& directory) -> Status {
        if (const Result<double> measured = measure_and_record(directory); !measured) return Error(measured.error());
        return {};
      };
    }
    if (a->divergence && held_out.empty()) {
      return Error(ErrorCode::kInvalidArgument, "no text is left to measure on: a tenth of it is less than --length")
          .remedy("give a longer text, or a smaller --length");
    }
    std::optional<TargetedCompression> found;
    Result<CompressReport> report =
        compress_together(*a, *team, line->progress(), measure_and_record, measure_layers, found);
    if (!report) return end_all(*team, std::move(report).error());
    for (const std::string& warning : report->warnings) line->note("warning: " + warning);
    if (!team->leads()) return {};
    std::optional<PolishReport> polished;
    if (a->polish.wanted()) {
      NWC_ASSIGN_OR_RETURN(
          polished, a->polish.finish(a->options, a->calibration, a->device, command_text(app), line->progress()));
      for (const std::string& warning : polished->warnings) line->note("warning: " + warning);
      divergence = polished->after;
    }
    if (!a->report.empty()) {
      const ReportOptions options{a->options.model, a->options.output, a->options.hessians, options_given(app),
                                  command.global.threads};
      NWC_ASSIGN_OR_RETURN(const CompressionReport measured, make_report(options, *report, line->progress()));
      NWC_RETURN_IF_ERROR(write_report(measured, a->report));
    }
    if (calibrates && !keeps) NWC_RETURN_IF_ERROR(remove_our_calibration(a->calibration.hessians));
    line.reset();
    const bool own = has_own_text(a->calibration);
    if (command.global.json) {
      Json json = to_json(*report);
      if (list) json["selection"] = selection_json(*list);
      if (divergence) json["held_out"] = to_json(*divergence, own);
      if (polished) json["polish"] = to_json(*polished);
      if (found) json["trials"] = trials_json(*found);
      if (a->layers) json["layers"] = layers_json(*a->layers, divergences);
      print_json(json);
    } else {
      if (list) fmt::print("{}\n", selection_table(*list));
      print_summary(*report);
      print_differences(*report);
      if (a->layers) print_layers(*a->layers, divergences);
      if (found) print_trials(*found);
      if (divergence) print_measured(*divergence, own);
      if (polished) print_polish(*polished);
    }
    return {};
  };
}

}  // namespace

void add_compress(CLI::App& app, Command& command) { add_compression(app, command, /*again=*/false); }
void add_recompress(CLI::App& app, Command& command) { add_compression(app, command, /*again=*/true); }

}  // namespace nwc::cli

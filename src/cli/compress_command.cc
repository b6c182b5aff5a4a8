#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "base/json.h"
#include "calibrate/hessian_files.h"
#include "cli/command.h"
#include "cli/selection_list.h"
#include "cli/shipped_codecs.h"
#include "cli/terminal.h"
#include "cli/text_calibration.h"
#include "compress/compress.h"
#include "guide/hessian_store.h"
#include "nwcodec/limits.h"
#include "recover/recover.h"
#include "report/report.h"
#include "team/team.h"
#include "tensor/device.h"

namespace nwc::cli {
namespace {

namespace fs = std::filesystem;

Json to_json(const CompressReport& report) {
  Json tensors = Json::array();
  for (const TensorRecord& record : report.tensors) tensors.push_back(nwc::to_json(record));
  return {{"schema", kRecordSchema},
          {"tensors", tensors},
          {"codec", report.codec.filename().string()},
          {"gain", report.gain},
          {"blocks_from_earlier_run", report.blocks_from_earlier_run},
          {"input_bytes", report.input_bytes},
          {"output_bytes", report.output_bytes},
          {"warnings", report.warnings}};
}

void print_summary(const CompressReport& report) {
  const CompressionTotals totals = totals_of(report.tensors);
  const EncodeStatistics& sum = totals.statistics;
  if (report.blocks_from_earlier_run > 0)
    fmt::print("{} blocks kept from an interrupted run\n", report.blocks_from_earlier_run);
  if (report.gain != 1.0) fmt::print("codec {}, gain {:.4f}\n", report.codec.filename().string(), report.gain);
  if (sum.weights > 0) {
    const double weights = static_cast<double>(sum.weights);
    fmt::print("{} tensors, {} weights\n", report.tensors.size(), sum.weights);
    fmt::print("payload                  {:8.4f} bits per weight (cross-entropy of its symbols {:.4f})\n",
               8.0 * static_cast<double>(sum.payload_bytes) / weights, sum.table_bits / weights);
    fmt::print("with side information    {:8.4f} bits per weight\n",
               8.0 * static_cast<double>(sum.payload_bytes + totals.side_bytes) / weights);
    fmt::print("relative squared error   {:8.6f}\n", sum.squared_error / sum.squared_weight);
    fmt::print("escapes, patches         {}, {}\n", sum.escapes, sum.patches);
  }
  fmt::print("weight files             {} -> {} ({:.1f} %)\n", human_bytes(report.input_bytes),
             human_bytes(report.output_bytes),
             100.0 * static_cast<double>(report.output_bytes) /
                 static_cast<double>(std::max<uint64_t>(1, report.input_bytes)));
}

std::vector<std::pair<std::string, std::string>> options_given(const CLI::App& app) {
  std::vector<std::pair<std::string, std::string>> given;
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0)
      given.emplace_back(option->get_name(), fmt::format("{}", fmt::join(option->results(), " ")));
  }
  return given;
}

// A number of chunks per tile.
CLI::Validator whole_groups() {
  const std::string wrong = fmt::format("must be a multiple of {}", limits::kLanes);
  return {[wrong](std::string& text) {
            return std::strtoul(text.c_str(), nullptr, 10) % limits::kLanes == 0 ? std::string() : wrong;
          },
          "", "multiple"};
}

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
  std::string codec, profile = "fast";
  std::filesystem::path report;
  bool list = false;
  bool codec_tables_only = false;
  bool recover = false;
  std::string device = "cpu";
  RecoverOptions recovery;
};

Result<CompressReport> compress_together(Arguments& a, Team& team, const Progress& progress) {
  // Steps by sensitivity are taken on the cores; the device is for what comes before and after.
  const bool on_cores = !a.calibration.texts.empty() && a.options.guide.steps == StepRule::kSensitivity;
  NWC_ASSIGN_OR_RETURN(const std::unique_ptr<EncodeDevice> device,
                       open_encode_device(on_cores ? "cpu" : a.device, team.local_rank()));
  a.options.device = device.get();
  std::unique_ptr<BlockCompressor> recovery;
  if (a.recover) {
    NWC_ASSIGN_OR_RETURN(a.recovery.device, open_device(a.device, team.local_rank()));
    NWC_ASSIGN_OR_RETURN(recovery, make_recovery(a.options.model, a.options.hessians, a.recovery, a.options.threads));
  }
  return compress_checkpoint(a.options, progress, recovery.get(), &team);
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
  c.force = a.options.force || a.options.hessians.empty();  // beside the output, only an earlier run of this can be
  if (a.options.hessians.empty()) a.options.hessians = fs::path(a.options.output).concat(".calibration");
  c.hessians = a.options.hessians;
  NWC_ASSIGN_OR_RETURN(c.device, open_device(a.device));
  NWC_ASSIGN_OR_RETURN(const CalibrateReport report, calibrate_for(c, held_out, line.progress()));
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

// Steps that nobody chose: by sensitivity where the calibration knows it and nothing asks for a codec's levels.
Status choose_steps(const CLI::App& app, Arguments& a) {
  for (const char* option : {"--steps", "--codec", "--profile", "--normalisation", "--shares", "--sensitivity",
                             "--no-levels", "--codec-tables-only", "--recover"}) {
    if (app.count(option) > 0) return {};
  }
  if (a.options.hessians.empty() || (!a.options.bits && !a.options.size)) return {};
  if (a.device != "cpu" && a.calibration.texts.empty()) return {};
  NWC_ASSIGN_OR_RETURN(const HessianStore hessians, HessianStore::open(a.options.hessians));
  if (hessians.has_gradients()) a.options.guide.steps = StepRule::kSensitivity;
  return {};
}

// For --list: before a calibration that is still to come.
Result<SelectionList> selection_before(const Arguments& a) {
  std::optional<HessianStore> hessians;
  if (!a.options.hessians.empty() && a.calibration.texts.empty()) {
    NWC_ASSIGN_OR_RETURN(hessians, HessianStore::open(a.options.hessians));
  }
  return list_selection(a.options.model, selection_of(a.options, hessians ? &*hessians : nullptr));
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
}

void add_recovery_options(CLI::App& app, CLI::Option* hessians, Arguments& a) {
  RecoverOptions& r = a.recovery;
  CLI::Option* recover = app.add_flag("--recover", a.recover,
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

}  // namespace

void add_compress(CLI::App& app, Command& command) {
  const auto a = std::make_shared<Arguments>();
  app.add_option("model", a->options.model, "Checkpoint directory (config.json, *.safetensors)")
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
  app.add_option("--include", a->options.selection.include,
                 "Also compress tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  app.add_option("--exclude", a->options.selection.exclude,
                 "Leave alone tensors in whose name this regular expression (Perl syntax) matches")
      ->allow_extra_args(false);
  CLI::Option* normalisation =
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
  app.add_option(
         "--steps", a->options.guide.steps,
         "How finely weights are quantised: levels by quantiles, a step for each column by water filling, or as "
         "finely as the model feels each row and column (after calibrate --gradients; needs --bits)")
      ->transform(one_of<StepRule>({{"levels", StepRule::kLevels},
                                    {"water-fill", StepRule::kWaterFill},
                                    {"sensitivity", StepRule::kSensitivity}}))
      ->needs(hessians);
  app.add_option("--shares", a->options.guide.importance.shares, "Shares of columns of the finer levels, finest first")
      ->check(in_range(0.0, 1.0))
      ->needs(hessians)
      ->capture_default_str();
  app.add_option("--sensitivity", a->options.guide.importance.sensitivity,
                 "What levels go by: the Hessian's diagonal, or that of its inverse")
      ->transform(one_of<Sensitivity>({{"diagonal", Sensitivity::kDiagonal}, {"inverse", Sensitivity::kInverse}}))
      ->needs(hessians);
  app.add_option("--damping", a->options.guide.ldl.damping, "Added to the Hessian's diagonal, as a share of its mean")
      ->check(in_range(0.0, 1.0))
      ->needs(hessians)
      ->capture_default_str();
  app.add_option("--block-size", a->options.guide.ldl.block_size,
                 "Columns quantised together, without feedback among them")
      ->check(in_range(1u, 128u))
      ->needs(hessians)
      ->capture_default_str();
  app.add_flag("--unsorted{false}", a->options.guide.sort_columns,
               "Feedback from the last column to the first, instead of from the costliest")
      ->needs(hessians);
  app.add_flag("--no-levels{false}", a->options.guide.levels, "All columns at level 0")->needs(hessians);
  app.add_flag("--no-feedback{false}", a->options.guide.feedback, "No error feedback")->needs(hessians);
  app.add_option("--tile-chunks", a->options.encode.tile_chunks,
                 "Chunks per independently decodable tile, a multiple of 32")
      ->check(in_range(32u, limits::kMaxTileChunks))
      ->check(whole_groups())
      ->capture_default_str();
  app.add_option("--run-groups", a->options.encode.run_groups,
                 "Groups of 32 chunks that are decoded channel by channel: 64 suits CPUs; 1, with tiles of 512, GPUs")
      ->check(in_range(1u, limits::kMaxTileChunks / limits::kLanes))
      ->capture_default_str();
  CLI::Option* rate_weight =
      app.add_option("--rate-weight", a->options.encode.rate_weight,
                     "With --steps sensitivity: squared steps that a bit is worth when weights are rounded")
          ->check(in_range(0.0, 1.0))
          ->needs(hessians)
          ->capture_default_str();
  app.add_flag("--codec-tables-only", a->codec_tables_only, "Never fit frequency tables to a tensor");
  app.add_flag("--keep-embeddings", a->options.keep_embeddings,
               "With steps by sensitivity: leave embedding and head as they are");
  app.add_flag("--keep-nonfinite", a->options.keep_nonfinite,
               "Store tensors with NaN or infinite weights uncompressed");
  app.add_option("--report", a->report,
                 "Directory for report.json and report.html: every tensor measured again, with plots")
      ->check(not_empty());
  add_text_options(app, *a);
  add_recovery_options(app, hessians, *a);
  add_device_option(app, a->device);
  app.add_flag("--force", a->options.force, "Replace the checkpoint that stands in the output directory");
  add_global_options(app, command);
  app.callback([a] {
    if (a->options.output.empty() && !a->list) throw CLI::RequiredError("--output");
    if (!a->size.empty()) a->options.size = *parse_size(a->size);
    if (const Status status = check_options(a->options.guide.importance); !status)
      throw CLI::ValidationError("--shares", status.error().message());
  });
  command.run = [a, normalisation, rate_weight, &app, &command]() -> Status {
    std::optional<SelectionList> list;
    if (a->calibration.texts.empty()) NWC_RETURN_IF_ERROR(choose_steps(app, *a));
    if (a->list) {
      NWC_ASSIGN_OR_RETURN(list, selection_before(*a));
      if (a->options.output.empty()) return print_selection(*list, command.global);
    }
    a->options.threads = command.global.threads;
    a->options.encode.own_tables = !a->codec_tables_only;
    const bool calibrates = !a->calibration.texts.empty(), keeps = !a->options.hessians.empty();
    NWC_ASSIGN_OR_RETURN(const std::unique_ptr<Team> team, join_team());
    std::optional<ProgressLine> line(std::in_place, command.global.quiet || !team->leads());
    std::vector<int32_t> held_out;
    if (calibrates) {
      a->calibration.seed = a->recovery.seed;
      NWC_RETURN_IF_ERROR(calibrate_on_texts(*a, *team, held_out, *line));
      NWC_RETURN_IF_ERROR(choose_steps(app, *a));
    }
    // Feedback sees the input side only; rows that are small because their partners elsewhere are large need factors of
    // their own.
    if (normalisation->count() == 0 && !a->options.hessians.empty())
      a->options.encode.normalisation.kind = Normalisation::kBoth;
    if (rate_weight->count() == 0 && a->options.guide.steps == StepRule::kSensitivity)
      a->options.encode.rate_weight = kBestRateWeight;
    NWC_RETURN_IF_ERROR(find_codecs(*a));
    Result<CompressReport> report = compress_together(*a, *team, line->progress());
    if (!report && team->size() > 1) {
      // The others may be waiting for this process.
      fmt::print(stderr, "{}\n",
                 printable(fmt::format("nwcodec: rank {}: {}", team->rank(), report.error().to_string())));
      std::fflush(stderr);
      team->abort();
    }
    if (!report) return std::move(report).error();
    for (const std::string& warning : report->warnings) line->note("warning: " + warning);
    if (!team->leads()) return {};
    if (!a->report.empty()) {
      const ReportOptions options{a->options.model, a->options.output, a->options.hessians, options_given(app),
                                  command.global.threads};
      NWC_ASSIGN_OR_RETURN(const CompressionReport measured, make_report(options, *report, line->progress()));
      NWC_RETURN_IF_ERROR(write_report(measured, a->report));
    }
    std::optional<DivergenceResult> divergence;
    if (calibrates) {
      NWC_ASSIGN_OR_RETURN(divergence, measure(a->calibration, a->options.output, held_out, line->progress()));
      if (!keeps) NWC_RETURN_IF_ERROR(remove_calibration(a->calibration.hessians));
    }
    line.reset();
    const bool own = has_own_text(a->calibration);
    if (command.global.json) {
      Json json = to_json(*report);
      if (list) json["selection"] = selection_json(*list);
      if (divergence) json["held_out"] = to_json(*divergence, own);
      print_json(json);
    } else {
      if (list) fmt::print("{}\n", selection_table(*list));
      print_summary(*report);
      if (divergence) print_measured(*divergence, own);
    }
    return {};
  };
}

}  // namespace nwc::cli

#include "cli/eval/compare_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/parallel.h"
#include "checkpoint/checkpoint_path.h"
#include "cli/checkpoint_notes.h"
#include "cli/command.h"
#include "cli/decode_backend.h"
#include "cli/eval/window_texts.h"
#include "cli/language.h"
#include "cli/terminal.h"
#include "evaluate/token_divergence.h"
#include "libtorch/threads.h"
#include "nwcodec/version.h"
#include "report/divergence/model_identity.h"

namespace nwc::cli {
namespace {

// Sizes and recorded quality of all, which are of one model.
Status inspect_all(const CompareOptions& options, Comparison& comparison) {
  std::optional<ModelIdentity> first;
  if (options.reference) {
    NWC_ASSIGN_OR_RETURN(first, ModelIdentity::of(*options.reference));
    comparison.reference = directory_name(*options.reference);
  }
  const std::vector<std::string> labels = labels_of(options.checkpoints);
  for (size_t i = 0; i < options.checkpoints.size(); ++i) {
    const std::filesystem::path& directory = options.checkpoints[i];
    ComparedCheckpoint checkpoint{.label = labels[i]};
    NWC_ASSIGN_OR_RETURN(checkpoint.size, inspect_checkpoint(directory, /*verify=*/false));
    NWC_ASSIGN_OR_RETURN(const std::optional<MeasuredQuality> recorded, read_measured_quality(directory));
    if (recorded) checkpoint.recorded = recorded->of_layers(checkpoint.size.layers.size());
    NWC_ASSIGN_OR_RETURN(ModelIdentity identity, ModelIdentity::of(directory));
    if (first) {
      NWC_RETURN_IF_ERROR(check_same_model(*first, identity));
    } else {
      first = std::move(identity);
    }
    comparison.checkpoints.push_back(std::move(checkpoint));
  }
  return {};
}

// The first windows of each text, whole, one after another.
Result<std::vector<int32_t>> windows_of_texts(const CompareOptions& options, const Tokenizer& tokenizer,
                                              std::vector<std::string>& warnings, const Progress& progress) {
  std::vector<int32_t> all;
  for (const std::filesystem::path& text : options.texts) {
    NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenize_file(tokenizer, text, progress));
    if (const auto warning = unreadable_warning(tokenizer, ids, text)) warnings.push_back(*warning);
    int64_t windows = static_cast<int64_t>(ids.size()) / options.context;
    if (windows == 0) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("has {} tokens, fewer than one window of {}", ids.size(), options.context))
          .in_file(text.string())
          .remedy("choose a shorter --context or a longer text");
    }
    if (options.windows > 0) windows = std::min(windows, options.windows);
    all.insert(all.end(), ids.begin(), ids.begin() + static_cast<ptrdiff_t>(windows * options.context));
  }
  return all;
}

// Precondition: a reference and texts.
Status measure_all(const CompareOptions& options, Comparison& comparison, const Progress& progress) {
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  NWC_ASSIGN_OR_RETURN(const Tokenizer tokenizer, open_tokenizer(*options.reference));
  NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> ids,
                       windows_of_texts(options, tokenizer, comparison.warnings, progress));
  NWC_ASSIGN_OR_RETURN(const CausalLm reference, open_causal_lm(*options.reference, threads, options.device));
  append_notes(*options.reference, reference.warnings(), comparison.warnings);
  std::vector<CausalLm> models;
  for (const std::filesystem::path& directory : options.checkpoints) {
    NWC_ASSIGN_OR_RETURN(CausalLm model, open_causal_lm(directory, threads, options.device));
    append_notes(directory, model.warnings(), comparison.warnings);
    models.push_back(std::move(model));
  }
  std::vector<const CausalLm*> candidates;
  for (const CausalLm& model : models) candidates.push_back(&model);
  NWC_ASSIGN_OR_RETURN(const std::vector<TokenScores> scores,
                       score_tokens(reference, candidates, ids, {.context = options.context}, progress));
  TokenTexts texts(tokenizer);
  const WindowTexts tokens = window_texts(texts, ids, options.context);
  for (size_t i = 0; i < scores.size(); ++i)
    comparison.checkpoints[i].profile = profile_of(scores[i], tokens, {.windows = 0, .tokens = 0, .types = 0});
  for (const std::filesystem::path& text : options.texts) comparison.texts.push_back(text.filename().string());
  return {};
}

void warn_about_bases(Comparison& comparison) {
  std::set<std::string> bases;
  for (const ComparedCheckpoint& checkpoint : comparison.checkpoints) {
    if (const std::optional<ComparedQuality> quality = quality_of(comparison, checkpoint)) {
      bases.insert(quality->basis);
    } else {
      comparison.warnings.push_back(checkpoint.label +
                                    ": its config.json records no quality; --text and --reference measure it");
    }
  }
  if (bases.size() > 1) {
    comparison.warnings.emplace_back(
        "the recorded qualities were not measured on the same text and cannot be compared; --text and --reference "
        "measure all alike");
  }
}

void print_text(const Comparison& comparison) {
  std::vector<std::vector<std::string>> rows = comparison_table(comparison);
  for (std::vector<std::string>& row : rows) {
    row.pop_back();  // what it was measured on
    row.front() = printable(row.front());
  }
  fmt::print("{}", format_table(rows));
}

}  // namespace

Result<Comparison> compare_checkpoints(const CompareOptions& options, const Progress& progress) {
  Comparison comparison{.version = NWCODEC_VERSION_STRING, .command = options.command};
  NWC_RETURN_IF_ERROR(inspect_all(options, comparison));
  if (!options.texts.empty()) NWC_RETURN_IF_ERROR(measure_all(options, comparison, progress));
  warn_about_bases(comparison);
  return comparison;
}

void add_compare(CLI::App& app, Command& command) {
  struct Arguments : CompareOptions {
    std::string device_name = "cpu";
    std::optional<std::filesystem::path> report;
  };
  const auto o = std::make_shared<Arguments>();
  app.add_option("checkpoints", o->checkpoints, "Compressed checkpoint directories of one model")
      ->required()
      ->check(not_empty());
  CLI::Option* reference =
      app.add_option("--reference", o->reference, "Directory of the original model")->check(not_empty());
  CLI::Option* text = app.add_option("--text", o->texts,
                                     "Text files to measure all on; without them, what was recorded when each was made")
                          ->check(not_empty())
                          ->needs(reference);
  app.add_option("--context", o->context, "Tokens per window")
      ->check(in_range(int64_t{2}, kManyTokens))
      ->capture_default_str()
      ->needs(text);
  app.add_option("--windows", o->windows, "Score only the first so many windows of each text; 0 means all")
      ->check(in_range(int64_t{0}, kManySequences))
      ->capture_default_str()
      ->needs(text);
  app.add_option("--report", o->report, "Also write a page with plots, and its figures beside it (.json, .csv)")
      ->check(html_file());
  add_device_option(app, o->device_name);
  add_global_options(app, command);
  command.run = [o, &app, &command]() -> Status {
    o->threads = command.global.threads;
    o->command = given_command(app);
    NWC_ASSIGN_OR_RETURN(o->device, open_device(o->device_name));
    Result<Comparison> comparison = Comparison{};
    {
      ProgressLine line(command.global.quiet);
      comparison = compare_checkpoints(*o, line.progress());
      if (comparison) {
        for (const std::string& warning : comparison->warnings) line.note("warning: " + warning);
      }
    }
    if (!comparison) return std::move(comparison).error();
    if (o->report) NWC_RETURN_IF_ERROR(write_comparison(*comparison, *o->report));
    if (command.global.json) {
      print_json(comparison_json(*comparison));
    } else {
      print_text(*comparison);
    }
    return {};
  };
}

}  // namespace nwc::cli

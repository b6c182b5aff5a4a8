#include "cli/eval_command.h"

#include <fmt/format.h>

#include <memory>

#include "base/json.h"
#include "base/parallel.h"
#include "cli/checkpoint_notes.h"
#include "cli/command.h"
#include "cli/decode_backend.h"
#include "cli/eval_images.h"
#include "cli/eval_report.h"
#include "cli/language.h"
#include "cli/terminal.h"
#include "evaluate/token_divergence.h"
#include "libtorch/threads.h"

namespace nwc::cli {
namespace {

Json to_json(const EvalReport& report) {
  if (report.embeddings) return images_json(*report.embeddings);
  const auto number_or_null = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  if (report.divergence) {
    const DivergenceResult& d = *report.divergence;
    return {{"protocol", "gptq"},
            {"context", d.context},
            {"windows", d.windows},
            {"tokens", report.tokens},
            {"perplexity", d.candidate_perplexity},
            {"reference_perplexity", d.reference_perplexity},
            {"kl_divergence", d.mean_kl},
            {"kl_divergence_standard_error", number_or_null(d.mean_kl_standard_error)},
            {"kl_divergence_99th_percentile", d.kl_99th_percentile},
            {"kl_divergence_maximum", d.max_kl},
            {"top1_agreement", d.top1_agreement}};
  }
  const PerplexityResult& p = *report.perplexity;
  return {{"protocol", p.protocol},     {"context", p.context},
          {"windows", p.windows},       {"tokens", report.tokens},
          {"perplexity", p.perplexity}, {"perplexity_standard_error", number_or_null(p.perplexity_standard_error)}};
}

void print_text(const EvalReport& report) {
  if (report.embeddings) return print_images(*report.embeddings);
  const auto plus_minus = [](const std::optional<double>& error, const char* format) {
    return error ? " +- " + fmt::format(fmt::runtime(format), *error) : std::string();
  };
  if (report.divergence) {
    const DivergenceResult& d = *report.divergence;
    fmt::print("protocol gptq, {} windows of {} tokens\n", d.windows, d.context);
    fmt::print("perplexity       {:.4f} (reference {:.4f}, {:+.3f} %)\n", d.candidate_perplexity,
               d.reference_perplexity, 100.0 * (d.candidate_perplexity / d.reference_perplexity - 1.0));
    fmt::print("KL divergence    {:.6f}{} nats per token (99th percentile {:.4f}, maximum {:.4f})\n", d.mean_kl,
               plus_minus(d.mean_kl_standard_error, "{:.6f}"), d.kl_99th_percentile, d.max_kl);
    fmt::print("top-1 agreement  {:.3f} %\n", 100.0 * d.top1_agreement);
    return;
  }
  const PerplexityResult& p = *report.perplexity;
  fmt::print("protocol {}, {} windows of {} tokens\n", p.protocol, p.windows, p.context);
  fmt::print("perplexity       {:.4f}{}\n", p.perplexity, plus_minus(p.perplexity_standard_error, "{:.4f}"));
}

}  // namespace

Result<EvalReport> evaluate_checkpoint(const EvalOptions& options, const Progress& progress) {
  if (options.images) return evaluate_images(options, progress);
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  NWC_ASSIGN_OR_RETURN(const Tokenizer tokenizer, open_tokenizer(options.checkpoint));
  NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenize_file(tokenizer, options.text, progress));
  EvalReport report;
  report.warnings = tokenizer.warnings();
  if (const auto warning = unreadable_warning(tokenizer, ids, options.text)) report.warnings.push_back(*warning);
  report.tokens = static_cast<int64_t>(ids.size());
  if (report.tokens < options.context) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("has {} tokens, fewer than one window of {}", report.tokens, options.context))
        .in_file(options.text.string())
        .remedy("choose a shorter --context or a longer text");
  }
  const WindowOptions windows{.context = options.context, .max_windows = options.windows};
  NWC_ASSIGN_OR_RETURN(const CausalLm model, open_causal_lm(options.checkpoint, threads, options.device));
  append_notes(options.checkpoint, model.warnings(), report.warnings);
  if (!options.reference) {
    Result<PerplexityResult> result = perplexity(model, ids, windows, progress);
    if (!result) return std::move(result).error().in_file(options.checkpoint.string());
    report.perplexity = *result;
    return report;
  }
  NWC_ASSIGN_OR_RETURN(const CausalLm reference, open_causal_lm(*options.reference, threads, options.device));
  append_notes(*options.reference, reference.warnings(), report.warnings);
  const CausalLm* const candidates[] = {&model};
  Result<std::vector<TokenScores>> scores = score_tokens(reference, candidates, ids, windows, progress);
  if (!scores) return std::move(scores).error().in_file(options.checkpoint.string());
  report.divergence = summary_of(scores->front());
  if (options.report)
    NWC_RETURN_IF_ERROR(write_eval_report(options, tokenizer, ids, std::move(scores->front()), report.warnings));
  return report;
}

void add_eval(CLI::App& app, Command& command) {
  struct Arguments : EvalOptions {
    std::string device_name = "cpu";
  };
  const auto o = std::make_shared<Arguments>();
  app.add_option("checkpoint", o->checkpoint, "Checkpoint directory, plain or compressed")
      ->required()
      ->check(not_empty());
  CLI::Option* text = app.add_option("--text", o->text, "Text file to score")->check(not_empty());
  CLI::Option* images =
      app.add_option(
             "--images", o->images,
             "For encoders instead: a safetensors file with pixel_values, and perhaps input_ids or label_embeds")
          ->check(not_empty());
  CLI::Option* reference = app.add_option("--reference", o->reference,
                                          "Checkpoint to compare with: adds KL divergence and top-1 agreement; for "
                                          "encoders, errors of embeddings and agreement of labels")
                               ->check(not_empty());
  CLI::Option* context = app.add_option("--context", o->context, "Tokens per window")
                             ->check(in_range(int64_t{2}, kManyTokens))
                             ->capture_default_str();
  CLI::Option* windows = app.add_option("--windows", o->windows, "Score only the first so many windows; 0 means all")
                             ->check(in_range(int64_t{0}, kManySequences))
                             ->capture_default_str();
  CLI::Option* report =
      app.add_option("--report", o->report,
                     "Also write a page about the divergence, token by token, with its figures beside it (.json, .csv)")
          ->check(html_file())
          ->needs(reference);
  add_device_option(app, o->device_name);
  images->excludes(text)->excludes(context)->excludes(windows)->excludes(report)->needs(reference);
  add_global_options(app, command);
  app.callback([text, images] {
    if (text->count() + images->count() == 0) throw CLI::RequiredError("--text");
  });
  command.run = [o, &app, &command]() -> Status {
    o->threads = command.global.threads;
    o->command = given_command(app);
    NWC_ASSIGN_OR_RETURN(o->device, open_device(o->device_name));
    Result<EvalReport> report = EvalReport{};
    {
      ProgressLine line(command.global.quiet);
      report = evaluate_checkpoint(*o, line.progress());
      if (report) {
        for (const std::string& warning : report->warnings) line.note("warning: " + warning);
      }
    }
    if (!report) return std::move(report).error();
    if (command.global.json) {
      print_json(to_json(*report));
    } else {
      print_text(*report);
    }
    return {};
  };
}

}  // namespace nwc::cli

#include "cli/eval/eval_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "cli/checkpoint_notes.h"
#include "cli/decode_backend.h"
#include "cli/eval/eval_report.h"
#include "cli/language.h"
#include "evaluate/token_divergence.h"
#include "libtorch/threads.h"
#include "zeroshot/json_lines.h"

namespace nwc::cli {
namespace {

constexpr int64_t kContext = 2048, kLlamaCppContext = 512;
constexpr size_t kC4Documents = 1100;
constexpr int64_t kC4Windows = 256;

Result<std::string> c4_text(const std::filesystem::path& path) {
  std::string text;
  size_t documents = 0;
  NWC_RETURN_IF_ERROR(for_each_json_line(path, [&](size_t, const Json& document) -> Result<bool> {
    const auto found = document.find("text");
    if (found == document.end() || !found->is_string())
      return Error(ErrorCode::kCorrupt, "key 'text' is missing or no string; C4 is a file of JSON lines with that key");
    if (documents > 0) text += ' ';
    text += found->get<std::string>();
    return ++documents < kC4Documents;
  }));
  return text;
}

Result<std::vector<int32_t>> tokenise(const EvalOptions& options, const Tokenizer& tokenizer,
                                      const Progress& progress) {
  if (options.protocol != EvalProtocol::kC4) return tokenize_file(tokenizer, options.text, progress);
  NWC_ASSIGN_OR_RETURN(const std::string text, c4_text(options.text));
  Result<std::vector<int32_t>> ids = tokenizer.encode(text, /*add_special_tokens=*/true, progress);
  if (!ids) return std::move(ids).error().in_file(options.text.string());
  return ids;
}

Result<WindowOptions> windows_of(const EvalOptions& options, const Tokenizer& tokenizer) {
  const bool second_half = options.protocol == EvalProtocol::kLlamaCpp;
  WindowOptions windows{.context = options.context.value_or(second_half ? kLlamaCppContext : kContext),
                        .max_windows = options.windows,
                        .protocol = second_half ? Protocol::kLlamaCpp : Protocol::kGptq};
  if (options.protocol == EvalProtocol::kC4)
    windows.max_windows = options.windows == 0 ? kC4Windows : std::min(options.windows, kC4Windows);
  if (second_half) {
    NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> before, tokens_before_texts(tokenizer));
    if (!before.empty()) windows.first_token = before.front();
  }
  return windows;
}

}  // namespace

const char* name_of(EvalProtocol protocol) {
  switch (protocol) {
    case EvalProtocol::kGptq: return "gptq";
    case EvalProtocol::kLlamaCpp: return "llama.cpp";
    case EvalProtocol::kC4: return "c4";
  }
  return "";
}

Result<EvalReport> evaluate_text(const EvalOptions& options, const Progress& progress) {
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  NWC_ASSIGN_OR_RETURN(const Tokenizer tokenizer, open_tokenizer(options.checkpoint));
  NWC_ASSIGN_OR_RETURN(const std::vector<int32_t> ids, tokenise(options, tokenizer, progress));
  NWC_ASSIGN_OR_RETURN(const WindowOptions windows, windows_of(options, tokenizer));
  EvalReport report;
  report.protocol = name_of(options.protocol);
  report.warnings = tokenizer.warnings();
  if (const auto warning = unreadable_warning(tokenizer, ids, options.text)) report.warnings.push_back(*warning);
  report.tokens = static_cast<int64_t>(ids.size());
  if (report.tokens < windows.context) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("has {} tokens, fewer than one window of {}", report.tokens, windows.context))
        .in_file(options.text.string())
        .remedy("choose a shorter --context or a longer text");
  }
  NWC_ASSIGN_OR_RETURN(const CausalLm model,
                       open_causal_lm(options.checkpoint, threads, options.device, options.layers));
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

Json text_json(const EvalReport& report) {
  const auto number_or_null = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  if (report.divergence) {
    const DivergenceResult& d = *report.divergence;
    return {{"protocol", report.protocol},
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
  return {{"protocol", report.protocol}, {"context", p.context},
          {"windows", p.windows},        {"tokens", report.tokens},
          {"perplexity", p.perplexity},  {"perplexity_standard_error", number_or_null(p.perplexity_standard_error)}};
}

void print_text(const EvalReport& report) {
  const auto plus_minus = [](const std::optional<double>& error, const char* format) {
    return error ? " +- " + fmt::format(fmt::runtime(format), *error) : std::string();
  };
  if (report.divergence) {
    const DivergenceResult& d = *report.divergence;
    fmt::print("protocol {}, {} windows of {} tokens\n", report.protocol, d.windows, d.context);
    fmt::print("perplexity       {:.4f} (reference {:.4f}, {:+.3f} %)\n", d.candidate_perplexity,
               d.reference_perplexity, 100.0 * (d.candidate_perplexity / d.reference_perplexity - 1.0));
    fmt::print("KL divergence    {:.6f}{} nats per token (99th percentile {:.4f}, maximum {:.4f})\n", d.mean_kl,
               plus_minus(d.mean_kl_standard_error, "{:.6f}"), d.kl_99th_percentile, d.max_kl);
    fmt::print("top-1 agreement  {:.3f} %\n", 100.0 * d.top1_agreement);
    return;
  }
  const PerplexityResult& p = *report.perplexity;
  fmt::print("protocol {}, {} windows of {} tokens\n", report.protocol, p.windows, p.context);
  fmt::print("perplexity       {:.4f}{}\n", p.perplexity, plus_minus(p.perplexity_standard_error, "{:.4f}"));
}

}  // namespace nwc::cli

#include "cli/text_calibration.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "base/parallel.h"
#include "cli/decode_backend.h"
#include "cli/language.h"
#include "libtorch/threads.h"

namespace nwc::cli {

namespace {

bool is_own(const std::filesystem::path& text) { return text.native() == kOwnText; }

// What stands before each text of pretraining: the token between texts where it has the usual name, else what the
// tokenizer puts before a text; mostly nothing. A token that begins a text of instruction tuning leads to chat alone.
Result<std::vector<int32_t>> beginning_of_texts(const Tokenizer& tokenizer) {
  NWC_ASSIGN_OR_RETURN(std::vector<int32_t> between, tokenizer.encode("<|endoftext|>", /*add_special_tokens=*/false));
  if (between.size() == 1 && between[0] != tokenizer.unknown_id()) return between;
  return tokens_before_texts(tokenizer);
}

}  // namespace

bool has_own_text(const TextCalibrationOptions& options) {
  return std::any_of(options.texts.begin(), options.texts.end(), is_own);
}

Result<TokenisedTexts> tokenise_texts(const std::filesystem::path& model,
                                      const std::vector<std::filesystem::path>& texts, const Progress& progress) {
  const Result<Tokenizer> tokenizer = open_tokenizer(model);
  if (!tokenizer && !std::all_of(texts.begin(), texts.end(), is_own)) return Error(tokenizer.error());
  TokenisedTexts tokenised;
  if (tokenizer) tokenised.warnings = tokenizer->warnings();
  for (const std::filesystem::path& path : texts) {
    NWC_RETURN_IF_ERROR(progress.check_stop());
    progress.at(tokenised.texts.size(), texts.size(), "tokenizing");
    CalibrationText& text = tokenised.texts.emplace_back();
    text.name = path.filename().string();
    text.own = is_own(path);
    if (!text.own) {
      NWC_ASSIGN_OR_RETURN(text.ids, tokenize_file(*tokenizer, path, progress));
      if (const auto warning = unreadable_warning(*tokenizer, text.ids, path)) tokenised.warnings.push_back(*warning);
    } else if (tokenizer) {
      NWC_ASSIGN_OR_RETURN(text.ids, beginning_of_texts(*tokenizer));
    }
  }
  return tokenised;
}

std::vector<int32_t> hold_out(std::vector<CalibrationText>& texts, int64_t length) {
  std::vector<int32_t> held_out;
  for (CalibrationText& text : texts) {
    if (text.own) continue;
    const auto windows = static_cast<int64_t>(text.ids.size()) / 10 / length;
    const auto begin = text.ids.end() - static_cast<ptrdiff_t>(windows * length);
    held_out.insert(held_out.end(), begin, text.ids.end());
    text.ids.erase(begin, text.ids.end());
  }
  return held_out;
}

Result<CalibrateReport> calibrate_for(const TextCalibrationOptions& options, std::vector<int32_t>& held_out,
                                      const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(TokenisedTexts tokenised, tokenise_texts(options.model, options.texts, progress));
  held_out = hold_out(tokenised.texts, options.length);
  const int64_t own = has_own_text(options) ? std::clamp<int64_t>(options.sequences / 10, 1, kMeasuredWindows) : 0;
  const CalibrateOptions calibration{.model = options.model,
                                     .output = options.hessians,
                                     .sequences = options.sequences,
                                     .length = options.length,
                                     .held_out = own,
                                     .seed = options.seed,
                                     .gradients = true,
                                     .outputs = true,
                                     .force = options.force,
                                     .threads = options.threads,
                                     .device = options.device};
  Result<CalibrateReport> report = calibrate(calibration, tokenised.texts, progress);
  if (!report) return report;
  report->warnings.insert(report->warnings.begin(), tokenised.warnings.begin(), tokenised.warnings.end());
  held_out.insert(held_out.end(), report->held_out.begin(), report->held_out.end());
  return report;
}

Result<std::optional<DivergenceResult>> measure(const TextCalibrationOptions& options,
                                                const std::filesystem::path& compressed,
                                                const std::vector<int32_t>& held_out, const Progress& progress,
                                                unsigned layers) {
  if (held_out.empty()) return std::optional<DivergenceResult>();
  const int threads = resolve_threads(options.threads);
  set_compute_threads(threads);
  NWC_ASSIGN_OR_RETURN(
      const CausalLm reference,
      open_causal_lm(options.reference.empty() ? options.model : options.reference, threads, options.device));
  NWC_ASSIGN_OR_RETURN(const CausalLm candidate,
                       open_causal_lm(compressed, threads, options.device, {.layers = layers, .base = {}}));
  Result<DivergenceResult> result = divergence(reference, candidate, held_out,
                                               {.context = options.length, .max_windows = kMeasuredWindows}, progress);
  if (!result) return std::move(result).error().in_file(compressed.string());
  return std::optional(*result);
}

Json to_json(const DivergenceResult& d, bool own) {
  return {{"context", d.context},
          {"windows", d.windows},
          {"own_text", own},
          {"kl_divergence", d.mean_kl},
          {"top1_agreement", d.top1_agreement},
          {"perplexity", d.candidate_perplexity},
          {"reference_perplexity", d.reference_perplexity}};
}

void print_measured(const DivergenceResult& d, bool own) {
  fmt::print("{:<24} KL divergence {:.4f} nats per token, perplexity {:.4f} (reference {:.4f}), {} windows of {}\n",
             own ? "on the model's own text" : "on text held out", d.mean_kl, d.candidate_perplexity,
             d.reference_perplexity, d.windows, d.context);
}

}  // namespace nwc::cli

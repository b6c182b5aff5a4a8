#include <fmt/format.h>

#include "ablation/ablation.h"
#include "base/parallel.h"
#include "cli/language.h"
#include "cli/shipped_codecs.h"
#include "cli/study/study_command.h"
#include "cli/terminal.h"
#include "libtorch/threads.h"
#include "tensor/device.h"

namespace nwc::cli {
namespace {

enum class AblationOf { kNormalisation, kCalibration, kCodec };

Json to_json(const AblationReport& report) {
  const auto number_or_null = [](const std::optional<double>& v) { return v ? Json(*v) : Json(nullptr); };
  Json points = Json::array();
  for (const AblationPoint& p : report.points) {
    points.push_back({{"variant", p.variant},
                      {"asked_bits", p.asked_bits},
                      {"bits", p.bits},
                      {"payload_bits", p.payload_bits},
                      {"relative_squared_error", p.relative_error},
                      {"hessian_weighted_error", p.weighted_error},
                      {"kl_divergence", number_or_null(p.divergence)},
                      {"kl_divergence_standard_error", number_or_null(p.divergence_error)},
                      {"perplexity", number_or_null(p.perplexity)}});
  }
  return {{"original_perplexity", report.original_perplexity > 0 ? Json(report.original_perplexity) : Json(nullptr)},
          {"points", points}};
}

void print_table(const AblationReport& report) {
  std::vector<std::vector<std::string>> rows{
      {"variant", "bits", "payload", "squared error", "KL divergence", "perplexity"}};
  for (const AblationPoint& p : report.points) {
    rows.push_back({p.variant, fmt::format("{:.4f}", p.bits), fmt::format("{:.4f}", p.payload_bits),
                    fmt::format("{:.6f}", p.relative_error), p.divergence ? fmt::format("{:.5f}", *p.divergence) : "",
                    p.perplexity ? fmt::format("{:.3f}", *p.perplexity) : ""});
  }
  fmt::print("{}\n", format_table(rows));
  if (report.original_perplexity > 0) fmt::print("perplexity of the original {:.3f}\n", report.original_perplexity);
}

}  // namespace

std::function<Status()> add_ablation_study(CLI::App& app, Command& command) {
  struct Arguments : StudyArguments {
    CompressOptions base;
    AblationOptions options;
    AblationOf of = AblationOf::kNormalisation;
    std::string profile = "fast";
    std::vector<std::string> codecs;
    std::filesystem::path text;
    std::string device = "cpu";
  };
  const auto a = std::make_shared<Arguments>();
  a->options.bits = {2.4, 3.2, 4.0};
  app.add_option("model", a->base.model, "The original, plain checkpoint directory")->required()->check(not_empty());
  app.add_option("--of", a->of,
                 "What varies: normalisation (Figure 9a); calibration, i.e. levels and feedback (Figures 9b, 9c); "
                 "codec (Table 7)")
      ->transform(one_of<AblationOf>({{"normalisation", AblationOf::kNormalisation},
                                      {"calibration", AblationOf::kCalibration},
                                      {"codec", AblationOf::kCodec}}));
  app.add_option("--bits", a->options.bits, "Rates: bits per compressed weight on disk, everything included")
      ->check(in_range(0.5, 12.0))
      ->capture_default_str();
  app.add_option("--hessians", a->base.hessians, "What nwcodec calibrate wrote")->check(not_empty());
  app.add_option("--codecs", a->codecs,
                 "Codec files or names: each a variant with --of codec, else those to choose among");
  app.add_option("--profile", a->profile, "Without --codecs: which shipped ones to choose among")
      ->check(CLI::IsMember({"fast", "paper"}))
      ->capture_default_str();
  app.add_option("--text", a->text, "Also run each model on this text: divergence from the original, perplexity")
      ->check(not_empty());
  app.add_option("--context", a->options.windows.context, "Tokens per window of the text")
      ->check(in_range(int64_t{2}, kManyTokens))
      ->capture_default_str();
  app.add_option("--windows", a->options.windows.max_windows, "Only the first so many windows; 0 means all")
      ->check(in_range(int64_t{0}, kManySequences))
      ->capture_default_str();
  add_device_option(app, a->device);
  add_study_options(app, *a, command);
  return [a, &command]() -> Status {
    constexpr const char* kName = "ablation";
    AblationOptions& o = a->options;
    o.threads = resolve_threads(command.global.threads);
    set_compute_threads(o.threads);
    NWC_ASSIGN_OR_RETURN(o.device, open_device(a->device));
    NWC_ASSIGN_OR_RETURN(const std::unique_ptr<EncodeDevice> encode_device, open_encode_device(a->device));
    a->base.device = encode_device.get();
    if (a->codecs.empty()) a->base.codecs = shipped_profile(a->profile);
    for (const std::string& codec : a->codecs) {
      NWC_ASSIGN_OR_RETURN(std::filesystem::path found, find_codec(codec));
      a->base.codecs.push_back(std::move(found));
    }
    if (a->base.codecs.empty())
      return Error(ErrorCode::kNotFound, "no shipped codecs found").remedy("name some with --codecs");
    if (!a->base.hessians.empty()) a->base.encode.normalisation.kind = Normalisation::kBoth;  // as `compress` does
    switch (a->of) {
      case AblationOf::kNormalisation: o.variants = normalisation_variants(a->base); break;
      case AblationOf::kCodec: o.variants = codec_variants(a->base, a->base.codecs); break;
      case AblationOf::kCalibration:
        if (a->base.hessians.empty())
          return Error(ErrorCode::kInvalidArgument, "levels and feedback need Hessians")
              .remedy("name a directory with --hessians");
        o.variants = calibration_variants(a->base);
        break;
    }
    std::vector<int32_t> ids;
    if (!a->text.empty()) {
      NWC_ASSIGN_OR_RETURN(const Tokenizer tokenizer, open_tokenizer(a->base.model));
      NWC_ASSIGN_OR_RETURN(ids, tokenize_file(tokenizer, a->text, {.report = {}, .stop = &interrupt_flag()}));
      o.ids = ids;
    }
    NWC_ASSIGN_OR_RETURN(const StudyOutput output, StudyOutput::open(a->output, study_files(kName), a->force));
    o.work = a->output;
    Result<AblationReport> report = AblationReport{};
    {
      ProgressLine line(command.global.quiet);
      report = run_ablation(o, line.progress());
    }
    if (!report) return std::move(report).error();
    command.global.json ? print_json(to_json(*report)) : print_table(*report);
    return write_study(output, kName, ablation_csv(*report), ablation_svg(*report), command);
  };
}

}  // namespace nwc::cli

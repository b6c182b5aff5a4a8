#include "ablation/ablation.h"

#include <system_error>

#include "baselines/rate_point.h"
#include "checkpoint/index.h"
#include "evaluate/divergence.h"
#include "evaluate/token_divergence.h"
#include "model/causal_lm.h"
#include "study/output/csv.h"
#include "study/output/svg_plot.h"

namespace nwc {
namespace {

namespace fs = std::filesystem;

// Removes what was compressed, however the scope is left.
struct Removed {
  const fs::path& path;
  ~Removed() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

AblationPoint point_of(const std::string& variant, double asked, const CompressReport& report, uint64_t codec_bytes) {
  AblationPoint point{.variant = variant, .asked_bits = asked};
  const CompressionTotals totals = totals_of(report.tensors);
  const EncodeStatistics& sum = totals.statistics;
  const uint64_t bytes = codec_bytes + sum.payload_bytes + totals.side_bytes;
  const double weights = static_cast<double>(sum.weights);
  point.bits = 8.0 * static_cast<double>(bytes) / weights;
  point.payload_bits = 8.0 * static_cast<double>(sum.payload_bytes) / weights;
  point.relative_error = sum.squared_weight > 0 ? sum.squared_error / sum.squared_weight : 0.0;
  point.weighted_error = sum.weighted_error;
  return point;
}

}  // namespace

Result<AblationReport> run_ablation(const AblationOptions& options, const Progress& progress) {
  AblationReport report;
  std::optional<CausalLm> original;
  std::optional<ReferenceStates> states;
  if (!options.ids.empty()) {
    NWC_ASSIGN_OR_RETURN(original, CausalLm::open(options.variants.front().options.model,
                                                  {.threads = options.threads, .device = options.device}));
    NWC_ASSIGN_OR_RETURN(states, ReferenceStates::compute(*original, options.ids, options.windows, progress));
  }
  for (const AblationVariant& variant : options.variants) {
    for (const double bits : options.bits) {
      CompressOptions compress = variant.options;
      compress.bits = bits;
      compress.output = options.work / "compressed";
      compress.force = true;
      compress.threads = options.threads;
      const Removed cleanup{compress.output};
      const Result<CompressReport> compressed = compress_checkpoint(compress, progress);
      if (!compressed) {
        const Error& error = compressed.error();
        if (error.code() == ErrorCode::kInterrupted) return error;
        return Error(error.code(), "variant '" + variant.name + "': " + error.to_string());
      }
      std::error_code ignored;
      AblationPoint point =
          point_of(variant.name, bits, *compressed, fs::file_size(compress.output / kCodecFileName, ignored));
      if (states) {
        NWC_ASSIGN_OR_RETURN(const CausalLm candidate,
                             CausalLm::open(compress.output, {.threads = options.threads, .device = options.device}));
        NWC_ASSIGN_OR_RETURN(const TokenScores scores, states->score(candidate, progress));
        const DivergenceResult result = summary_of(scores);
        point.divergence = result.mean_kl;
        point.divergence_error = result.mean_kl_standard_error;
        point.perplexity = result.candidate_perplexity;
        report.original_perplexity = result.reference_perplexity;
      }
      report.points.push_back(std::move(point));
    }
  }
  return report;
}

std::string ablation_csv(const AblationReport& report) {
  std::vector<std::vector<std::string>> rows{{"variant", "asked_bits", "bits", "payload_bits", "relative_squared_error",
                                              "hessian_weighted_error", "kl_divergence", "kl_divergence_standard_error",
                                              "perplexity", "original_perplexity"}};
  const auto optional = [](const std::optional<double>& v) { return v ? csv_number(*v) : std::string(); };
  for (const AblationPoint& p : report.points) {
    rows.push_back({p.variant, csv_number(p.asked_bits), csv_number(p.bits), csv_number(p.payload_bits),
                    csv_number(p.relative_error), p.weighted_error > 0 ? csv_number(p.weighted_error) : "",
                    optional(p.divergence), optional(p.divergence_error), optional(p.perplexity),
                    p.perplexity ? csv_number(report.original_perplexity) : ""});
  }
  return format_csv(rows);
}

std::string ablation_svg(const AblationReport& report) {
  const bool has_divergence = !report.points.empty() && report.points[0].divergence.has_value();
  PlotPanel panel{.title = "",
                  .x_label = "bits per weight on disk",
                  .y_label = has_divergence ? "KL divergence, nats per token" : "relative squared error, dB",
                  .series = {}};
  for (const AblationPoint& p : report.points) {
    if (panel.series.empty() || panel.series.back().label != p.variant)
      panel.series.push_back({.label = p.variant, .points = {}});
    panel.series.back().points.emplace_back(p.bits, has_divergence ? *p.divergence : decibels(p.relative_error));
  }
  return render_svg("Ablation", {panel}, 1);
}

}  // namespace nwc

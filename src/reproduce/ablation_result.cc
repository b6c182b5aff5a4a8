#include "reproduce/ablation_result.h"

#include <fmt/format.h>

#include <utility>

namespace nwc {

Result<CompressOptions> ablation_base(Bench& bench, const Progress& progress) {
  CompressOptions base;
  base.model = bench.options().model;
  base.codecs = bench.profile().paper_networks ? bench.options().paper_codecs : bench.options().fast_codecs;
  base.keep_embeddings = true;
  NWC_ASSIGN_OR_RETURN(base.hessians, bench.hessians(base.model, progress));
  return base;
}

Result<ExperimentResult> ablation_result(Bench& bench, std::vector<AblationVariant> variants, const std::string& name,
                                         const Progress& progress) {
  NWC_ASSIGN_OR_RETURN(const AblationReport report, bench.ablate(std::move(variants), name, progress));
  ExperimentResult result;
  result.table.push_back(
      {"variant", "bits", "perplexity", "original", "KL divergence", "+-", "relative squared error"});
  PlotPanel perplexity{
      "perplexity", "bits per weight on disk", "perplexity on " + bench.options().wikitext.filename().string(), {}};
  PlotPanel divergence{"divergence", "bits per weight on disk", "KL divergence, nats per token", {}};
  for (const AblationPoint& p : report.points) {
    result.table.push_back(
        {p.variant, fmt::format("{:.4f}", p.bits), fmt::format("{:.5g}", p.perplexity.value_or(0)),
         fmt::format("{:.5g}", report.original_perplexity), fmt::format("{:.5f}", p.divergence.value_or(0)),
         fmt::format("{:.5f}", p.divergence_error.value_or(0)), fmt::format("{:.6f}", p.relative_error)});
    for (PlotPanel* panel : {&perplexity, &divergence}) {
      if (panel->series.empty() || panel->series.back().label != p.variant)
        panel->series.push_back({p.variant, {}, true});
    }
    perplexity.series.back().points.emplace_back(p.bits, p.perplexity.value_or(0));
    divergence.series.back().points.emplace_back(p.bits, p.divergence.value_or(0));
  }
  result.panels = {std::move(perplexity), std::move(divergence)};
  return result;
}

}  // namespace nwc

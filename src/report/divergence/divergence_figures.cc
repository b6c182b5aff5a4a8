#include "report/divergence/divergence_figures.h"

#include <cmath>

namespace nwc {
namespace {

constexpr const char* kPosition = "log2 of the position in the window";

// The middle of a group on a logarithmic axis.
double middle_of(const DivergenceProfile::Positions& group) {
  return (std::log2(static_cast<double>(group.first)) + std::log2(static_cast<double>(group.last))) / 2;
}

}  // namespace

PlotPanel position_panel(const LabelledProfiles& profiles) {
  PlotPanel panel{"Divergence by position", kPosition, "mean KL divergence, nats", {}};
  for (const auto& [label, profile] : profiles) {
    PlotSeries series{label, {}, true};
    for (const auto& group : profile->positions) series.points.emplace_back(middle_of(group), group.figures.mean_kl());
    panel.series.push_back(std::move(series));
  }
  return panel;
}

PlotPanel likelihood_panel(const LabelledProfiles& profiles) {
  PlotPanel panel{"What the models make of the text", kPosition, "mean -log p(token), nats", {}};
  PlotSeries reference{"reference", {}, true};
  if (!profiles.empty()) {
    for (const auto& group : profiles.front().second->positions)
      reference.points.emplace_back(middle_of(group), group.figures.mean_reference_nll());
  }
  panel.series.push_back(std::move(reference));
  for (const auto& [label, profile] : profiles) {
    PlotSeries series{label, {}, true};
    for (const auto& group : profile->positions)
      series.points.emplace_back(middle_of(group), group.figures.mean_candidate_nll());
    panel.series.push_back(std::move(series));
  }
  return panel;
}

PlotPanel tail_panel(const LabelledProfiles& profiles) {
  PlotPanel panel{"Distribution over tokens",
                  "1: exceeded by 10 % of the tokens, 2: by 1 %, 3: by 0.1 %, ...",
                  "log10 of KL divergence",
                  {}};
  for (const auto& [label, profile] : profiles) {
    PlotSeries series{label, {}, true};
    for (const auto& q : profile->quantiles) {
      if (q.share > 0 && q.share < 1 && q.kl > 0)
        series.points.emplace_back(-std::log10(1 - q.share), std::log10(q.kl));
    }
    panel.series.push_back(std::move(series));
  }
  return panel;
}

PlotPanel concentration_panel(const LabelledProfiles& profiles) {
  PlotPanel panel{
      "Where the divergence is", "log10 of the share of tokens, the worst first", "share of all divergence", {}};
  for (const auto& [label, profile] : profiles) {
    PlotSeries series{label, {}, true};
    for (const auto& c : profile->concentration)
      series.points.emplace_back(std::log10(c.share_of_tokens), c.share_of_divergence);
    panel.series.push_back(std::move(series));
  }
  return panel;
}

}  // namespace nwc

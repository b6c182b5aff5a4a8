// The plots of profiles of divergence.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/divergence/divergence_profile.h"
#include "study/output/svg_plot.h"

namespace nwc {

// Profiles with the labels of their curves, all of the same windows.
using LabelledProfiles = std::vector<std::pair<std::string, const DivergenceProfile*>>;

// Mean divergence by position in the window, for each profile a curve.
PlotPanel position_panel(const LabelledProfiles& profiles);
// Negative log-likelihood by position, the reference's first.
PlotPanel likelihood_panel(const LabelledProfiles& profiles);
// The divergence that a share of the tokens exceeds.
PlotPanel tail_panel(const LabelledProfiles& profiles);
// The share of all divergence that the worst tokens have.
PlotPanel concentration_panel(const LabelledProfiles& profiles);

}  // namespace nwc

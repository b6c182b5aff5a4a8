// Figures of tokens as JSON, the same in all reports.
#pragma once

#include <optional>

#include "base/json.h"
#include "report/divergence/divergence_profile.h"

namespace nwc {

inline constexpr int kDivergenceSchema = 1;  // rises when a key changes its meaning or goes

Json figures_json(const DivergenceFigures& figures);
// All of a profile that needs no text: overall figures, quantiles, concentration, positions and classes.
Json profile_json(const DivergenceProfile& profile);

inline Json number_or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace nwc

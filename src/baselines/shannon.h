// Limits that no quantiser of a memoryless source passes ("Shannon limit" of the paper's Figure 6).
#pragma once

#include <optional>

#include "baselines/rate_point.h"
#include "baselines/sorted_source.h"
#include "baselines/sources.h"

namespace nwc {

// Differential entropy in bits of the source's distribution (variance 1).
double differential_entropy(Source source);

// The same, estimated from numbers by the distances between each one's 64th neighbours on both sides (Vasicek 1976),
// without bias where the density is even between them; in the numbers' own unit. nullopt where there is no density: so
// many neighbours are equal, as in weights with many zeros; or with fewer than 256 numbers.
std::optional<double> estimated_entropy(const SortedSource& source);

// Shannon's lower bound on the error of independent numbers with that entropy and mean square: 2^(2 entropy) 4^-bits /
// (2 pi e power). Exact for a Gaussian, where it is 4^-bits; met by none at low rates otherwise. Numbers that depend on
// each other can be coded with less.
RatePoint shannon_bound(double entropy, double power, double bits);

}  // namespace nwc

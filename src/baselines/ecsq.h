// Baseline: entropy-constrained scalar quantisation ("ECSQ" of the paper's Figure 6): a scalar quantiser whose indices
// an ideal entropy coder takes, at the zero-order entropy of the indices that occur. Nothing is written; no table is
// paid for.
#pragma once

#include <cstdint>

#include "baselines/rate_point.h"
#include "baselines/sorted_source.h"

namespace nwc {

enum class Reconstruction {
  kMidpoint,  // a cell becomes its middle
  kCentroid,  // a cell becomes the mean of its numbers
};

// Cells [(k - 1/2) step, (k + 1/2) step). step > 0.
RatePoint uniform_quantiser(const SortedSource& source, double step, Reconstruction reconstruction);

struct UniformFit {
  double step = 0;
  RatePoint point;
};
// The step whose entropy is `bits` (to 1e-6 where the source allows: a source of n distinct numbers has no more than
// log2(n)). bits > 0.
UniformFit fit_uniform(const SortedSource& source, double bits, Reconstruction reconstruction);

// Thresholds and levels that minimise error + lambda * entropy (Chou, Lookabaugh and Gray's iteration, from the uniform
// quantiser), with lambda such that the entropy is within 0.002 of `bits`, or as near as the source allows. bits > 0.
RatePoint optimal_ecsq(const SortedSource& source, double bits);

}  // namespace nwc

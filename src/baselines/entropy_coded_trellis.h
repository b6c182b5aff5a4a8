// Baseline: entropy-coded trellis-coded quantisation (Fischer and Wang 1992; with the unions and the integers of VVC's
// dependent quantisation): two unions of a grid, of which a state chooses one for each weight, and an ideal entropy
// coder with a table for each union. The integer's parity leads on to the next state, so that nothing but the integers
// is stored.
#pragma once

#include <cstdint>
#include <span>

#include "baselines/rate_point.h"

namespace nwc {

// Union 0 has the even multiples of the grid, 2 k; union 1 the odd ones and zero, 2 k - sign(k).
enum class TrellisStates : uint8_t { kFour, kEight };

struct EntropyCodedTrellisOptions {
  TrellisStates states = TrellisStates::kEight;
  uint64_t sequence = 256;      // weights per path, each from state 0; the last path may be shorter
  uint64_t samples = 1u << 17;  // weights that are quantised, in whole sequences spread evenly
};

// Paths minimise error + lambda * bits, with the bits of the integers that occur, and lambda the slope of the
// rate-distortion function there. The grid is such that the entropy is within 0.002 of `bits`, or as near as may be.
// bits > 0; no values: a point without error.
RatePoint entropy_coded_trellis(std::span<const float> values, double bits, const EntropyCodedTrellisOptions& options);

}  // namespace nwc

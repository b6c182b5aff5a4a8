// Trellis-coded quantisation of a source with one of the codes, as QTIP applies it to a tensor: sequences of 256
// weights, one scale.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "baselines/bitshift_trellis.h"
#include "baselines/rate_point.h"

namespace nwc {

inline constexpr uint64_t kTrellisSequence = 256;  // weights per path

struct TrellisOptions {
  unsigned state_bits = 16;  // QTIP's L
  uint64_t samples = 16384;  // weights that are quantised, in whole sequences spread evenly: time is 2^state_bits each
  // false: paths begin anywhere, and the bits that say where are counted (up to (L - kV) / 256 a weight). true: paths
  // bite their tail as in QTIP, found in two searches instead of one; then a weight takes k bits, and the path is not
  // quite the best.
  bool tail_biting = false;
};

struct TrellisResult {
  RatePoint point;
  double scale = 1;      // that the code's numbers are multiplied by, per deviation of the weights
  uint64_t samples = 0;  // weights that were quantised
};

// `make_code(state_bits)` gives the code; at most options.state_bits are asked for. The scale is found by search with
// at most 12 state bits (two more than a step has, if that is more). values.size() >= kTrellisSequence. Independent of
// `threads`.
TrellisResult trellis_quantizer(const std::function<BitshiftTrellis(unsigned state_bits)>& make_code,
                                std::span<const float> values, const TrellisOptions& options, int threads);

}  // namespace nwc

// How a tensor is encoded, whatever it is.
#pragma once

#include <cstdint>

#include "format/rule_table.h"
#include "nwcodec/result.h"
#include "weights/normalisation.h"

namespace nwc {

// The slope of distortion over rate at high rates, 2 ln 2 times the squared error, in squared steps per bit: a twelfth
// without a trellis, and 0.269 with one of 8 states, whose integers are every other multiple of the step.
inline constexpr double kBestRateWeight = 0.1155, kBestTrellisRateWeight = 0.372;
constexpr double best_rate_weight(unsigned trellis_states) {
  return trellis_states > 0 ? kBestTrellisRateWeight : kBestRateWeight;
}
// Chunks per tile with a trellis: 64 K weights.
inline constexpr uint32_t kTrellisTileChunks = 1024;

struct EncodeOptions {
  uint32_t tile_chunks =
      2048;                  // chunks per tile: smaller decode with less latency, larger cost fewer bytes (72 a tile)
  uint16_t run_groups = 64;  // groups of 32 chunks decoded channel by channel
  // With steps by sensitivity: of the trellis that weights follow (codec/encode/trellis_codes.h); 0: none.
  unsigned trellis_states = 0;
  // What a bit is worth in squared steps when weights are rounded (quantise/rate_aware_quantiser.h); 0: to the nearest.
  double rate_weight = 0;
  bool own_tables = true;              // let a tensor carry its own tables where that makes it smaller
  NormalisationOptions normalisation;  // its gain moves the rate: more bits, less error
};

// The context rule of tensors whose guides have line scales.
constexpr ContextRule rule_by_lines(const EncodeOptions& options) {
  return options.trellis_states > 0 ? ContextRule::kTrellis : ContextRule::kScaleClasses;
}

// The bounds of the format. Errors: kInvalidArgument.
Status check_options(const EncodeOptions& options);

}  // namespace nwc

// How a tensor is encoded, whatever it is.
#pragma once

#include <cstdint>

#include "nwcodec/result.h"
#include "weights/normalisation.h"

namespace nwc {

// At high rates: the slope of distortion over rate, 2 ln 2 / 12 squared steps per bit.
inline constexpr double kBestRateWeight = 0.1155;

struct EncodeOptions {
  uint32_t tile_chunks =
      2048;                  // chunks per tile: smaller decode with less latency, larger cost fewer bytes (72 a tile)
  uint16_t run_groups = 64;  // groups of 32 chunks decoded channel by channel
  // What a bit is worth in squared steps when weights are rounded (quantise/rate_aware_quantiser.h); 0: to the nearest.
  double rate_weight = 0;
  bool own_tables = true;              // let a tensor carry its own tables where that makes it smaller
  NormalisationOptions normalisation;  // its gain moves the rate: more bits, less error
};

// The bounds of the format. Errors: kInvalidArgument.
Status check_options(const EncodeOptions& options);

}  // namespace nwc

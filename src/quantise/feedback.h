// Quantisation with error feedback (LDLQ; paper, Section 3.3): columns one by one, each aiming at its original weights
// plus what the columns before it left over.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "codec/encode/encoder_codec.h"
#include "guide/guide.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"
#include "entropy/tile_decoder.h"
#include "nwcodec/result.h"
#include "quantise/device_quantiser.h"
#include "quantise/encode_job.h"

namespace nwc {

// Symbols of whole stripes (chunk-length rows) of one matrix, and what decoding them gives.
struct QuantisedStripes {
  uint64_t first_stripe = 0, stripes = 0, columns = 0;
  unsigned latents = 0;
  std::vector<int32_t> symbols;  // [stripes][latents][columns]
  std::map<uint64_t, std::vector<std::pair<uint32_t, float>>>
      patches;  // by stripe * columns + column: (row in the chunk, value)
  double squared_error = 0, normalised_squared_error = 0, squared_weight = 0;
  double weighted_error = 0;  // tr(E H E^T), E the error; with feedback blocks of 1
};

// Rows are independent of each other, so any set of stripes may be quantised alone, with the same result. Precondition:
// the stripes exist. `levels`: of this matrix's columns, or empty. Independent of the instruction set.
QuantisedStripes quantise_stripes(const WeightMatrix& weights, uint64_t matrix, uint64_t first_stripe, uint64_t stripes,
                                  const WeightScales& scales, std::span<const uint8_t> levels,
                                  const FeedbackFactor& factor, const Encoder& encoder);

// All of these ranges, with the job's feedback; a range is a work item.
std::vector<QuantisedStripes> quantise_ranges(const EncodeJob& job, std::span<const StripeRange> ranges, int threads);

}  // namespace nwc

// Quantisation with error feedback (LDLQ; paper, Section 3.3): columns one by one, each aiming at its original weights
// plus what the columns before it left over.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "format/context_rule.h"
#include "guide/guide.h"
#include "quantise/encode_job.h"
#include "quantise/quantiser.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

// What whole stripes of one matrix became.
struct QuantisedStripes {
  uint64_t first_stripe = 0, stripes = 0, columns = 0;
  unsigned latents = 0;
  std::vector<int32_t> symbols;  // [stripes][latents][columns]
  std::map<uint64_t, std::vector<std::pair<uint32_t, float>>>
      patches;                 // by stripe * columns + column: (row in the chunk, value)
  std::vector<float> decoded;  // [stripes * chunk length][columns] weights; only of quantisers without a stream
  double squared_error = 0, normalised_squared_error = 0, squared_weight = 0;
  double weighted_error = 0;  // tr(E H E^T), E the error; with feedback blocks of 1
};

// What quantises which weights. Refers to its arguments.
struct StripeTask {
  const WeightMatrix& weights;
  const WeightScales& scales;
  std::span<const uint8_t> levels;  // of the matrix's columns, or empty: all 0
  const FeedbackFactor* factor;     // of the matrix; null: columns in ascending order, without feedback
  const Quantiser& quantiser;
  const StreamContexts* contexts = nullptr;  // of the tensor; null for quantisers that need none
};

// Rows are independent of each other, so any set of stripes may be quantised alone, with the same result. Precondition:
// the stripes exist. Independent of the instruction set.
QuantisedStripes quantise_stripes(const StripeTask& task, const StripeRange& range);

// All of these ranges, with the job's feedback along columns; a range is a work item.
std::vector<QuantisedStripes> quantise_ranges(const EncodeJob& job, std::span<const StripeRange> ranges, int threads);

}  // namespace nwc

// Rounding that weighs distance against bits: from the nearest integer towards zero as long as (x - v)^2 + rate_weight
// * bits(v) falls, where bits(v) is what the context's table takes for v.
#pragma once

#include <vector>

#include "codec/encode/encoder.h"
#include "quantise/quantiser.h"

namespace nwc {

// For codecs without a transform (codec/encode/plain_codec.h): the quantiser for an encoder whose codec is_plain().
// `rate_weight` >= 0, in squared steps per bit; at high rates the best is 2 ln 2 / 12 = 0.1155. Copies what it needs of
// the tables; the batch says which contexts its symbols have. Independent of the instruction set.
class RateAwareQuantiser final : public Quantiser {
 public:
  RateAwareQuantiser(const Encoder& encoder, double rate_weight);
  void quantise(const ChunkBatch& batch, StripeState* state, Isa isa, QuantiserScratch& scratch) const override;

 private:
  // What the integers of one table cost, in squared steps.
  struct Costs {
    int32_t first = 0;
    std::vector<float> of;  // of first, first + 1, ...
    float beyond = 0;       // of an escape near the table's ends
    float at(int32_t value) const {
      const int64_t index = int64_t{value} - first;
      return index >= 0 && index < static_cast<int64_t>(of.size()) ? of[static_cast<size_t>(index)] : beyond;
    }
  };
  std::vector<Costs> costs_;  // by context
};

}  // namespace nwc

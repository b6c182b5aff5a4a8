// Weights themselves, rounded by distance and bits (quantise/rate_aware_rounding.h).
#pragma once

#include "codec/encode/encoder.h"
#include "quantise/quantiser.h"
#include "quantise/rate_aware_rounding.h"

namespace nwc {

// For codecs without a transform (codec/encode/plain_codec.h): the quantiser for an encoder whose codec is_plain(). The
// batch says which contexts its symbols have. Independent of the instruction set.
class RateAwareQuantiser final : public Quantiser {
 public:
  RateAwareQuantiser(const Encoder& encoder, double rate_weight);
  size_t stride_of(size_t chunks) const override { return chunks; }
  void quantise(const ChunkBatch& batch, StripeState* state, Isa isa, QuantiserScratch& scratch) const override;
  const ColumnRounding* one_by_one() const override { return &rounding_; }

 private:
  RateAwareRounding rounding_;
};

}  // namespace nwc

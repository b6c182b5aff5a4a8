// The paper's quantiser (Section 3.1): analysis transform, rounding, synthesis transform.
#pragma once

#include "codec/encode/encoder.h"
#include "quantise/quantiser.h"

namespace nwc {

// Refers to the encoder.
class TransformQuantiser final : public Quantiser {
 public:
  explicit TransformQuantiser(const Encoder& encoder)
      : Quantiser(encoder.codec().parts().chunk_length(), encoder.codec().parts().latents()), encoder_(encoder) {}
  float patch_threshold(unsigned level) const override { return encoder_.patch_threshold(level); }
  void quantise(const ChunkBatch& batch, StripeState* state, Isa isa, QuantiserScratch& scratch) const override;

 private:
  const Encoder& encoder_;
};

}  // namespace nwc

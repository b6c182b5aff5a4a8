#include "quantise/rate_aware_quantiser.h"

namespace nwc {

RateAwareQuantiser::RateAwareQuantiser(const Encoder& encoder, double rate_weight)
    : Quantiser(encoder.codec().parts().chunk_length(), encoder.codec().parts().latents()),
      rounding_(encoder.codec().parts().tables.set, rate_weight) {}

void RateAwareQuantiser::quantise(const ChunkBatch& batch, StripeState*, Isa, QuantiserScratch& scratch) const {
  const size_t stride = batch.stride;
  scratch.symbols.resize(channels() * stride);
  scratch.decoded.resize(channels() * stride);
  for (unsigned c = 0; c < channels(); ++c) {
    for (size_t i = 0; i < stride; ++i) {
      // What stands behind the chunks is padding.
      const Context context = i < batch.chunks ? batch.contexts.at(c, static_cast<uint32_t>(i)) : Context{0};
      const int32_t v = rounding_(scratch.chunks[c * stride + i], context);
      scratch.symbols[c * stride + i] = v;
      scratch.decoded[c * stride + i] = static_cast<float>(v);
    }
  }
}

}  // namespace nwc

#include "quantise/rate_aware_quantiser.h"

#include <cmath>

#include "base/fixed_log2.h"
#include "entropy/encode/table_fit.h"
#include "quantise/rounding.h"

namespace nwc {

RateAwareQuantiser::RateAwareQuantiser(const Encoder& encoder, double rate_weight)
    : Quantiser(encoder.codec().parts().chunk_length(), encoder.codec().parts().latents()) {
  for (const FrequencyTable& table : encoder.codec().parts().tables.set) {
    const auto cost_of = [&](uint16_t frequency, uint32_t more_bits) {
      const uint64_t cost = (uint64_t{limits::kPrecisionBits + more_bits} << kCostBits) - fixed_log2(frequency);
      return static_cast<float>(rate_weight * std::ldexp(static_cast<double>(cost), -static_cast<int>(kCostBits)));
    };
    const SymbolMap map = table.symbols();
    Costs costs{.first = table.minimum};
    for (uint32_t s = 0; s < table.count(); ++s)
      costs.of.insert(costs.of.end(), size_t{1} << table.shift, cost_of(table.frequencies[s], table.shift));
    costs.beyond = cost_of(table.frequencies[map.escape()], table.shift + escape_bits(table.minimum - 1));
    costs_.push_back(std::move(costs));
  }
}

void RateAwareQuantiser::quantise(const ChunkBatch& batch, StripeState*, Isa, QuantiserScratch& scratch) const {
  const size_t stride = batch.stride;
  scratch.symbols.resize(channels() * stride);
  scratch.decoded.resize(channels() * stride);
  for (unsigned c = 0; c < channels(); ++c) {
    for (size_t i = 0; i < stride; ++i) {
      // What stands behind the chunks is padding.
      const Costs& costs = costs_[i < batch.chunks ? batch.contexts.at(c, static_cast<uint32_t>(i)) : 0];
      const float x = scratch.chunks[c * stride + i];
      const auto cost_of = [&](int32_t value) {
        const float d = x - static_cast<float>(value);
        return d * d + costs.at(value);
      };
      int32_t v = round_latent(x);
      for (float cost = cost_of(v); v != 0;) {
        const int32_t nearer = v > 0 ? v - 1 : v + 1;
        const float less = cost_of(nearer);
        if (!(less < cost)) break;
        v = nearer;
        cost = less;
      }
      scratch.symbols[c * stride + i] = v;
      scratch.decoded[c * stride + i] = static_cast<float>(v);
    }
  }
}

}  // namespace nwc

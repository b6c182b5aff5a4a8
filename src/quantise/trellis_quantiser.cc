#include "quantise/trellis_quantiser.h"

#include <vector>

#include "quantise/trellis_search.h"

namespace nwc {

void TrellisRounding::round(const ColumnTask& task, int32_t* integers) const {
  search_trellis(trellis_, costs(), odd_, task, current_isa(), integers);
}

TrellisQuantiser::TrellisQuantiser(const Encoder& encoder, double rate_weight)
    : Quantiser(encoder.codec().parts().chunk_length(), encoder.codec().parts().latents()),
      rounding_(*encoder.codec().parts().trellis, encoder.codec().parts().tables.set, rate_weight) {}

void TrellisQuantiser::quantise(const ChunkBatch& batch, StripeState*, Isa, QuantiserScratch& scratch) const {
  const size_t stride = batch.stride;
  scratch.symbols.assign(channels() * stride, 0);
  scratch.decoded.assign(channels() * stride, 0.0f);
  std::vector<float> wanted(channels());
  std::vector<int32_t> integers(channels());
  for (uint32_t i = 0; i < batch.chunks; ++i) {
    for (unsigned c = 0; c < channels(); ++c) wanted[c] = scratch.chunks[c * stride + i];
    const size_t first = batch.contexts.shared() ? 0 : i, step = batch.contexts.shared() ? 1 : batch.contexts.stride;
    rounding_.round(
        {.rows = channels(), .base = wanted.data(), .contexts = batch.contexts.numbers + first, .context_stride = step},
        integers.data());
    for (unsigned c = 0; c < channels(); ++c) {
      scratch.symbols[c * stride + i] = integers[c];
      scratch.decoded[c * stride + i] = static_cast<float>(integers[c]);
    }
  }
}

}  // namespace nwc

#include "quantise/transform_quantiser.h"

#include <algorithm>

#include "quantise/rounding.h"

namespace nwc {

void TransformQuantiser::quantise(const ChunkBatch& batch, StripeState*, Isa isa, QuantiserScratch& scratch) const {
  const Codec& codec = encoder_.codec();
  const size_t stride = batch.stride;
  // The transform's kernel reads as many rows as it has inputs.
  if (scratch.chunks.size() < encoder_.analysis().inputs() * stride)
    scratch.chunks.resize(encoder_.analysis().inputs() * stride);
  scratch.latents.resize(encoder_.analysis().output_rows() * stride);
  scratch.decoded.resize(codec.synthesis().output_rows() * stride);
  scratch.symbols.resize(channels() * stride);
  encoder_.analysis().apply(batch.level, batch.chunks, scratch.chunks.data(), scratch.latents.data(), stride, isa,
                            scratch.network);
  for (unsigned c = 0; c < channels(); ++c) {
    const float center = codec.parts().tables.centers[batch.level * channels() + c];
    for (size_t i = 0; i < stride; ++i) {
      float& z = scratch.latents[c * stride + i];
      const int32_t v = round_latent(z - center);
      scratch.symbols[c * stride + i] = v;
      z = static_cast<float>(v) + center;
    }
  }
  codec.synthesis().apply(batch.level, batch.chunks, scratch.latents.data(), scratch.decoded.data(), stride, isa,
                          scratch.network);
}

}  // namespace nwc

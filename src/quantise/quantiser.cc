#include "quantise/quantiser.h"

#include <cmath>

#include "base/half.h"
#include "entropy/encode/tile_encoder.h"

namespace nwc {
namespace {

int32_t round_latent(float z) {
  if (!(std::abs(z) <= static_cast<float>(kMaxSymbolValue))) {
    return z > 0 ? kMaxSymbolValue : z < 0 ? -kMaxSymbolValue : 0;  // NaN gives 0; the patches then carry the weights
  }
  return static_cast<int32_t>(std::nearbyint(z));
}

}  // namespace

void quantise_chunks(const Encoder& encoder, unsigned level, uint32_t chunks, size_t stride, Isa isa,
                     QuantiserScratch& scratch) {
  const Codec& codec = encoder.codec();
  const unsigned latents = codec.parts().latents();
  scratch.latents.resize(encoder.analysis().output_rows() * stride);
  scratch.decoded.resize(codec.synthesis().output_rows() * stride);
  scratch.symbols.resize(latents * stride);
  encoder.analysis().apply(level, chunks, scratch.chunks.data(), scratch.latents.data(), stride, isa, scratch.network);
  for (unsigned c = 0; c < latents; ++c) {
    const float center = codec.parts().tables.centers[level * latents + c];
    for (size_t i = 0; i < stride; ++i) {
      float& z = scratch.latents[c * stride + i];
      const int32_t v = round_latent(z - center);
      scratch.symbols[c * stride + i] = v;
      z = static_cast<float>(v) + center;
    }
  }
  codec.synthesis().apply(level, chunks, scratch.latents.data(), scratch.decoded.data(), stride, isa, scratch.network);
}

std::optional<float> patch_for(float wanted, float decoded, bool inside, float threshold) {
  if (inside && !(std::abs(decoded - wanted) <= threshold)) return float_from_half(half_from_float(wanted));
  if (!std::isfinite(decoded)) return 0.0f;
  return std::nullopt;
}

}  // namespace nwc

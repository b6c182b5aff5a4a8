#include "quantise/encode_job.h"

namespace nwc {

EncodeJob EncodeJob::of(const WeightMatrix& weights, const WeightScales& scales, const Tiling& tiling,
                        const TensorGuide& guide, const Encoder& encoder, const StreamContexts& contexts,
                        const Quantiser& quantiser, const DeviceWeights* device_weights) {
  const DecoderCodec& parts = encoder.codec().parts();
  return {weights,   device_weights,       scales,          tiling,       guide, encoder, contexts,
          quantiser, parts.chunk_length(), parts.latents(), current_isa()};
}

std::span<const uint8_t> EncodeJob::levels_of_matrix(uint64_t matrix) const {
  const std::span<const uint8_t> all(guide.levels);
  return all.empty() ? all : all.subspan(matrix * weights.columns, weights.columns);
}

}  // namespace nwc

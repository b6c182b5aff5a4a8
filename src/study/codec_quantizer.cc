#include "study/codec_quantizer.h"

#include "tensor/tensor_encoder.h"

namespace nwc {

Result<CodecPoint> codec_quantizer(const Samples& samples, const EncoderCodec& codec, int threads) {
  // Samples stand column after column, which is the storage order of a transposed tensor.
  const WeightMatrix weights{
      samples.name, DType::kF32, 2, true, 1, samples.rows, samples.columns, std::as_bytes(std::span(samples.values))};
  NWC_ASSIGN_OR_RETURN(const EncodedTensor encoded, encode_tensor(weights, {}, Encoder(codec, 0), {}, threads));
  const double count = static_cast<double>(weights.elements());
  const uint64_t bytes = encoded.stream.size() + encoded.scales.size() + encoded.levels.size();
  CodecPoint result;
  result.point = {8.0 * static_cast<double>(bytes) / count,
                  encoded.statistics.squared_error / encoded.statistics.squared_weight};
  result.payload_bits = 8.0 * static_cast<double>(encoded.statistics.payload_bytes) / count;
  result.patches = encoded.statistics.patches;
  return result;
}

}  // namespace nwc

#include "tensor/tensor_setup.h"

#include "codec/encode/plain_codec.h"
#include "quantise/rate_aware_quantiser.h"
#include "quantise/transform_quantiser.h"

namespace nwc {

Result<WeightScales> scales_of(const WeightMatrix& weights, const TensorGuide& guide, const EncodeOptions& options,
                               int threads, const DeviceWeights* device_weights) {
  if (guide.lines) return scales_by_lines(*guide.lines, options.normalisation.gain);
  return weight_scales(weights, options.normalisation, guide.column_gains, threads, device_weights);
}

std::unique_ptr<const Quantiser> make_quantiser(const Encoder& encoder, const EncodeOptions& options) {
  if (is_plain(encoder.codec().parts())) return std::make_unique<RateAwareQuantiser>(encoder, options.rate_weight);
  return std::make_unique<TransformQuantiser>(encoder);
}

}  // namespace nwc

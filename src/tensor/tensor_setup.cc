#include "tensor/tensor_setup.h"

#include "quantise/plain_quantiser.h"
#include "quantise/transform_quantiser.h"

namespace nwc {

Result<WeightScales> scales_of(const WeightMatrix& weights, const TensorGuide& guide, const EncodeOptions& options,
                               int threads, const DeviceWeights* device_weights) {
  if (guide.lines) return scales_by_lines(*guide.lines, options.normalisation.gain);
  return weight_scales(weights, options.normalisation, guide.column_gains, threads, device_weights);
}

EncodeOptions options_for(const DecoderCodec& codec, EncodeOptions options) {
  if (codec.trellis) {
    options.run_groups = 1;
    options.own_tables = false;
  }
  return options;
}

std::unique_ptr<const Quantiser> make_quantiser(const Encoder& encoder, const EncodeOptions& options) {
  if (encoder.codec().plain()) return make_plain_quantiser(encoder, options.rate_weight);
  return std::make_unique<TransformQuantiser>(encoder);
}

}  // namespace nwc

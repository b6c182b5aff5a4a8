// What encoding a tensor and sampling one begin with.
#pragma once

#include <memory>

#include "guide/guide.h"
#include "quantise/quantiser.h"
#include "tensor/encode_options.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

// The guide's own steps, or those of the options' normalisation. Errors: weight_scales()'s.
Result<WeightScales> scales_of(const WeightMatrix& weights, const TensorGuide& guide, const EncodeOptions& options,
                               int threads, const DeviceWeights* device_weights);

// The options, as far as the format leaves a choice: streams that follow a trellis have runs of one group and the
// codec's tables.
EncodeOptions options_for(const DecoderCodec& codec, EncodeOptions options);

// Refers to the encoder.
std::unique_ptr<const Quantiser> make_quantiser(const Encoder& encoder, const EncodeOptions& options);

}  // namespace nwc

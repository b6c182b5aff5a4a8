// Measures of a codec on normalised chunks.
#pragma once

#include <span>

#include "codec/encode/encoder_codec.h"

namespace nwc {

// The networks' weights as a codec file stores them.
TransformWeights rounded_to_half(TransformWeights weights);

// Mean squared error over all weights of `chunks` ([n, chunk length]) compressed at `level`, with the kernels and
// rounding of the encoder and decoder.
double measure_nmse(const EncoderCodec& codec, unsigned level, std::span<const float> chunks);

}  // namespace nwc

// What a codec's analysis transform makes of weights (paper, Table 1, "Neural Encoder").
#pragma once

#include <vector>

#include "baselines/samples.h"
#include "codec/encode/encoder_codec.h"

namespace nwc {

// All latents of the chunks of column-normalised weights at importance level 0, each less its channel's center and
// before rounding; in the order chunk, channel. The last chunk of a column is padded with zeros, as the encoder does.
std::vector<float> latents_of(const Samples& normalised, const EncoderCodec& codec);

}  // namespace nwc

// A codec without a transform: a weight is its latent, the importance level only names the table. For quantisation
// whose steps differ from weight to weight, where a transform that was trained on chunks of one spread has nothing to
// say.
#pragma once

#include "codec/encode/encoder_codec.h"

namespace nwc {

// Chunks of 16 weights, `levels` levels. The tables are those of Gaussian weights whose spread over step at level l is
// 2^(octaves + (l - centre) / 2).
EncoderCodec plain_codec(unsigned levels, int centre, double octaves);

// Whether g_s gives back its latents.
bool is_plain(const DecoderCodec& codec);

}  // namespace nwc

// A codec without a transform: a weight is its latent, and line scales name its tables (format/line_scales.h). For
// quantisation whose steps differ from weight to weight, where a transform that was trained on chunks of one
// spread has nothing to say.
#pragma once

#include "codec/encode/encoder_codec.h"
#include "entropy/trellis.h"

namespace nwc {

// Chunks of 16 weights, 8 levels that all do the same, and so 128 tables: number t is that of Gaussian weights whose
// spread over step is 2^(octaves + (t - centre) / 4).
EncoderCodec plain_codec(int centre, double octaves);

// The same for integers that follow a trellis (docs/format.md, section 8): chunks of 64 weights, which are its paths, 4
// levels, and so 128 tables for each union.
EncoderCodec trellis_codec(const Trellis& trellis, int centre, double octaves);

}  // namespace nwc

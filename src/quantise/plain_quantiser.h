// The quantisers of codecs without a transform.
#pragma once

#include <memory>

#include "codec/encode/encoder.h"
#include "quantise/quantiser.h"

namespace nwc {

// Along the codec's trellis if it has one, else weight by weight. Refers to the encoder, whose codec is plain().
// `rate_weight`: as in SymbolCosts.
std::unique_ptr<const Quantiser> make_plain_quantiser(const Encoder& encoder, double rate_weight);

}  // namespace nwc

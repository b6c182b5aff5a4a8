// How far rounding moves weights whose spread over step is known: what a step costs, before there are weights.
#pragma once

#include <vector>

#include "codec/codec_file.h"

namespace nwc {

// For a codec without a transform whose tables stand for Gaussian weights of rising spreads
// (codec/encode/plain_codec.h): the mean squared error, in squared steps, of what each class codes, quantised as
// make_plain_quantiser() does. Table number t is that of a spread of gain * 2^((t - centre) / 4) steps.
std::vector<double> rounding_errors(const DecoderCodec& codec, int centre, double gain, double rate_weight);

}  // namespace nwc

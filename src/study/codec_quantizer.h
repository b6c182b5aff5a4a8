// Our codec beside the baseline quantisers: encoded bytes and the decoder's errors.
#pragma once

#include "baselines/rate_point.h"
#include "baselines/samples.h"
#include "codec/encode/encoder_codec.h"
#include "nwcodec/result.h"

namespace nwc {

struct CodecPoint {
  RatePoint point;  // all bytes of the tensor: stream, scales, levels; the codec file is shared by a checkpoint and not
                    // counted
  double payload_bits = 0;  // tiles alone
  uint64_t patches = 0;     // weights stored as they are
};

// Encodes the samples with encode_tensor() as one F32 tensor of level 0. Errors: those of encoding.
Result<CodecPoint> codec_quantizer(const Samples& samples, const EncoderCodec& codec, int threads);

}  // namespace nwc

// Our trellis-coded latents beside the baseline quantisers: encoded bytes and the decoder's errors.
#pragma once

#include "baselines/samples.h"
#include "nwcodec/result.h"
#include "study/codec_quantizer.h"

namespace nwc {

// Encodes the samples with encode_tensor() as one F32 tensor, all weights with one step, such that all bytes come to
// about `bits` per weight, or more where there are too few weights for what stands beside them: stream, scales, and
// those of the codec's tables that are in use. `states`: of the trellis
// (codec/encode/trellis_codes.h), or 0 for weights rounded one by one by distance and bits. Errors: those of encoding.
Result<CodecPoint> trellis_coded(const Samples& samples, double bits, unsigned states, int threads);

}  // namespace nwc

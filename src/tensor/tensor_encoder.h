// One tensor to its stream: normalised chunks -> latents -> symbols -> tiles (docs/format.md, sections 4 to 7).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "codec/encode/encoder.h"
#include "format/stream_header.h"
#include "guide/guide.h"
#include "nwcodec/result.h"
#include "quantise/encode_statistics.h"
#include "tensor/encode_options.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

class DeviceWeights;

struct EncodedTensor {
  StreamHeader header;
  std::vector<std::byte> stream;
  std::vector<std::byte> scales;  // F16
  std::vector<std::byte> levels;  // packed; empty if all columns have level 0
  EncodeStatistics statistics;
};

// `guide` may be empty: data-free. `device_weights`: the same weights in the memory of the encoder's device, or null.
// Independent of `threads` and of the instruction set. Errors: kInvalidArgument for options out of range; kNonFinite
// naming the weight.
Result<EncodedTensor> encode_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                    const EncodeOptions& options, int threads,
                                    const DeviceWeights* device_weights = nullptr);

}  // namespace nwc

// A tensor being encoded: what all stages of its quantisation look at.
#pragma once

#include <cstdint>
#include <span>

#include "codec/encode/encoder.h"
#include "format/context_rule.h"
#include "format/tiling.h"
#include "guide/guide.h"
#include "nwcodec/isa.h"
#include "quantise/quantiser.h"
#include "weights/normalisation.h"
#include "weights/weight_matrix.h"

namespace nwc {

class DeviceWeights;

// Refers to its arguments.
struct EncodeJob {
  const WeightMatrix& weights;
  const DeviceWeights* device_weights;  // the same in a device's memory, or null
  const WeightScales& scales;
  const Tiling& tiling;
  const TensorGuide& guide;
  const Encoder& encoder;
  const StreamContexts& contexts;
  const Quantiser& quantiser;  // on the cores
  unsigned chunk_length, latents;
  Isa isa;

  static EncodeJob of(const WeightMatrix& weights, const WeightScales& scales, const Tiling& tiling,
                      const TensorGuide& guide, const Encoder& encoder, const StreamContexts& contexts,
                      const Quantiser& quantiser, const DeviceWeights* device_weights = nullptr);
  std::span<const uint8_t> levels_of_matrix(uint64_t matrix) const;
};

}  // namespace nwc

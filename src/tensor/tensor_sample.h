// What a tensor will take, from a share of its tiles, without encoding it.
#pragma once

#include <cstdint>

#include "guide/guide.h"
#include "nwcodec/result.h"
#include "tensor/symbol_sample.h"
#include "tensor/tensor_encoder.h"
#include "weights/weight_matrix.h"

namespace nwc {

struct TensorSample {
  SymbolSample symbols;
  double other_bytes = 0;  // header, tile overheads, scales and levels
};

// From at most `tiles` tiles of each level, or runs of stripes where there is feedback. Same arguments, same sample,
// whatever `threads`. `device_weights` and errors: as encode_tensor().
Result<TensorSample> sample_tensor(const WeightMatrix& weights, const TensorGuide& guide, const Encoder& encoder,
                                   const EncodeOptions& options, uint64_t tiles, int threads,
                                   const DeviceWeights* device_weights = nullptr);

// About how many bytes encode_tensor() will give (stream, scales and levels) with a codec of these tables.
double estimated_bytes(const TensorSample& sample, const TableSet& tables, bool own_tables);

}  // namespace nwc

// One matrix from weights to symbols: the launches for small codecs, for any, and for those without a transform.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda/encode/buffers.h"
#include "cuda/encode/codec_on_device.h"
#include "cuda/encode/kernels.h"
#include "guide/block_ldl.h"
#include "nwcodec/result.h"
#include "quantise/column_rounding.h"

namespace nwc::cuda {

// All fill the task's symbols, errors and patches, and return the sums, [kSums] of each work item.

// Precondition: codec.small.
Result<std::vector<double>> quantise_small(QuantiserTask& task, const CodecOnDevice& codec, int multiprocessors,
                                           Buffers& buffers);
// `order` and `levels` are the task's in this machine's memory; both may be empty.
Result<std::vector<double>> quantise_any(QuantiserTask& task, std::span<const uint32_t> order,
                                         std::span<const uint8_t> levels, const CodecOnDevice& codec,
                                         int multiprocessors, Buffers& buffers);
// `chunk`: rows of a stripe. `rows`: of feedback along rows, which takes all stripes of the matrix in order; null
// without.
Result<std::vector<double>> quantise_plain(QuantiserTask& task, const LineClasses& classes, uint32_t chunk,
                                           const ColumnRounding& rounding, const FeedbackFactor* rows,
                                           Buffers& buffers);

}  // namespace nwc::cuda

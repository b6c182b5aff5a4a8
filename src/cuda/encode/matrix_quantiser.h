// One matrix from weights to symbols: the launches for small and for any codecs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cuda/encode/buffers.h"
#include "cuda/encode/codec_on_device.h"
#include "cuda/encode/kernels.h"
#include "nwcodec/result.h"

namespace nwc::cuda {

// Both fill the task's symbols, errors and patches, and return the sums, [kSums] of each work item.

// Precondition: codec.small.
Result<std::vector<double>> quantise_small(QuantiserTask& task, const CodecOnDevice& codec, int multiprocessors,
                                           Buffers& buffers);
// `order` and `levels` are the task's in this machine's memory; both may be empty.
Result<std::vector<double>> quantise_any(QuantiserTask& task, std::span<const uint32_t> order,
                                         std::span<const uint8_t> levels, const CodecOnDevice& codec,
                                         int multiprocessors, Buffers& buffers);

}  // namespace nwc::cuda

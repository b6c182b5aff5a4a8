// Slices of tensors that are stored as they are.
#pragma once

#include <cstddef>
#include <span>

#include "nwcodec/weights.h"

namespace nwc {

// `bytes` are the tensor's. Writes the slice (its ends are numbers, inside the tensor) as `dtype`, row-major, to `out`,
// which has its size. Only its own bytes are read. Errors: kUnsupported for a conversion that there is not, or for a
// dtype of less than a byte where the slice's rows do not begin and end with bytes.
Status copy_plain_slice(std::span<const std::byte> bytes, const WeightInfo& info, const WeightSlice& slice, DType dtype,
                        std::span<std::byte> out);

}  // namespace nwc

// Weights to a narrower dtype, with a count of those that it cannot hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "nwcodec/dtype.h"
#include "nwcodec/result.h"

namespace nwc {

struct NarrowingLoss {
  uint64_t saturated = 0;  // finite, and beyond the largest finite number even after rounding
  uint64_t flushed = 0;    // not 0, and rounded to 0

  NarrowingLoss& operator+=(const NarrowingLoss& other) {
    saturated += other.saturated;
    flushed += other.flushed;
    return *this;
  }
};

// Whether a dtype has numbers outside the range of another. Precondition: weight dtypes.
bool has_wider_range(DType from, DType to);

// As convert_floats() does (decode/weight_store.h). Preconditions: has_wider_range(from, to); `out` has the size of as
// many numbers of `to` as `values` holds of `from`. Errors: out of memory.
Result<NarrowingLoss> narrow(DType from, std::span<const std::byte> values, DType to, std::span<std::byte> out,
                             int threads);

}  // namespace nwc

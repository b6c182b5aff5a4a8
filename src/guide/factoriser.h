// The seam of factorisation: what factorises Hessians in place of this machine's cores, and keeps the factors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "guide/block_ldl.h"
#include "nwcodec/result.h"

namespace nwc {

// Thread safety: one thread at a time.
class Factoriser {
 public:
  virtual ~Factoriser() = default;
  // As factorise() in guide/block_ldl.h, with the same numbers, but DeviceCoefficients; the rest of the errors are the
  // device's.
  virtual Result<FeedbackFactor> factorise(std::span<const float> triangle, uint64_t columns,
                                           std::vector<uint32_t> order, const LdlOptions& options) = 0;
  // How many bytes of coefficients may stay in the device's memory from one look at a checkpoint to the next.
  virtual uint64_t room_for_factors() const = 0;
};

}  // namespace nwc

// How much of a block of weights lies in each of many bases: the part of SeedLM's search that takes the time.
#pragma once

#include <cstddef>

#include "nwcodec/isa.h"

namespace nwc {

inline constexpr size_t kLfsrTogether = 4;  // blocks that share the look at the bases
inline constexpr size_t kLfsrTile = 256;    // bases of a call

// kLfsrTile orthonormal bases of `numbers` vectors of `length`, [numbers][length][kLfsrTile]; `blocks`
// [kLfsrTogether][length]. shares [kLfsrTogether][kLfsrTile]: the sum over a basis's vectors of (block . vector)^2;
// largest [kLfsrTogether]: the largest of each block.
struct LfsrTile {
  const float* bases = nullptr;
  unsigned length = 0, numbers = 0;
  const float* blocks = nullptr;
  float* shares = nullptr;
  float* largest = nullptr;
};
using LfsrKernel = void(const LfsrTile& tile);
// With fused multiply-add where there is one: shares may differ in their last bits between instruction sets.
LfsrKernel* lfsr_kernel(Isa isa);
LfsrKernel lfsr_shares_scalar;  // the reference

}  // namespace nwc

// The trellis of trellis-coded latents (docs/format.md, section 8): a path of integers, of which each is even or odd as
// the state before it says, and whose second lowest bit leads on to the next state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "nwcodec/limits.h"

namespace nwc {

// A machine of up to 64 states; paths begin in state 0. Whether an integer v is even or odd, its *union*, is the lowest
// bit of the state's number; v >> 1 is coded, and its lowest bit is the *branch*.
struct Trellis {
  unsigned states = 0;
  std::array<std::array<uint8_t, 2>, limits::kMaxTrellisStates> next{};  // [state][branch]

  static unsigned union_of(unsigned state) { return state & 1; }
  // next, [states][2], as files and devices have it.
  std::span<const uint8_t> table() const { return {next[0].data(), 2 * size_t{states}}; }
};

}  // namespace nwc

// Prefix codes of pairs of weights: the magnitudes of two integers of a codec with a trellis by one look-up, for
// matrices that stay in a device's memory (cuda/matrix/layout.h).
//
// An integer v whose union (entropy/trellis.h) is u has the magnitude m = (|v| - u) / 2; its sign is a bit behind the
// code, which zero does without.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "cuda/matrix/layout.h"
#include "entropy/frequency_table.h"
#include "entropy/trellis.h"

namespace nwc::cuda {

// Probabilities of magnitudes 0 to kMostMagnitude; what is beyond is left out.
using Magnitudes = std::array<double, kMostMagnitude + 1>;

// Of the integers of one union that tables code by half (v >> 1), the mean over the tables.
Magnitudes magnitudes_of(std::span<const FrequencyTable* const> tables, bool odd);

// The code of pairs whose magnitudes are independent. Magnitudes below 2 have a code in any pair with each other; a
// pair too rare has none.
struct PairCode {
  std::array<uint16_t, kPairTable> decode;  // see layout.h
  std::array<uint16_t, kPairTable> encode;  // [first * (kMostMagnitude + 1) + second]
  static PairCode of(const Magnitudes& first, const Magnitudes& second, bool first_odd, bool second_odd);
};

// Whether a trellis is the one that PairPaths (pair_reader.cuh) goes along: ours of 8 states.
bool has_pair_paths(const Trellis& trellis);

}  // namespace nwc::cuda

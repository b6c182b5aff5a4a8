// SeedLM's code (Shafipour et al. 2025): bases that a linear feedback shift register writes.
#pragma once

#include <cstdint>
#include <vector>

#include "base/aligned.h"

namespace nwc {

// The states that follow `seed`, `count` of them: bits at `taps` are exclusive-ored into a bit that is shifted in at
// the top of `bits` bits (paper, Algorithm 1).
std::vector<uint32_t> lfsr_states(unsigned bits, const std::vector<unsigned>& taps, uint32_t seed, size_t count);

// Blocks of `length` weights (the paper's C), each a seed of 16 bits, `numbers` (P) signed 4-bit numbers and their
// common exponent, -8 to 7. U(s) holds `length` rows of `numbers` states, each less 2^15 and over 2^15 - 1. The
// exponent is the least with which the largest coefficient fits: the paper's formula, floor(log2 |t|), would leave all
// but five of the sixteen numbers unused.
// Immutable; threads share it.
class LfsrCode {
 public:
  LfsrCode(unsigned length, unsigned numbers);  // numbers <= 4, length <= 16
  unsigned length() const { return length_; }
  unsigned bits() const { return 16 + 4 + 4 * numbers_; }  // of a block
  // The seed whose decoded block is nearest, of all 65,535, exactly but for rounding: a basis is passed over only where
  // even coefficients that nothing rounds would leave a larger error than one that is already known.
  void quantise(const float* blocks, uint64_t count, float* decoded) const;
  // One seed's error and decoded block; for tests, too.
  float decode_best(const float* block, uint32_t seed, float* decoded) const;

 private:
  unsigned length_, numbers_;
  std::vector<float> states_;  // of seed 1 on, as numbers; another period's beginning behind
  // Orthonormal bases of U(s), by tiles of seeds as lfsr_kernel.h takes them, and
  // [2^16][numbers][length] to look at one.
  AlignedVector<float> basis_, by_seed_;
  std::vector<float> coefficients_;  // [2^16][numbers][numbers]: from a block in that basis to least-squares t
};

}  // namespace nwc

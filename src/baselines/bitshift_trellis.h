// The bitshift trellis of QTIP (Tseng et al. 2024b) and the search for the best path through it.
//
// A state is a word of `state_bits` bits (QTIP's L); a step shifts `step_bits` new bits in at the low end (QTIP's k V)
// and drops as many at the top. Each state stands for `values` numbers (QTIP's V), so a step codes that many weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace nwc {

struct BitshiftTrellis {
  unsigned state_bits = 0, step_bits = 0, values = 1;  // 1 <= step_bits <= state_bits <= 20; values 1 or 2
  std::vector<float> code;                             // [values][2^state_bits]

  uint32_t states() const { return uint32_t{1} << state_bits; }
  // The bits that two neighbouring states share: a state without its newest bits is the predecessor without its oldest.
  unsigned overlap_bits() const { return state_bits - step_bits; }
  float value(uint32_t state, unsigned v) const { return code[size_t{v} * states() + state]; }
};

struct TrellisPath {
  std::vector<uint32_t> states;  // one per step
  double squared_error = 0;
};

// Buffers, one per thread; grow as needed.
struct ViterbiScratch {
  std::vector<float> best, expanded, turned;
  std::vector<uint8_t> branches;
};

// For each of the sequences of `length` weights that stand one after another in `weights`, the path with the least
// squared error, exactly (Viterbi), in binary32. `length` is a multiple of trellis.values, > 0. Without overlaps, a
// path begins anywhere and takes state_bits + (steps - 1) * step_bits bits. With them, one for each sequence, it begins
// in a state whose overlap_bits oldest bits are the overlap and ends in one whose newest are: it bites its tail, and
// takes steps * step_bits bits; steps * step_bits >= state_bits then. Time: steps * 2^state_bits for each. Sequences
// are independent of each other, but several take less time together than apart.
std::vector<TrellisPath> best_paths(const BitshiftTrellis& trellis, std::span<const float> weights, size_t length,
                                    std::span<const uint32_t> overlaps, ViterbiScratch& scratch);

// Paths that bite their tails, nearly the best of them (QTIP, Algorithm 4): each sequence turned by half its length
// brings its ends together in the middle, where an unconstrained search decides what they share; a second search then
// keeps to that.
std::vector<TrellisPath> tail_biting_paths(const BitshiftTrellis& trellis, std::span<const float> weights,
                                           size_t length, ViterbiScratch& scratch);

}  // namespace nwc

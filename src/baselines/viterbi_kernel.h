// One step of Viterbi's algorithm through a bitshift trellis, for several sequences at once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nwcodec/isa.h"

namespace nwc {

inline constexpr size_t kViterbiTogether = 4;

struct ViterbiStep {
  // [values][2^state_bits]. step_bits is at most 8, values 1 or 2.
  const float* code = nullptr;
  unsigned state_bits = 0, step_bits = 0, values = 1;
  size_t sequences = 0;                         // 1 to kViterbiTogether; all below is by sequence
  const float* weights[kViterbiTogether] = {};  // [values]: those of this step
  // [2^(state_bits - step_bits)]: least totals of the steps before, by the overlap with this step's state; another
  // kViterbiPadding numbers are readable behind.
  const float* from[kViterbiTogether] = {};
  // The same with this step, and the oldest step_bits bits of the state that has it.
  float* best[kViterbiTogether] = {};
  uint8_t* branch[kViterbiTogether] = {};
};
inline constexpr size_t kViterbiPadding = 16;

using ViterbiKernel = void(const ViterbiStep& step);
// With fused multiply-add where there is one: totals may differ in their last bits between instruction sets.
ViterbiKernel* viterbi_kernel(Isa isa);
ViterbiKernel viterbi_step_scalar;  // the reference; any shape

}  // namespace nwc

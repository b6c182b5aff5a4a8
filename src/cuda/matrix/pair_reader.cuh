// Pairs of integers out of a lane's bits of a cell (layout.h).
#pragma once

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/matrix/layout.h"
#include "cuda/support/ptx.cuh"

namespace nwc::cuda {

// Halves of a word belong to a lane's two weights. Unions, branches, signs and the lowest bits of magnitudes meet at
// bit 5 of each.
inline constexpr uint32_t kMeeting = 0x00200020u;

// Tables in shared memory: those whose first weight is odd stand so much behind the others, which takes its union there
// by one multiplication that the second's leaves at the top.
inline constexpr uint32_t kOddTables = 1u << 16;
static_assert(sizeof(PairTables) / 2 <= kOddTables);

// x >> kBits by the multiplier, since shifts and logic have half of its rate. `power` is 2^(32 - kBits), from memory:
// compilers make a shift of a constant.
__device__ inline uint32_t shifted_down(uint32_t x, uint32_t power) { return __umulhi(x, power); }

// Two paths of the trellis of 8 states, next = s >> 1 ^ (union ? 5 : 0) ^ (branch ? 2 : 0), as the unions and branches
// that its registers remember: a union is that of the row before, plus the one two rows before that, plus the branch
// that was taken between these. All at the meeting bits.
struct PairPaths {
  uint32_t odd = 0;  // of this row
  uint32_t odd_before = 0, odd_before_that = 0, branch_before = 0;

  // magnitudes, signs: both weights' at the meeting bits, whatever else they hold.
  __device__ void go_on(uint32_t magnitudes, uint32_t signs) {
    const uint32_t branches = (magnitudes ^ (signs & odd)) & kMeeting;
    const uint32_t next = odd ^ odd_before_that ^ branch_before;
    odd_before_that = odd_before, odd_before = odd, odd = next, branch_before = branches;
  }
};

// `tables`: a shared address plus the class of the column.
__device__ inline uint32_t table_of(uint32_t down_10, uint32_t tables, uint32_t of_row, uint32_t odd) {
  static_assert(sizeof(PairTables::of[0][0]) == 1 << 12 && sizeof(PairTables::of[0][0][0]) == 1 << 11);
  return tables + of_row + odd * (kOddTables >> 5) + shifted_down(odd, down_10);
}

// A lane's place in the bits of a cell, which are in shared memory with three words more than they fill.
struct PairBits {
  uint32_t low, high, ahead;  // the word of the bit before the next one, and the two behind it
  uint32_t at;                // the bit before the next one, of all words
  uint32_t word;              // shared address of what follows

  // From bit `at_ - 1` of the words at a shared address on, which have 32 bits in front.
  __device__ PairBits(uint32_t memory, uint32_t at_) : at(at_ + 31), word(memory + at / 32 * 4 + 12) {
    low = load_shared(word - 12), high = load_shared(word - 8), ahead = load_shared(word - 4);
  }
  // The bit before, and so many behind it as two pairs may take, the next ones lowest.
  __device__ uint32_t next() const {
    static_assert(2 * kMostPairBits < 32);
    return __funnelshift_r(low, high, at);
  }
  // `lengths`: of next_pair(), of two of them.
  __device__ void skip(uint32_t lengths) {
    const uint32_t behind = at + (lengths & 31);
    if (((behind ^ at) & 32) != 0) {
      low = high, high = ahead;
      ahead = load_shared(word);
      word += 4;
    }
    at = behind;
  }
};

// Masks and multipliers in registers: logic takes one operand from elsewhere.
struct PairMasks {
  uint32_t magnitudes, down_10, down_15, less_1_and_top;
  __device__ explicit PairMasks(const PairedMatrix& matrix)
      : magnitudes(__shfl_sync(0xFFFFFFFFu, matrix.magnitudes, 0)),
        down_10(matrix.down_10),
        down_15(matrix.down_15),
        less_1_and_top(matrix.less_1_and_top) {}
};

// The next pair out of `bits`, the bit before it and what follows: both integers as binary16, the first in the low
// half; a zero may have a sign. `lengths`: the lowest five bits grow by how many bits it took.
__device__ inline uint32_t next_pair(const PairMasks& masks, uint32_t table, PairPaths& paths, uint32_t& bits,
                                     uint32_t& lengths) {
  const uint32_t entry = load_shared_half(table + (bits & 2 * (kPairTable - 1)));
  // Shifts look at the lowest five bits. The signs come to the top, the second's at bit 31, the first's at bit 30;
  // where there is the first's alone, behind a bit of the next pair: a shift to the left by 31 less the bits taken,
  // less 1 then. That is the entry less 1, less its highest bit.
  const uint32_t top = __funnelshift_l(0, bits, __umulhi(entry, masks.less_1_and_top));
  bits = __funnelshift_l(bits, 0, entry);
  lengths -= entry;
  constexpr uint32_t kSigns = 0x80008000u, kSecond = 0x80000000u;
  const uint32_t signs = (top & kSecond) | shifted_down(top, masks.down_15);
  // m at bits 5 to 9 of a binary16 number of this exponent is 32 + m; twice that less 64 is 2 m.
  constexpr uint32_t kExponents = 0x50005000u, kTwo = 0x40004000u, kLess = 0xD400D400u;  // kLess - 0x20 is -63
  const uint32_t fields = entry * ((1u << 11) + 1), raised = (fields & masks.magnitudes) | kExponents;
  const uint32_t values = bits_of(__hfma2(as_half2(raised), as_half2(kTwo), as_half2(kLess - paths.odd)));
  paths.go_on(fields, shifted_down(signs, masks.down_10));
  return values ^ (signs & kSigns);
}

}  // namespace nwc::cuda

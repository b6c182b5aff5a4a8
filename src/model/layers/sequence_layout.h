// Sequences packed into one row of tokens, which share the tokens that they have in common: linear layers compute a
// shared token once and no padding at all, only attention sees each sequence by itself.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "libtorch/tensor_fwd.h"

namespace nwc {

// For causal blocks. Members throw what LibTorch throws. Thread safety: const members may be called from several
// threads at once.
class SequenceLayout {
 public:
  // sequences[s][p] is the row of the token at position p of sequence s, in [0, rows). Each row belongs to at least one
  // sequence; one that belongs to several stands at the same position in all of them, after the same tokens. No
  // sequence is empty. The tensors lie on the device of `like`.
  SequenceLayout(std::span<const std::vector<int64_t>> sequences, int64_t rows, const at::Tensor& like);
  SequenceLayout(const SequenceLayout&) = delete;
  SequenceLayout& operator=(const SequenceLayout&) = delete;
  ~SequenceLayout();

  // x [1, rows, ...] to [sequences, longest sequence, ...]. What stands behind a shorter sequence's end repeats its
  // last row: a causal block's results before it do not depend on that.
  at::Tensor spread(const at::Tensor& x) const;
  // y [sequences, longest sequence, width] back to [1, rows, width].
  at::Tensor collect(const at::Tensor& y) const;

 private:
  int64_t sequences_ = 0, longest_ = 0;
  std::unique_ptr<const at::Tensor> row_of_place_;  // [sequences * longest]
  std::unique_ptr<const at::Tensor> place_of_row_;  // [rows]
};

}  // namespace nwc

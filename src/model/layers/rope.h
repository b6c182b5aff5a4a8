// Rotary position embedding.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "libtorch/tensor_fwd.h"
#include "model/config/block_spec.h"

namespace nwc {

// The angle per position of each pair of dimensions, scaling applied: rotary_dim / 2 values, fastest first. `length` is
// that of the whole sequence.
std::vector<float> rope_frequencies(const RopeSpec& rope, int64_t head_dim, int64_t length = 0);

// Cosines and sines of all positions up to the largest that was asked for, on each device where they are used, shared
// by the blocks of a model. They are computed on the CPU, so that all devices turn by the same angles. Thread safety:
// all members may be called from several threads at once.
class RopeTables {
 public:
  RopeTables();
  ~RopeTables();

  // Rotates x, float32 [batch, length, heads, head_dim], whose first row is at `position` and whose last is the
  // sequence's last. Returns a new tensor.
  at::Tensor rotate(const at::Tensor& x, const RopeSpec& rope, int64_t position);

 private:
  struct Table;
  Table find(const RopeSpec& rope, const at::Tensor& like, int64_t length);
  std::mutex mutex_;
  std::vector<Table> tables_;
};

}  // namespace nwc

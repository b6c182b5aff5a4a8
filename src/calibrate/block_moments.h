// The second moments of what a block's linear layers see. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/layer_walk.h"
#include "calibrate/second_moment.h"
#include "guide/hessian_file.h"
#include "model/config/block_spec.h"
#include "nwcodec/checkpoint.h"
#include "team/team.h"

namespace nwc {

// Fed by the hook of Block::forward() while batches go through the block. Not thread-safe.
class BlockMoments {
 public:
  // As linears_of() lists them.
  explicit BlockMoments(std::vector<BlockLinear> linears);

  // Called for every linear layer in the order of linears_of(); of layers with a common input, the first counts.
  void see(const LinearSpec& linear, const at::Tensor& x);
  void end_batch();
  // Of all batches until now.
  bool are_finite() const;
  // Those of another device, of the same block.
  void add(const BlockMoments& other);
  // Those of all processes, for the leading one; of no use to the others afterwards. Errors: those of the team.
  Status add_up(Team& team);

  // The means.
  Result<HessianFile> file(const Checkpoint& checkpoint, const Json& provenance) const;
  // Which experts saw fewer tokens than a Hessian of full rank needs, for people; `block`: its number. None if there
  // are none.
  std::optional<std::string> few_tokens(size_t block) const;

 private:
  void append(StoredHessian& hessian, const BlockLinear& l) const;

  std::vector<BlockLinear> linears_;
  std::vector<SecondMoment> inputs_;
  LayerWalk walk_;
  size_t last_ = SIZE_MAX;
};

}  // namespace nwc

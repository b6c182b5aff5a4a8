// The Fisher information of a block's linear layers, as Kronecker factors. Includes LibTorch: private to src/calibrate.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calibrate/effective_tokens.h"
#include "calibrate/layer_walk.h"
#include "calibrate/second_moment.h"
#include "calibrate/square_sums.h"
#include "guide/hessian_file.h"
#include "libtorch/tensors.h"
#include "model/config/block_spec.h"
#include "team/team.h"

namespace nwc {

// Fed by the hook of Block::forward() while gradients are recorded, then by the backward pass. Not thread-safe.
class BlockFisher {
 public:
  // As linears_of() lists them. `outputs`: the whole second moment of each layer's gradients, not its diagonal only,
  // but for experts, which are many and see too few tokens to tell it.
  BlockFisher(std::vector<BlockLinear> linears, bool outputs);

  // Called for every linear layer in the order of linears_of(). Keeps the input, and the gradient once it is known.
  void see(const LinearSpec& linear, const at::Tensor& input, const at::Tensor& output);
  // After the backward pass of a batch: adds what see() kept, if `add`. If some of it is not finite, or its products
  // are not, nothing of the batch is added, and the layer that comes first on the way back is returned.
  std::optional<std::string> end_batch(bool add);

  // Those of another device, of the same block.
  void add(const BlockFisher& other);
  // Those of all processes, for the leading one; of no use to the others afterwards. Errors: those of the team.
  Status add_up(Team& team);

  // The means, into the file that BlockMoments::file() has made.
  void append_to(HessianFile& file) const;

 private:
  struct Seen {
    size_t layer;
    at::Tensor input;
    std::shared_ptr<at::Tensor> gradient;  // undefined if none arrives
  };
  bool keeps_outputs(size_t layer) const;

  struct Sums {
    SecondMoment inputs;   // of |g| x
    SecondMoment outputs;  // of g; unused if not asked for
    SquareSums squares;    // of g_i^2
    EffectiveTokens effective = {};
  };
  std::vector<BlockLinear> linears_;
  std::vector<Sums> sums_;
  bool outputs_;
  LayerWalk walk_;
  std::vector<Seen> seen_;
};

}  // namespace nwc

// One transformer block with its weights: loaded, run over any number of batches, freed.
#pragma once

#include <functional>
#include <memory>

#include "libtorch/tensor_fwd.h"
#include "model/config/block_spec.h"
#include "model/layers/kv_cache.h"
#include "model/layers/rope.h"
#include "model/layers/sequence_layout.h"
#include "model/parameters/parameters.h"
#include "nwcodec/result.h"

namespace nwc {

// Thread safety: const members may be called from several threads at once, with different caches.
class Block {
 public:
  // Reads the block's weights, in float32. `rope` is shared by the blocks of a model, and may be nullptr if the
  // block has none. Errors: those of the source, by tensor name.
  static Result<Block> load(const BlockSpec& spec, const ParameterSource& source, std::shared_ptr<RopeTables> rope);
  Block(Block&&) noexcept;
  Block& operator=(Block&&) noexcept;
  ~Block();

  struct Options {
    // What the hidden states continue; appended to. nullptr: they begin at position 0 and nothing is kept. Causal
    // blocks only.
    LayerCache* cache = nullptr;
    // Called with the input and the output of each linear layer, in the order of linears_of(); see layers.h.
    std::function<void(const LinearSpec& linear, const at::Tensor& input, const at::Tensor& output)> hook;
    // Which sequences the hidden states, then [1, rows, hidden_size], are tokens of. nullptr: each row of the batch is
    // a sequence. Causal blocks only, and without a cache.
    const SequenceLayout* layout = nullptr;
  };
  // hidden, float32 [batch, length, hidden_size], to the same shape. Throws what LibTorch throws: call it inside
  // catch_foreign(). Gradients flow unless the caller switches them off.
  at::Tensor forward(const at::Tensor& hidden, const Options& options) const;

 private:
  struct Layers;
  explicit Block(std::unique_ptr<const Layers> layers);
  std::unique_ptr<const Layers> layers_;
};

}  // namespace nwc

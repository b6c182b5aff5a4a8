#include "model/block.h"

#include <torch/torch.h>

#include <utility>

#include "model/attention.h"
#include "model/layers.h"

namespace nwc {

struct Block::Layers {
  RmsNorm attention_norm;
  Attention attention;
  RmsNorm mlp_norm;
  GatedMlp mlp;
};

Block::Block(std::unique_ptr<const Layers> layers) : layers_(std::move(layers)) {}
Block::Block(Block&&) noexcept = default;
Block& Block::operator=(Block&&) noexcept = default;
Block::~Block() = default;

Result<Block> Block::load(const BlockSpec& spec, const ParameterSource& source, std::shared_ptr<RopeTables> rope) {
  auto layers = std::make_unique<Layers>();
  NWC_ASSIGN_OR_RETURN(layers->attention_norm, RmsNorm::load(spec.attention_norm, source));
  NWC_ASSIGN_OR_RETURN(layers->attention, Attention::load(spec.attention, source, std::move(rope)));
  NWC_ASSIGN_OR_RETURN(layers->mlp_norm, RmsNorm::load(spec.mlp_norm, source));
  NWC_ASSIGN_OR_RETURN(layers->mlp, GatedMlp::load(spec.mlp, source));
  return Block(std::move(layers));
}

at::Tensor Block::forward(const at::Tensor& hidden, const Options& options) const {
  const Layers& l = *layers_;
  const at::Tensor mid = hidden + l.attention.forward(l.attention_norm.forward(hidden), options.cache, options.hook);
  return mid + l.mlp.forward(l.mlp_norm.forward(mid), options.hook);
}

}  // namespace nwc

#include "model/layers/block.h"

#include <utility>
#include <variant>

#include "libtorch/tensors.h"
#include "model/layers/attention.h"
#include "model/layers/layers.h"
#include "model/layers/mixture.h"
#include "model/layers/mlp.h"

namespace nwc {

namespace {

using AnyMlp = std::variant<PlainMlp, GatedMlp, FusedGateMlp, Mixture>;

Result<AnyMlp> load_any_mlp(const MlpSpec& spec, const ParameterSource& source) {
  return std::visit(
      [&](const auto& form) -> Result<AnyMlp> {
        auto mlp = load_mlp(form, source);
        if (!mlp) return std::move(mlp).error();
        return AnyMlp(*std::move(mlp));
      },
      spec);
}

// x + multiplier * scale * post_norm(f(norm(x))) without f, which is attention or MLP.
struct Residual {
  std::optional<Norm> norm, post_norm;
  at::Tensor scale;  // undefined for none
  double multiplier = 1;

  static Result<Residual> load(const ResidualSpec& spec, const ParameterSource& source) {
    NWC_ASSIGN_OR_RETURN(std::optional<Norm> norm, load_norm(spec.norm, source));
    NWC_ASSIGN_OR_RETURN(std::optional<Norm> post_norm, load_norm(spec.post_norm, source));
    NWC_ASSIGN_OR_RETURN(at::Tensor scale, load_optional(spec.scale, source));
    return Residual{std::move(norm), std::move(post_norm), std::move(scale), spec.multiplier};
  }

  template <class Function>
  at::Tensor forward(const at::Tensor& x, Function&& f) const {
    at::Tensor y = f(norm ? norm->forward(x) : x);
    if (post_norm) y = post_norm->forward(y);
    if (multiplier != 1) y = y * multiplier;
    return x + (scale.defined() ? y * scale : y);
  }
};

}  // namespace

struct Block::Layers {
  Residual attention_path;
  Attention attention;
  Residual mlp_path;
  AnyMlp mlp;
};

Block::Block(std::unique_ptr<const Layers> layers) : layers_(std::move(layers)) {}
Block::Block(Block&&) noexcept = default;
Block& Block::operator=(Block&&) noexcept = default;
Block::~Block() = default;

Result<Block> Block::load(const BlockSpec& spec, const ParameterSource& source, std::shared_ptr<RopeTables> rope) {
  NWC_ASSIGN_OR_RETURN(Residual attention_path, Residual::load(spec.attention_path, source));
  NWC_ASSIGN_OR_RETURN(Attention attention, Attention::load(spec.attention, source, std::move(rope)));
  NWC_ASSIGN_OR_RETURN(Residual mlp_path, Residual::load(spec.mlp_path, source));
  NWC_ASSIGN_OR_RETURN(AnyMlp mlp, load_any_mlp(spec.mlp, source));
  return Block(std::make_unique<Layers>(
      Layers{std::move(attention_path), std::move(attention), std::move(mlp_path), std::move(mlp)}));
}

at::Tensor Block::forward(const at::Tensor& hidden, const Options& options) const {
  const Layers& l = *layers_;
  const at::Tensor mid = l.attention_path.forward(
      hidden, [&](const at::Tensor& x) { return l.attention.forward(x, options.cache, options.layout, options.hook); });
  return l.mlp_path.forward(mid, [&](const at::Tensor& x) {
    return std::visit([&](const auto& mlp) { return mlp.forward(x, options.hook); }, l.mlp);
  });
}

}  // namespace nwc

#include "model/encoders/encoder_ends.h"

#include <cmath>
#include <stdexcept>
#include <utility>
#include <variant>

#include "libtorch/tensors.h"
#include "model/layers/attention.h"
#include "model/layers/layers.h"
#include "model/layers/mlp.h"

namespace nwc {
namespace {

struct TokenInput {
  at::Tensor tokens, positions;

  at::Tensor forward(const at::Tensor& ids) const {
    if (ids.size(1) > positions.size(0)) throw std::invalid_argument("the text is longer than the model's positions");
    return torch::embedding(tokens, ids.to(tokens.device())) + positions.narrow(0, 0, ids.size(1));
  }
};

struct PatchInput {
  PatchInputSpec spec;
  at::Tensor projection, bias, class_token;
  at::Tensor positions;  // [all positions, hidden]
  std::optional<Norm> norm;

  int64_t hidden() const { return projection.size(0); }
  int64_t patch() const { return projection.size(2); }

  // For rows x columns patches, and the class token's before them.
  at::Tensor positions_of(int64_t rows, int64_t columns) const {
    const int64_t side = spec.image_size / patch(), extra = positions.size(0) - side * side;
    if (rows == side && columns == side) return positions;
    if (!spec.resize_positions)
      throw std::invalid_argument("the images do not have the size that the model was made for");
    const at::Tensor grid =
        positions.narrow(0, extra, side * side).view({1, side, side, hidden()}).permute({0, 3, 1, 2}).contiguous();
    const at::Tensor resized = at::upsample_bicubic2d(grid, {rows, columns}, /*align_corners=*/false);
    return torch::cat({positions.narrow(0, 0, extra), resized.view({hidden(), rows * columns}).t()});
  }

  at::Tensor forward(const at::Tensor& pixels) const {
    const at::Tensor grid =
        torch::conv2d(pixels.to(projection.device()), projection, bias, /*stride=*/{patch(), patch()});
    at::Tensor hidden_states = grid.flatten(2).transpose(1, 2);
    if (class_token.defined()) {
      hidden_states =
          torch::cat({class_token.view({1, 1, hidden()}).expand({pixels.size(0), 1, hidden()}), hidden_states}, 1);
    }
    hidden_states = hidden_states + positions_of(grid.size(2), grid.size(3));
    return norm ? norm->forward(hidden_states) : hidden_states;
  }
};

using AnyInput = std::variant<TokenInput, PatchInput>;

Result<AnyInput> load_input(const TokenInputSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(at::Tensor tokens, source.load(spec.tokens));
  NWC_ASSIGN_OR_RETURN(at::Tensor positions, source.load(spec.positions));
  return AnyInput(TokenInput{std::move(tokens), std::move(positions)});
}

Result<AnyInput> load_input(const PatchInputSpec& spec, const ParameterSource& source) {
  PatchInput input;
  input.spec = spec;
  NWC_ASSIGN_OR_RETURN(input.projection, source.load(spec.projection));
  NWC_ASSIGN_OR_RETURN(input.bias, load_optional(spec.projection_bias, source));
  NWC_ASSIGN_OR_RETURN(input.class_token, load_optional(spec.class_token, source));
  NWC_ASSIGN_OR_RETURN(const at::Tensor positions, source.load(spec.positions));
  input.positions = positions.view({-1, input.hidden()});
  NWC_ASSIGN_OR_RETURN(input.norm, load_norm(spec.norm, source));
  return AnyInput(std::move(input));
}

// Poolings: hidden [batch, positions, hidden] to [batch, hidden].

struct NoPool {
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor&) const { return hidden; }
};

struct PositionPool {
  PositionPoolSpec spec;

  // [batch], on the input's device or the hidden states'.
  at::Tensor position_in(const at::Tensor& hidden, const at::Tensor& input) const {
    switch (spec.position) {
      case PositionPoolSpec::Position::kFirst: break;
      case PositionPoolSpec::Position::kLast: return torch::full({hidden.size(0)}, hidden.size(1) - 1, torch::kInt64);
      case PositionPoolSpec::Position::kLargestToken: return input.argmax(-1);
      case PositionPoolSpec::Position::kEndToken: return (input == spec.end_token).to(torch::kInt32).argmax(-1);
    }
    return torch::zeros({hidden.size(0)}, torch::kInt64);
  }
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor& input) const {
    const at::TensorOptions indices = hidden.options().dtype(torch::kInt64);
    return hidden.index({torch::arange(hidden.size(0), indices), position_in(hidden, input).to(indices)});
  }
};

struct AttentionPool {
  int64_t heads;
  at::Tensor probe, in_weight, in_bias;
  Linear out;
  Norm norm;
  PlainMlp mlp;

  at::Tensor forward(const at::Tensor& hidden, const at::Tensor&) const {
    const int64_t batch = hidden.size(0), width = hidden.size(2);
    const std::vector<at::Tensor> weights = in_weight.chunk(3), biases = in_bias.chunk(3);
    const auto project = [&](const at::Tensor& x, int i) {
      return torch::linear(x, weights[i], biases[i]).view({x.size(0), x.size(1), heads, width / heads});
    };
    const at::Tensor query = project(probe.expand({batch, 1, width}), 0);
    const double scale = 1 / std::sqrt(static_cast<double>(width / heads));
    const at::Tensor mixed = attend(query, project(hidden, 1), project(hidden, 2), {scale, /*causal=*/false});
    const at::Tensor pooled = out.forward(mixed, {});
    return (pooled + mlp.forward(norm.forward(pooled), {})).select(1, 0);
  }
};

using AnyPool = std::variant<NoPool, PositionPool, AttentionPool>;

Result<AnyPool> load_pool(const std::monostate&, const ParameterSource&) { return AnyPool(NoPool{}); }
Result<AnyPool> load_pool(const PositionPoolSpec& spec, const ParameterSource&) { return AnyPool(PositionPool{spec}); }
Result<AnyPool> load_pool(const AttentionPoolSpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(at::Tensor probe, source.load(spec.probe));
  NWC_ASSIGN_OR_RETURN(at::Tensor in_weight, source.load(spec.in_weight));
  NWC_ASSIGN_OR_RETURN(at::Tensor in_bias, source.load(spec.in_bias));
  NWC_ASSIGN_OR_RETURN(Linear out, Linear::load(spec.out, source));
  NWC_ASSIGN_OR_RETURN(Norm norm, Norm::load(spec.norm, source));
  NWC_ASSIGN_OR_RETURN(PlainMlp mlp, load_mlp(spec.mlp, source));
  return AnyPool(AttentionPool{spec.heads, std::move(probe), std::move(in_weight), std::move(in_bias), std::move(out),
                               std::move(norm), std::move(mlp)});
}

}  // namespace

struct EncoderInput::Layers {
  AnyInput input;
};

EncoderInput::EncoderInput(std::unique_ptr<const Layers> layers) : layers_(std::move(layers)) {}
EncoderInput::EncoderInput(EncoderInput&&) noexcept = default;
EncoderInput& EncoderInput::operator=(EncoderInput&&) noexcept = default;
EncoderInput::~EncoderInput() = default;

Result<EncoderInput> EncoderInput::load(const EncoderSpec& tower, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(AnyInput input,
                       std::visit([&](const auto& spec) { return load_input(spec, source); }, tower.input));
  return EncoderInput(std::make_unique<Layers>(Layers{std::move(input)}));
}

at::Tensor EncoderInput::forward(const at::Tensor& input) const {
  return std::visit([&](const auto& form) { return form.forward(input); }, layers_->input);
}

struct EncoderOutput::Layers {
  Norm norm;
  AnyPool pool;
  std::optional<Linear> projection;
  bool unit_length;
};

EncoderOutput::EncoderOutput(std::unique_ptr<const Layers> layers) : layers_(std::move(layers)) {}
EncoderOutput::EncoderOutput(EncoderOutput&&) noexcept = default;
EncoderOutput& EncoderOutput::operator=(EncoderOutput&&) noexcept = default;
EncoderOutput::~EncoderOutput() = default;

Result<EncoderOutput> EncoderOutput::load(const EncoderSpec& tower, const ParameterSource& source) {
  const EncoderOutputSpec& spec = tower.output;
  NWC_ASSIGN_OR_RETURN(Norm norm, Norm::load(spec.norm, source));
  NWC_ASSIGN_OR_RETURN(AnyPool pool, std::visit([&](const auto& form) { return load_pool(form, source); }, spec.pool));
  std::optional<Linear> projection;
  if (spec.projection) {
    NWC_ASSIGN_OR_RETURN(projection, Linear::load(*spec.projection, source));
  }
  return EncoderOutput(
      std::make_unique<Layers>(Layers{std::move(norm), std::move(pool), std::move(projection), spec.unit_length}));
}

at::Tensor EncoderOutput::forward(const at::Tensor& hidden, const at::Tensor& input) const {
  const at::Tensor normalised = layers_->norm.forward(hidden);
  at::Tensor y = std::visit([&](const auto& pool) { return pool.forward(normalised, input); }, layers_->pool);
  if (layers_->projection) y = layers_->projection->forward(y, {});
  return layers_->unit_length ? y / y.norm(2, -1, /*keepdim=*/true) : y;
}

struct Similarity::Layers {
  at::Tensor scale, bias;
};

Result<Similarity> Similarity::load(const SimilaritySpec& spec, const ParameterSource& source) {
  NWC_ASSIGN_OR_RETURN(at::Tensor scale, source.load(spec.scale));
  NWC_ASSIGN_OR_RETURN(at::Tensor bias, load_optional(spec.bias, source));
  return Similarity(std::make_shared<const Layers>(Layers{std::move(scale), std::move(bias)}));
}

at::Tensor Similarity::forward(const at::Tensor& images, const at::Tensor& texts) const {
  const at::Tensor logits = torch::mm(images, texts.t()) * layers_->scale.exp();
  return layers_->bias.defined() ? logits + layers_->bias : logits;
}

}  // namespace nwc

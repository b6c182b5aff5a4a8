#include "learn/networks.h"

#include <cmath>

namespace nwc {
namespace {

constexpr int64_t kHidden[] = {3, 3, 3, 3};
constexpr double kTailMass = 1e-9, kLikelihoodBound = 1e-9;

std::vector<float> to_vector(const torch::Tensor& tensor) {
  const torch::Tensor flat = tensor.detach().to(torch::kCPU, torch::kFloat32).contiguous().view({-1});
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

void copy_into(torch::Tensor target, const std::vector<float>& values) {
  target.copy_(torch::from_blob(const_cast<float*>(values.data()), target.sizes()));
}

}  // namespace

TransformNetImpl::TransformNetImpl(int64_t inputs, int64_t outputs, NetworkShape shape, int64_t levels)
    : inputs_(inputs),
      outputs_(outputs),
      width_(shape.depth == 0 ? inputs : shape.width),
      depth_(shape.depth),
      levels_(levels) {
  // LibTorch reads its archives back as code, in which names like "in" are keywords.
  if (depth_ > 0) in_ = register_module("input", torch::nn::Linear(inputs, width_));
  for (int64_t b = 0; b < depth_; ++b) {
    linears_.push_back(register_module("linear" + std::to_string(b), torch::nn::Linear(width_, width_)));
    norms_.push_back(
        register_module("norm" + std::to_string(b), torch::nn::LayerNorm(torch::nn::LayerNormOptions({width_}))));
  }
  embedding_ = register_parameter("embedding", torch::ones({std::max<int64_t>(depth_, 1), levels, width_}));
  out_ = register_module("output", torch::nn::Linear(width_, outputs));
}

torch::Tensor TransformNetImpl::forward(const torch::Tensor& x, int64_t first_level) {
  const int64_t end = first_level + x.size(0);
  const auto embedding = [&](int64_t block) { return embedding_[block].slice(0, first_level, end).unsqueeze(1); };
  if (depth_ == 0) return out_->forward(x * embedding(0));
  torch::Tensor h = in_->forward(x);
  for (int64_t b = 0; b < depth_; ++b) {
    const size_t i = static_cast<size_t>(b);
    h = (h + torch::relu(norms_[i]->forward(linears_[i]->forward(h)))) * embedding(b);
  }
  return out_->forward(h);
}

void TransformNetImpl::start_linear(const std::vector<double>& gain) {
  torch::NoGradGuard no_grad;
  const auto eye_into = [](torch::nn::Linear& layer) {
    layer->weight.zero_();
    layer->bias.zero_();
    const int64_t n = std::min(layer->weight.size(0), layer->weight.size(1));
    for (int64_t i = 0; i < n; ++i) layer->weight[i][i] = 1.0;
  };
  const int64_t sets = embedding_.size(0);
  for (int64_t l = 0; l < levels_; ++l) {
    embedding_.select(1, l).fill_(std::pow(gain[static_cast<size_t>(l)], 1.0 / static_cast<double>(sets)));
  }
  if (depth_ == 0) return eye_into(out_);
  // The first hidden units are the chunk itself; the others are small random features whose output weights are zero.
  // Blocks start with a small gain: gradients flow through them, but they add little to the output.
  torch::Tensor features = in_->weight.clone();
  eye_into(in_);
  if (width_ > inputs_) in_->weight.slice(0, inputs_).copy_(features.slice(0, inputs_));
  for (torch::nn::LayerNorm& norm : norms_) norm->weight.fill_(0.05);
  eye_into(out_);
}

TransformWeights TransformNetImpl::weights() const {
  TransformWeights w{.inputs = static_cast<size_t>(inputs_),
                     .outputs = static_cast<size_t>(outputs_),
                     .width = static_cast<size_t>(width_),
                     .depth = static_cast<size_t>(depth_),
                     .levels = static_cast<size_t>(levels_)};
  if (depth_ > 0) {
    w.in_weight = to_vector(in_->weight);
    w.in_bias = to_vector(in_->bias);
  }
  for (size_t b = 0; b < linears_.size(); ++b) {
    w.blocks.push_back({to_vector(linears_[b]->weight), to_vector(linears_[b]->bias), to_vector(norms_[b]->weight),
                        to_vector(norms_[b]->bias)});
  }
  w.embedding = to_vector(embedding_);
  w.embedding_sets = static_cast<size_t>(embedding_.size(0));
  w.out_weight = to_vector(out_->weight);
  w.out_bias = to_vector(out_->bias);
  return w;
}

void TransformNetImpl::set_weights(const TransformWeights& w) {
  torch::NoGradGuard no_grad;
  if (depth_ > 0) {
    copy_into(in_->weight, w.in_weight);
    copy_into(in_->bias, w.in_bias);
  }
  for (size_t b = 0; b < linears_.size(); ++b) {
    copy_into(linears_[b]->weight, w.blocks[b].weight);
    copy_into(linears_[b]->bias, w.blocks[b].bias);
    copy_into(norms_[b]->weight, w.blocks[b].gain);
    copy_into(norms_[b]->bias, w.blocks[b].offset);
  }
  // A codec may share one embedding among its blocks; training gives each its own.
  const torch::Tensor embedding = torch::from_blob(const_cast<float*>(w.embedding.data()),
                                                   {static_cast<int64_t>(w.embedding_sets), levels_, width_});
  embedding_.copy_(embedding.expand_as(embedding_));
  copy_into(out_->weight, w.out_weight);
  copy_into(out_->bias, w.out_bias);
}

FactorizedDensityImpl::FactorizedDensityImpl(int64_t sets, int64_t latents, const std::vector<double>& initial_scale)
    : sets_(sets), latents_(latents) {
  // Matrices start so that the cumulative function spreads over about initial_scale.
  const size_t layers = std::size(kHidden) + 1;
  int64_t inputs = 1;
  for (size_t i = 0; i < layers; ++i) {
    const int64_t outputs = i < std::size(kHidden) ? kHidden[i] : 1;
    torch::Tensor matrix = torch::empty({sets, latents, outputs, inputs});
    for (int64_t s = 0; s < sets; ++s) {
      const double scale = std::pow(initial_scale[static_cast<size_t>(s)], 1.0 / static_cast<double>(layers));
      matrix[s].fill_(std::log(std::expm1(1.0 / scale / static_cast<double>(outputs))));
    }
    const std::string number = std::to_string(i);
    matrices_.push_back(register_parameter("matrix" + number, matrix.view({sets * latents, outputs, inputs})));
    biases_.push_back(register_parameter("bias" + number, torch::rand({sets * latents, outputs, 1}) - 0.5));
    if (i + 1 < layers)
      factors_.push_back(register_parameter("factor" + number, torch::zeros({sets * latents, outputs, 1})));
    inputs = outputs;
  }
  torch::Tensor quantiles = torch::zeros({sets, latents, 3});
  for (int64_t s = 0; s < sets; ++s) {
    quantiles[s].select(-1, 0).fill_(-initial_scale[static_cast<size_t>(s)]);
    quantiles[s].select(-1, 2).fill_(initial_scale[static_cast<size_t>(s)]);
  }
  quantiles_ = register_parameter("quantiles", quantiles.view({sets * latents, 3}));
}

torch::Tensor FactorizedDensityImpl::cumulative_logits(const torch::Tensor& v, int64_t first_set,
                                                       bool stop_gradient) const {
  const auto parameter = [&](const torch::Tensor& p) {
    const torch::Tensor used = p.slice(0, first_set * latents_, first_set * latents_ + v.size(0));
    return stop_gradient ? used.detach() : used;
  };
  torch::Tensor logits = v;
  for (size_t i = 0; i < matrices_.size(); ++i) {
    logits = torch::bmm(torch::softplus(parameter(matrices_[i])), logits) + parameter(biases_[i]);
    if (i < factors_.size()) logits = logits + torch::tanh(parameter(factors_[i])) * torch::tanh(logits);
  }
  return logits;
}

torch::Tensor FactorizedDensityImpl::likelihood(const torch::Tensor& z, int64_t first_level) {
  const int64_t count = z.size(0), n = z.size(1);
  // [sets in use * latents, 1, chunks]; a shared set takes the chunks of all levels together.
  const torch::Tensor by_channel = sets_ == 1 ? z.reshape({count * n, latents_}).t().unsqueeze(1)
                                              : z.transpose(1, 2).reshape({count * latents_, 1, n});
  const int64_t first_set = sets_ == 1 ? 0 : first_level;
  const torch::Tensor lower = cumulative_logits(by_channel - 0.5, first_set, false);
  const torch::Tensor upper = cumulative_logits(by_channel + 0.5, first_set, false);
  const torch::Tensor sign = -torch::sign(lower + upper).detach();
  const torch::Tensor p =
      torch::clamp_min(torch::abs(torch::sigmoid(sign * upper) - torch::sigmoid(sign * lower)), kLikelihoodBound);
  if (sets_ == 1) return p.squeeze(1).t().reshape({count, n, latents_});
  return p.view({count, latents_, n}).transpose(1, 2);
}

torch::Tensor FactorizedDensityImpl::auxiliary_loss() {
  const double t = std::log(2.0 / kTailMass - 1.0);
  const torch::Tensor target = torch::tensor({-t, 0.0, t}, quantiles_.options().requires_grad(false));
  return torch::abs(cumulative_logits(quantiles_.unsqueeze(1), 0, true).squeeze(1) - target).sum();
}

std::vector<torch::Tensor> FactorizedDensityImpl::model_parameters() const {
  std::vector<torch::Tensor> parameters = matrices_;
  parameters.insert(parameters.end(), biases_.begin(), biases_.end());
  parameters.insert(parameters.end(), factors_.begin(), factors_.end());
  return parameters;
}

DensityWeights FactorizedDensityImpl::weights() const {
  DensityWeights density;
  density.sets = static_cast<uint64_t>(sets_);
  density.latents = static_cast<uint64_t>(latents_);
  for (size_t i = 0; i < matrices_.size(); ++i) {
    DensityWeights::Layer layer;
    layer.outputs = static_cast<uint64_t>(matrices_[i].size(1));
    layer.inputs = static_cast<uint64_t>(matrices_[i].size(2));
    layer.matrix = to_vector(matrices_[i]);
    layer.bias = to_vector(biases_[i]);
    if (i < factors_.size()) layer.factor = to_vector(factors_[i]);
    density.layers.push_back(std::move(layer));
  }
  return density;
}

bool FactorizedDensityImpl::has_our_shape(const DensityWeights& density) {
  if (density.layers.size() != std::size(kHidden) + 1) return false;
  for (size_t i = 0; i < std::size(kHidden); ++i) {
    if (density.layers[i].outputs != static_cast<uint64_t>(kHidden[i]) || density.layers[i].factor.empty())
      return false;
  }
  return true;
}

void FactorizedDensityImpl::set_weights(const DensityWeights& density) {
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < matrices_.size(); ++i) {
    copy_into(matrices_[i], density.layers[i].matrix);
    copy_into(biases_[i], density.layers[i].bias);
    if (i < factors_.size()) copy_into(factors_[i], density.layers[i].factor);
  }
}

}  // namespace nwc

// The trainable parts as LibTorch modules: transforms and factorised density (paper, Section 3.2 and Figure 2).
// Private to src/learn: the only header there that includes LibTorch.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/optim/adam.h>
#include <torch/serialize.h>

#include <vector>

#include "codec/encode/encoder_codec.h"
#include "learn/train.h"
#include "libtorch/tensors.h"
#include "transform/transform.h"

namespace nwc {

// x + ReLU(LayerNorm(Linear(x))), times the level's embedding, depth times; between an input and an output layer. The
// same function as transform/residual_mlp.h.
class TransformNetImpl : public torch::nn::Module {
 public:
  TransformNetImpl(int64_t inputs, int64_t outputs, NetworkShape shape, int64_t levels);
  // x: [count, n, inputs]: n chunks of each of the levels first_level, first_level + 1, ... Returns [count, n,
  // outputs].
  torch::Tensor forward(const torch::Tensor& x, int64_t first_level);
  // Begins as (nearly) x times gain[level].
  void start_linear(const std::vector<double>& gain);
  TransformWeights weights() const;
  // Precondition: weights of this shape.
  void set_weights(const TransformWeights& weights);

 private:
  int64_t inputs_, outputs_, width_, depth_, levels_;
  torch::nn::Linear in_{nullptr}, out_{nullptr};
  std::vector<torch::nn::Linear> linears_;
  std::vector<torch::nn::LayerNorm> norms_;
  torch::Tensor embedding_;  // [depth or 1, levels, width]
};
TORCH_MODULE(TransformNet);

// One density per channel, for each level or shared; hidden sizes 3, 3, 3, 3. Parameters as in codec/encode/density.h.
class FactorizedDensityImpl : public torch::nn::Module {
 public:
  FactorizedDensityImpl(int64_t sets, int64_t latents, const std::vector<double>& initial_scale);
  // z: [count, n, latents], levels as above. Returns the probability of z +- 1/2, at least 1e-9, same shape.
  torch::Tensor likelihood(const torch::Tensor& z, int64_t first_level);
  // Pulls the quantiles (two tails of 1e-9 and the median) to where the density has them.
  torch::Tensor auxiliary_loss();
  std::vector<torch::Tensor> model_parameters() const;
  torch::Tensor quantiles() const { return quantiles_; }  // [sets * latents, 3]
  DensityWeights weights() const;
  // Precondition: a density of this shape, with this class's hidden sizes.
  void set_weights(const DensityWeights& weights);
  // Hidden sizes of every density made here.
  static bool has_our_shape(const DensityWeights& weights);

 private:
  // v: [m * latents, 1, n] for m sets from first_set on; returns the logits of the cumulative function, same shape.
  torch::Tensor cumulative_logits(const torch::Tensor& v, int64_t first_set, bool stop_gradient) const;
  int64_t sets_, latents_;
  std::vector<torch::Tensor> matrices_, biases_, factors_;
  torch::Tensor quantiles_;
};
TORCH_MODULE(FactorizedDensity);

}  // namespace nwc

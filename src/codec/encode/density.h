// The factorised entropy model in binary64: one non-parametric density per latent channel, given by its cumulative
// function (Balle et al. 2018, Appendix 6.1; paper, Section 3.2). Used to make integer tables from a trained codec, and
// as the reference that the LibTorch module is tested against.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nwc {

// The cumulative function of a channel is sigmoid(f(x)) with f = f_F o ... o f_0,
//   f_i(v) = softplus(matrix_i) v + bias_i, then v + tanh(factor_i) * tanh(v) for all i but the last,
// with hidden sizes `filters`, for example {3, 3, 3, 3}; F = filters.size().
struct ChannelDensity {
  struct Layer {
    size_t inputs, outputs;
    std::vector<double> matrix;  // [outputs, inputs]
    std::vector<double> bias;    // [outputs]
    std::vector<double> factor;  // [outputs]; empty for the last layer
  };
  std::vector<Layer> layers;

  // f(x): the logit of the cumulative function.
  double cumulative_logit(double x) const;
  // The probability of [x - 1/2, x + 1/2].
  double likelihood(double x) const;
};

}  // namespace nwc

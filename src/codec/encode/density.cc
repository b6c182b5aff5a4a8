#include "codec/encode/density.h"

#include <cmath>

namespace nwc {
namespace {

double softplus(double x) { return x > 30.0 ? x : std::log1p(std::exp(x)); }
double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

double ChannelDensity::cumulative_logit(double x) const {
  std::vector<double> v{x}, next;
  for (const Layer& layer : layers) {
    next.assign(layer.outputs, 0.0);
    for (size_t o = 0; o < layer.outputs; ++o) {
      double sum = layer.bias[o];
      for (size_t i = 0; i < layer.inputs; ++i) sum += softplus(layer.matrix[o * layer.inputs + i]) * v[i];
      if (!layer.factor.empty()) sum += std::tanh(layer.factor[o]) * std::tanh(sum);
      next[o] = sum;
    }
    v.swap(next);
  }
  return v[0];
}

double ChannelDensity::likelihood(double x) const {
  const double lower = cumulative_logit(x - 0.5), upper = cumulative_logit(x + 0.5);
  // Differences are taken in the tail where sigmoid is small, or they would cancel.
  const double sign = lower + upper > 0 ? -1.0 : 1.0;
  return std::abs(sigmoid(sign * upper) - sigmoid(sign * lower));
}

}  // namespace nwc

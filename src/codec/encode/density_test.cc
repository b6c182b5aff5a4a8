#include "codec/encode/density.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace nwc {
namespace {

// One input, two hidden values, one output.
ChannelDensity small_density() {
  return {{{1, 2, {0.5, -1.0}, {0.1, -0.2}, {0.3, -0.6}}, {2, 1, {0.25, 1.5}, {0.05}, {}}}};
}

double plus(double x) { return std::log(1 + std::exp(x)); }
double bend(double v, double factor) { return v + std::tanh(factor) * std::tanh(v); }

// The same function spelled out.
double nested(double x) {
  return plus(0.25) * bend(plus(0.5) * x + 0.1, 0.3) + plus(1.5) * bend(plus(-1.0) * x - 0.2, -0.6) + 0.05;
}

// Computed with Python's math module from the formula of Balle et al. (2018), Appendix 6.1.
TEST(Density, LiteralLogits) {
  const ChannelDensity density = small_density();
  EXPECT_NEAR(density.cumulative_logit(-3), -3.715048480953, 1e-11);
  EXPECT_NEAR(density.cumulative_logit(-0.5), -0.652461360457, 1e-11);
  EXPECT_NEAR(density.cumulative_logit(0), -0.003357569890, 1e-11);
  EXPECT_NEAR(density.cumulative_logit(0.7), 0.868256152401, 1e-11);
  EXPECT_NEAR(density.cumulative_logit(4), 4.667369923792, 1e-11);
}

TEST(Density, LiteralLikelihoods) {
  const ChannelDensity density = small_density();
  EXPECT_NEAR(density.likelihood(-3), 3.034069322805589e-02, 1e-12);
  EXPECT_NEAR(density.likelihood(-0.5), 2.820746043966534e-01, 1e-12);
  EXPECT_NEAR(density.likelihood(0), 3.095226653886273e-01, 1e-12);
  EXPECT_NEAR(density.likelihood(0.7), 2.459763283670204e-01, 1e-12);
  EXPECT_NEAR(density.likelihood(4), 1.191168898063721e-02, 1e-12);
}

// With 60 decimal digits; in binary64 a difference of two numbers near 1 would be 0.
TEST(Density, TailsDoNotCancel) {
  const ChannelDensity density = small_density();
  EXPECT_NEAR(density.likelihood(60) / 4.877371219124781e-35, 1.0, 1e-9);
  EXPECT_NEAR(density.likelihood(-60) / 3.219509320154842e-35, 1.0, 1e-9);
}

TEST(Density, AgreesWithTheFormulaSpelledOut) {
  const ChannelDensity density = small_density();
  for (double x = -30; x <= 30; x += 0.37)
    EXPECT_NEAR(density.cumulative_logit(x), nested(x), 1e-12 * (1 + std::abs(x))) << x;
}

TEST(Density, LikelihoodsSumToOne) {
  std::mt19937 random(1);
  std::normal_distribution<double> gaussian;
  for (int round = 0; round < 10; ++round) {
    ChannelDensity density;
    for (size_t i = 0; i < 4; ++i) {
      const size_t inputs = i == 0 ? 1 : 3, outputs = i == 3 ? 1 : 3;
      ChannelDensity::Layer layer{inputs, outputs, {}, {}, {}};
      for (size_t k = 0; k < inputs * outputs; ++k) layer.matrix.push_back(gaussian(random) * 0.5);
      for (size_t k = 0; k < outputs; ++k) layer.bias.push_back(gaussian(random));
      for (size_t k = 0; k < outputs && i < 3; ++k) layer.factor.push_back(gaussian(random));
      density.layers.push_back(layer);
    }
    double sum = 0;
    for (int v = -2000; v <= 2000; ++v) {
      const double p = density.likelihood(v + 0.3);
      EXPECT_GE(p, 0.0);
      sum += p;
    }
    EXPECT_NEAR(sum, 1.0, 1e-9);
  }
}

}  // namespace
}  // namespace nwc

#include "codec/encode/codec_tables.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "entropy/encode/table_fit.h"

namespace nwc {
namespace {

// Hidden sizes 3, 3; each channel of another width, off-center and bent.
DensityWeights random_density(uint64_t sets, uint64_t latents, double scale, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  DensityWeights density{sets, latents, {}};
  for (size_t i = 0; i < 3; ++i) {
    const uint64_t inputs = i == 0 ? 1 : 3, outputs = i == 2 ? 1 : 3;
    const double spread = std::pow(scale, 1.0 / 3),
                 weight = std::log(std::expm1(1 / spread / static_cast<double>(outputs)));
    DensityWeights::Layer layer{outputs, inputs, {}, {}, {}};
    for (uint64_t k = 0; k < sets * latents * outputs * inputs; ++k)
      layer.matrix.push_back(static_cast<float>(weight) + 0.3f * gaussian(random));
    for (uint64_t k = 0; k < sets * latents * outputs; ++k) layer.bias.push_back(0.5f * gaussian(random));
    for (uint64_t k = 0; k < sets * latents * outputs && i < 2; ++k) layer.factor.push_back(0.4f * gaussian(random));
    density.layers.push_back(layer);
  }
  return density;
}

TEST(CodecTables, TakesTheRightParametersOfAChannel) {
  DensityWeights density{2, 3, {{2, 1, {}, {}, {}}, {1, 2, {}, {}, {}}}};
  for (int k = 0; k < 12; ++k) {
    density.layers[0].matrix.push_back(static_cast<float>(k));
    density.layers[0].bias.push_back(static_cast<float>(100 + k));
    density.layers[0].factor.push_back(static_cast<float>(200 + k));
    density.layers[1].matrix.push_back(static_cast<float>(300 + k));
  }
  for (int k = 0; k < 6; ++k) density.layers[1].bias.push_back(static_cast<float>(400 + k));
  const ChannelDensity channel = channel_density(density, 1, 2);  // the last of six
  EXPECT_EQ(channel.layers[0].matrix, (std::vector<double>{10, 11}));
  EXPECT_EQ(channel.layers[0].bias, (std::vector<double>{110, 111}));
  EXPECT_EQ(channel.layers[0].factor, (std::vector<double>{210, 211}));
  EXPECT_EQ(channel.layers[1].matrix, (std::vector<double>{310, 311}));
  EXPECT_EQ(channel.layers[1].bias, (std::vector<double>{405}));
  EXPECT_TRUE(channel.layers[1].factor.empty());
}

TEST(CodecTables, CentersAreMedians) {
  const DensityWeights density = random_density(1, 8, 20, 1);
  const CodecTables tables = make_codec_tables(density, 1);
  for (uint64_t c = 0; c < 8; ++c)
    EXPECT_NEAR(channel_density(density, 0, c).cumulative_logit(tables.centers[c]), 0.0, 1e-5);
}

TEST(CodecTables, CostLessThanOnePerCentMoreThanTheDensitysOwnEntropy) {
  for (const double scale : {2.0, 10.0, 60.0, 800.0}) {
    const DensityWeights density = random_density(2, 4, scale, 2);
    const CodecTables tables = make_codec_tables(density, 2);
    ASSERT_EQ(tables.set.size(), 8u);
    for (unsigned i = 0; i < 8; ++i) {
      const FrequencyTable& table = tables.set[i];
      ASSERT_TRUE(check_table(table).ok());
      const ChannelDensity channel = channel_density(density, i / 4, i % 4);
      double entropy = 0, cost = 0;
      for (int32_t v = -32767; v <= 32767; ++v) {
        const double p = channel.likelihood(tables.centers[i] + v);
        if (p <= 0) continue;
        entropy -= p * std::log2(p);
        const uint32_t symbol = table.symbols().symbol_of(v);
        cost += p * (12.0 + table.shift - std::log2(table.frequencies[symbol]) +
                     (symbol == table.count() ? escape_bits(v) : 0u));
      }
      EXPECT_GT(cost, entropy) << scale;
      EXPECT_LT(cost, entropy * 1.01 + 1e-3)
          << "scale " << scale << ", entropy " << entropy << ", " << table.count() << " symbols, shift " << table.shift;
    }
  }
}

TEST(CodecTables, ASharedDensityGivesEveryLevelTheSameTables) {
  const CodecTables tables = make_codec_tables(random_density(1, 3, 5, 3), 4);
  EXPECT_EQ(tables.levels, 4u);
  EXPECT_EQ(tables.channels, 3u);
  ASSERT_EQ(tables.set.size(), 12u);
  for (unsigned i = 3; i < 12; ++i) {
    EXPECT_EQ(tables.set[i], tables.set[i % 3]);
    EXPECT_EQ(tables.centers[i], tables.centers[i % 3]);
  }
  EXPECT_NE(tables.set[0], tables.set[1]);
}

}  // namespace
}  // namespace nwc

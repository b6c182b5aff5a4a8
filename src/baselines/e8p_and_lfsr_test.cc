#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "base/random_variates.h"
#include "baselines/e8p_code.h"
#include "baselines/lfsr_code.h"
#include "baselines/lfsr_kernel.h"

namespace nwc {
namespace {

// All 2^16 points, from the definition.
std::vector<std::array<float, 8>> all_points(const E8pCode& code) {
  std::vector<std::array<float, 8>> points;
  for (const std::array<float, 8>& entry : code.positive()) {
    for (unsigned signs = 0; signs < 256; ++signs) {
      std::array<float, 8> p = entry;
      float sum = 0;
      for (unsigned i = 0; i < 8; ++i) {
        if ((signs >> i & 1) != 0) p[i] = -p[i];
        sum += p[i];
      }
      if (std::fmod(sum, 2.0f) != 0) continue;
      for (const float move : {0.25f, -0.25f}) {
        points.push_back(p);
        for (float& v : points.back()) v += move;
      }
    }
  }
  return points;
}

TEST(E8p, HasTheSizesOfThePaper) {
  const E8pCode code;
  ASSERT_EQ(code.positive().size(), 256u);
  size_t within = 0;
  for (const std::array<float, 8>& p : code.positive()) {
    float norm = 0;
    for (const float v : p) norm += v * v;
    within += norm <= 10 ? 1 : 0;
    EXPECT_LE(norm, 12);
  }
  EXPECT_EQ(within, 227u);
  const std::vector<std::array<float, 8>> points = all_points(code);
  EXPECT_EQ(std::set(points.begin(), points.end()).size(), 65536u);
  EXPECT_EQ(std::set(code.short_points().begin(), code.short_points().end()).size(), 256u);
}

TEST(E8p, FindsTheNearestOfAllPoints) {
  const E8pCode code;
  const std::vector<std::array<float, 8>> points = all_points(code);
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 60; ++trial) {
    float x[8], found[8], nearest_short[8];
    for (float& v : x) v = static_cast<float>(gaussian_variate(random) * 1.2);
    const auto distance = [&](const float* p) {
      double sum = 0;
      for (int i = 0; i < 8; ++i) sum += (x[i] - p[i]) * (x[i] - p[i]);
      return sum;
    };
    double best = INFINITY, best_short = INFINITY;
    for (const auto& p : points) best = std::min(best, distance(p.data()));
    for (const auto& p : code.short_points()) best_short = std::min(best_short, distance(p.data()));
    code.nearest(x, found);
    code.nearest_short(x, nearest_short);
    EXPECT_NEAR(distance(found), best, 1e-5);
    EXPECT_NEAR(distance(nearest_short), best_short, 1e-5);
  }
}

// SeedLM, Figure 4: K = 3, seed 4, C = 4, P = 2.
TEST(Lfsr, TheExampleOfThePaper) {
  EXPECT_EQ(lfsr_states(3, {0, 1}, 4, 8), (std::vector<uint32_t>{2, 5, 6, 7, 3, 1, 4, 2}));
}

TEST(Lfsr, SixteenBitsVisitEveryState) {
  const std::vector<uint32_t> states = lfsr_states(16, {0, 1, 3, 12}, 1, 65535);
  EXPECT_EQ(std::set(states.begin(), states.end()).size(), 65535u);
  EXPECT_EQ(states.back(), 1u);
}

TEST(Lfsr, KernelsAgreeWithTheReference) {
  std::mt19937_64 random(3);
  for (const auto& [length, numbers] : {std::pair(8u, 3u), {12u, 4u}, {4u, 2u}}) {
    std::vector<float> bases(numbers * length * kLfsrTile), blocks(kLfsrTogether * length);
    for (float& v : bases) v = static_cast<float>(gaussian_variate(random));
    for (float& v : blocks) v = static_cast<float>(gaussian_variate(random));
    std::vector<float> expected(kLfsrTogether * kLfsrTile), found(expected);
    std::array<float, kLfsrTogether> most{}, largest{};
    lfsr_shares_scalar({bases.data(), length, numbers, blocks.data(), expected.data(), most.data()});
    for (const Isa isa : available_isas()) {
      lfsr_kernel(isa)({bases.data(), length, numbers, blocks.data(), found.data(), largest.data()});
      for (size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 1e-4f * (1 + expected[i]));
      for (size_t b = 0; b < kLfsrTogether; ++b) EXPECT_NEAR(largest[b], most[b], 1e-4f * most[b]);
    }
  }
}

TEST(Lfsr, TheSearchMissesNoBetterSeed) {
  std::mt19937_64 random(2);
  for (const auto& [length, numbers] : {std::pair(8u, 3u), {12u, 4u}}) {
    const LfsrCode code(length, numbers);
    EXPECT_EQ(code.bits(), length == 8 ? 32u : 36u);
    std::vector<float> blocks(5 * length), decoded(blocks.size()), tried(length);
    for (float& v : blocks) v = static_cast<float>(gaussian_variate(random) * 0.1);
    code.quantise(blocks.data(), 5, decoded.data());
    for (size_t b = 0; b < 5; ++b) {
      float best = INFINITY, found = 0;
      for (uint32_t s = 0; s < 65535; ++s)
        best = std::min(best, code.decode_best(blocks.data() + b * length, s, tried.data()));
      for (size_t c = 0; c < length; ++c) {
        const float d = blocks[b * length + c] - decoded[b * length + c];
        found += d * d;
      }
      EXPECT_NEAR(found / best, 1, 1e-4);
    }
  }
}

}  // namespace
}  // namespace nwc

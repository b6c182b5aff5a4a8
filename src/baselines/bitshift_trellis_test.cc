#include "baselines/bitshift_trellis.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>

#include "baselines/hybrid_code.h"
#include "baselines/one_mad_code.h"
#include "baselines/random_permutation_code.h"
#include "baselines/sources.h"
#include "baselines/three_inst_code.h"
#include "baselines/trellis_quantizer.h"
#include "baselines/viterbi_kernel.h"

namespace nwc {
namespace {

BitshiftTrellis random_trellis(unsigned state_bits, unsigned step_bits, unsigned values, std::mt19937_64& random) {
  BitshiftTrellis trellis{state_bits, step_bits, values, {}};
  for (uint32_t i = 0; i < values * trellis.states(); ++i)
    trellis.code.push_back(static_cast<float>(random() % 2001) / 1000 - 1);
  return trellis;
}

// Every path there is, from every state.
double best_by_trying_all(const BitshiftTrellis& trellis, std::span<const float> weights,
                          std::optional<uint32_t> overlap, size_t step, uint32_t state) {
  double error = 0;
  for (unsigned v = 0; v < trellis.values; ++v) {
    const double d = weights[step * trellis.values + v] - trellis.code[v * trellis.states() + state];
    error += d * d;
  }
  const uint32_t group = 1u << trellis.overlap_bits();
  if ((step + 1) * trellis.values == weights.size())
    return !overlap || (state & (group - 1)) == *overlap ? error : INFINITY;
  double best = INFINITY;
  for (uint32_t bits = 0; bits < 1u << trellis.step_bits; ++bits) {
    const uint32_t next = (state << trellis.step_bits | bits) & (trellis.states() - 1);
    best = std::min(best, best_by_trying_all(trellis, weights, overlap, step + 1, next));
  }
  return error + best;
}

TEST(Viterbi, AgreesWithTryingAllPaths) {
  std::mt19937_64 random(1);
  ViterbiScratch scratch;
  struct Shape {
    unsigned state_bits, step_bits, values;
    size_t steps;
  };
  for (const Shape s :
       {Shape{3, 1, 1, 9}, Shape{4, 2, 2, 5}, Shape{4, 3, 1, 4}, Shape{4, 4, 2, 3}, Shape{5, 1, 2, 8}}) {
    for (int trial = 0; trial < 5; ++trial) {
      const BitshiftTrellis trellis = random_trellis(s.state_bits, s.step_bits, s.values, random);
      std::vector<float> weights;
      for (size_t i = 0; i < s.steps * s.values; ++i)
        weights.push_back(static_cast<float>(random() % 3001) / 1000 - 1.5f);
      for (int constrained = 0; constrained < 2; ++constrained) {
        std::optional<uint32_t> overlap;
        if (constrained == 1) overlap = static_cast<uint32_t>(random() % (1u << trellis.overlap_bits()));
        double best = INFINITY;
        for (uint32_t state = 0; state < trellis.states(); ++state) {
          if (overlap && state >> trellis.step_bits != *overlap) continue;
          best = std::min(best, best_by_trying_all(trellis, weights, overlap, 0, state));
        }
        const std::vector<uint32_t> overlaps(overlap ? 1 : 0, overlap.value_or(0));
        const TrellisPath path = best_paths(trellis, weights, weights.size(), overlaps, scratch)[0];
        ASSERT_EQ(path.states.size(), s.steps);
        EXPECT_NEAR(path.squared_error, best, 1e-5);
        for (size_t t = 1; t < s.steps; ++t)
          EXPECT_EQ(path.states[t] >> trellis.step_bits, path.states[t - 1] & ((1u << trellis.overlap_bits()) - 1));
        if (overlap) {
          EXPECT_EQ(path.states.front() >> trellis.step_bits, *overlap);
          EXPECT_EQ(path.states.back() & ((1u << trellis.overlap_bits()) - 1), *overlap);
        }
      }
    }
  }
}

// The kernels of this machine against the reference, in every shape that they treat in their own way.
TEST(Viterbi, KernelsAgreeWithTheReference) {
  std::mt19937_64 random(2);
  for (const Isa isa : available_isas()) {
    for (const unsigned step_bits : {1u, 2u, 3u, 4u, 6u, 8u}) {
      for (const unsigned values : {1u, 2u}) {
        const BitshiftTrellis trellis = random_trellis(12, step_bits, values, random);
        const size_t group = size_t{1} << trellis.overlap_bits();
        for (size_t sequences = 1; sequences <= kViterbiTogether; ++sequences) {
          ViterbiStep step{trellis.code.data(), 12, step_bits, values, sequences};
          std::vector<float> weights(2 * sequences), from(sequences * (group + kViterbiPadding));
          for (float& v : weights) v = static_cast<float>(random() % 3001) / 1000 - 1.5f;
          for (float& v : from) v = static_cast<float>(random() % 5001) / 1000;
          std::vector<float> best[2];
          std::vector<uint8_t> branch[2];
          for (int k = 0; k < 2; ++k) {
            best[k].resize(sequences * group);
            branch[k].resize(sequences * group);
            for (size_t q = 0; q < sequences; ++q) {
              step.weights[q] = weights.data() + 2 * q;
              step.from[q] = from.data() + q * (group + kViterbiPadding);
              step.best[q] = best[k].data() + q * group;
              step.branch[q] = branch[k].data() + q * group;
            }
            k == 0 ? viterbi_step_scalar(step) : viterbi_kernel(isa)(step);
          }
          size_t others = 0;  // ties within rounding
          for (size_t i = 0; i < best[0].size(); ++i) {
            ASSERT_NEAR(best[0][i], best[1][i], 1e-5f);
            if (branch[0][i] != branch[1][i]) ++others;
          }
          EXPECT_LE(others, best[0].size() / 100 + 2) << name_of(isa) << " " << step_bits << " " << values;
        }
      }
    }
  }
}

TEST(Viterbi, SequencesTogetherAreThoseAlone) {
  std::mt19937_64 random(3);
  ViterbiScratch scratch;
  const BitshiftTrellis trellis = random_trellis(10, 2, 1, random);
  std::vector<float> weights(7 * 64);
  for (float& v : weights) v = static_cast<float>(random() % 3001) / 1000 - 1.5f;
  const std::vector<TrellisPath> together = tail_biting_paths(trellis, weights, 64, scratch);
  ASSERT_EQ(together.size(), 7u);
  for (size_t i = 0; i < 7; ++i) {
    const TrellisPath alone =
        tail_biting_paths(trellis, std::span<const float>(weights).subspan(i * 64, 64), 64, scratch)[0];
    EXPECT_EQ(together[i].states, alone.states);
    EXPECT_EQ(alone.states.front() >> 2, alone.states.back() & 255u);
  }
}

// x = 0: 64248484 = 0x03D45AA4; of 0x03D4 and 0x5AA4 sign, low exponent bits and mantissa are 0x03D4 and 0x0AA4, and
// with 0x3B60 they become 0x38B4 = 0.587890625 and 0x31C4 = 0.18017578125.
TEST(ThreeInst, LiteralNumberAndMoments) {
  const BitshiftTrellis trellis = three_inst_code(16, 2);
  EXPECT_EQ(trellis.code[0], 0.587890625f + 0.18017578125f);
  double sum = 0, squares = 0;
  for (const float v : trellis.code) {
    sum += v;
    squares += v * v;
  }
  EXPECT_NEAR(sum / 65536, 0, 0.02);
  EXPECT_NEAR(squares / 65536, 1.547, 0.02);
}

TEST(OneMad, IsNearlyAStandardGaussian) {
  const BitshiftTrellis trellis = one_mad_code(16, 2);
  EXPECT_EQ(trellis.code.size(), 65536u);
  double sum = 0, squares = 0;
  for (const float v : trellis.code) {
    sum += v;
    squares += v * v;
    ASSERT_LE(std::abs(v), 3.46f);
  }
  EXPECT_NEAR(sum / 65536, 0, 0.02);
  EXPECT_NEAR(squares / 65536, 1, 0.02);
  // x = 0: bytes of 76625530 = 0x0491367A are 4, 145, 54 and 122.
  EXPECT_NEAR(trellis.code[0], (4 + 145 + 54 + 122 - 510) / 147.8005, 1e-4);
}

TEST(RandomPermutation, IsAPermutationOfQuantiles) {
  BitshiftTrellis a = random_permutation_code(8, 2, 1), b = random_permutation_code(8, 2, 2);
  EXPECT_NE(a.code, b.code);
  std::sort(a.code.begin(), a.code.end());
  std::sort(b.code.begin(), b.code.end());
  EXPECT_EQ(a.code, b.code);
  EXPECT_FLOAT_EQ(a.code[0], static_cast<float>(gaussian_quantile(0.5 / 256)));
}

TEST(HybridCode, EntriesWithTheSignOfTheSecondFlipped) {
  const HybridCodebook book{2, {{1, 2}, {3, 4}, {5, 6}, {7, 8}}};
  const BitshiftTrellis trellis = hybrid_code(book, 12, 1);
  EXPECT_EQ(trellis.step_bits, 2u);
  std::set<std::pair<float, float>> seen;
  for (uint32_t x = 0; x < trellis.states(); ++x) seen.emplace(trellis.code[x], trellis.code[trellis.states() + x]);
  EXPECT_EQ(seen.size(), 8u);
  // x = 200: 200^2 + 200 = 40200 = 0x9D08; bit 15 is set, bits 13 and 14 are 0.
  EXPECT_EQ(trellis.code[200], 1);
  EXPECT_EQ(trellis.code[trellis.states() + 200], -2);
}

// QTIP, Table 2: tail-biting, L = 12, 2 bits: 0.0733 (our sample is small, our code another).
TEST(TrellisQuantizer, NearPublishedErrors) {
  const Samples samples = draw(Source::kGaussian, 1 << 15, 1);
  const TrellisOptions options{.state_bits = 12, .samples = 16384, .tail_biting = true};
  const TrellisResult r =
      trellis_quantizer([](unsigned l) { return random_permutation_code(l, 2, 1); }, samples.values, options, 2);
  EXPECT_EQ(r.point.bits, 2);
  EXPECT_EQ(r.samples, 16384u);
  EXPECT_NEAR(r.point.nmse, 0.0733, 0.0025);
}

TEST(TrellisQuantizer, CountsTheBitsOfAnOpenBeginning) {
  const Samples samples = draw(Source::kGaussian, 1 << 14, 1);
  const auto code = [](unsigned l) { return one_mad_code(l, 2); };
  const TrellisOptions options{.state_bits = 10, .samples = 4096};
  const TrellisResult open = trellis_quantizer(code, samples.values, options, 1);
  EXPECT_DOUBLE_EQ(open.point.bits, 2 + 8.0 / 256);
  EXPECT_EQ(open.point.nmse, trellis_quantizer(code, samples.values, options, 3).point.nmse);
  const TrellisResult bitten =
      trellis_quantizer(code, samples.values, {.state_bits = 10, .samples = 4096, .tail_biting = true}, 1);
  EXPECT_EQ(bitten.point.bits, 2);
  EXPECT_GE(bitten.point.nmse, open.point.nmse);
}

}  // namespace
}  // namespace nwc

#include "quantise/trellis_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "codec/encode/plain_codec.h"
#include "codec/encode/trellis_codes.h"

namespace nwc {
namespace {

constexpr uint32_t kRows = 64;
constexpr double kWeight = 0.372;

struct Path {
  std::vector<int32_t> integers;
  double cost = 0;  // distance^2 + rate
  bool follows = true;
};

class TrellisSearchTest : public ::testing::Test {
 protected:
  // Feedback coefficients and targets of some spread.
  explicit TrellisSearchTest() : base_(kRows), moves_(kRows), factors_(kRows), contexts_(kRows), m_(kRows * kRows) {
    std::mt19937 random(7);
    std::normal_distribution<float> gaussian;
    for (uint32_t r = 0; r < kRows; ++r) {
      factors_[r] = std::exp2(0.25f * gaussian(random));
      base_[r] = 3 * gaussian(random);
      moves_[r] = 0.3f * gaussian(random);
      contexts_[r] = static_cast<Context>(60 + random() % 8);
      for (uint32_t above = 0; above < r; ++above) m_[r * kRows + above] = 0.2f * gaussian(random);
    }
  }
  ColumnTask task(bool feedback, uint32_t rows = kRows) const {
    return {.rows = rows,
            .base = base_.data(),
            .moves = moves_.data(),
            .scale = 0.9f,
            .factors = factors_.data(),
            .contexts = contexts_.data(),
            .coefficients = feedback ? m_.data() : nullptr,
            .coefficient_stride = kRows};
  }
  // What integers cost, and whether they are a path.
  Path evaluate(const Trellis& trellis, const SymbolCosts& costs, const ColumnTask& t,
                std::vector<int32_t> integers) const {
    Path path{std::move(integers)};
    unsigned state = 0;
    for (uint32_t r = 0; r < t.rows; ++r) {
      const int32_t v = path.integers[r], half = v >> 1;
      path.follows &= static_cast<unsigned>(v & 1) == Trellis::union_of(state);
      const SymbolCosts::Table& table = costs[static_cast<Context>(t.contexts[r] + (v & 1) * 128)];
      state = trellis.next[state][table.has(half) ? half & 1 : 0];
    }
    std::vector<double> moves(t.moves, t.moves + t.rows);
    for (uint32_t r = t.rows; r-- > 0;) {
      const int32_t v = path.integers[r];
      const double step = double{t.scale} * t.factors[r], x = (t.base[r] + moves[r]) / step;
      path.cost += (x - v) * (x - v) + costs[static_cast<Context>(t.contexts[r] + (v & 1) * 128)].at(v >> 1);
      if (t.coefficients == nullptr) continue;
      for (uint32_t above = 0; above < r; ++above)
        moves[above] += (t.base[r] - v * step) * t.coefficients[r * kRows + above];
    }
    return path;
  }

  std::vector<float> base_, moves_, factors_;
  std::vector<Context> contexts_;
  std::vector<float> m_;
};

TEST_F(TrellisSearchTest, FindsTheCheapestOfAllPaths) {
  constexpr uint32_t rows = 6;
  for (const unsigned states : {4u, 8u, 16u}) {
    const Trellis trellis = make_trellis(states);
    const EncoderCodec codec = trellis_codec(trellis, 64, 1.5);
    const SymbolCosts costs(codec.decoder.tables.set, kWeight);
    const ColumnTask t = task(false, rows);
    std::vector<int32_t> found(rows);
    search_trellis(trellis, costs, 128, t, Isa::kScalar, found.data());
    const Path path = evaluate(trellis, costs, t, found);
    EXPECT_TRUE(path.follows);
    // Every path whose integers are near.
    double least = std::numeric_limits<double>::infinity();
    std::vector<int32_t> centre(rows), tried(rows);
    for (uint32_t r = 0; r < rows; ++r)
      centre[r] = static_cast<int32_t>(std::nearbyint((base_[r] + moves_[r]) / 0.9f / factors_[r]));
    const auto extend = [&](auto& self, uint32_t r, unsigned state) -> void {
      if (r == rows) {
        const Path other = evaluate(trellis, costs, t, tried);
        if (other.follows) least = std::min(least, other.cost);
        return;
      }
      for (int32_t v = centre[r] - 4; v <= centre[r] + 4; ++v) {
        if (static_cast<unsigned>(v & 1) != Trellis::union_of(state)) continue;
        tried[r] = v;
        self(self, r + 1, trellis.next[state][(v >> 1) & 1]);
      }
    };
    extend(extend, 0, 0);
    EXPECT_NEAR(path.cost, least, 1e-4) << states << " states";
  }
}

TEST_F(TrellisSearchTest, MoreStatesCostLess) {
  double before = std::numeric_limits<double>::infinity();
  std::mt19937 random(3);
  std::normal_distribution<float> gaussian;
  std::vector<std::vector<float>> many(256, std::vector<float>(kRows));
  for (std::vector<float>& targets : many) {
    for (float& v : targets) v = 4 * gaussian(random);
  }
  const std::vector<Context> alike(kRows, 64);
  for (const unsigned states : {4u, 8u, 32u}) {
    const Trellis trellis = make_trellis(states);
    const SymbolCosts costs(trellis_codec(trellis, 64, 2).decoder.tables.set, kWeight);
    double sum = 0;
    for (const std::vector<float>& targets : many) {
      const std::vector<float> ones(kRows, 1.0f), none(kRows, 0.0f);
      const ColumnTask t{.rows = kRows,
                         .base = targets.data(),
                         .moves = none.data(),
                         .factors = ones.data(),
                         .contexts = alike.data()};
      std::vector<int32_t> found(kRows);
      search_trellis(trellis, costs, 128, t, current_isa(), found.data());
      sum += evaluate(trellis, costs, t, found).cost;
    }
    EXPECT_LT(sum, before) << states << " states";
    before = sum;
  }
}

// A survivor's own errors move what it aims at: the path costs less than one that was chosen without knowing them.
TEST_F(TrellisSearchTest, SurvivorsAimAtWhatTheyLeftOver) {
  const Trellis trellis = make_trellis(8);
  const SymbolCosts costs(trellis_codec(trellis, 64, 1.5).decoder.tables.set, kWeight);
  std::vector<int32_t> with(kRows), without(kRows);
  search_trellis(trellis, costs, 128, task(true), current_isa(), with.data());
  search_trellis(trellis, costs, 128, task(false), current_isa(), without.data());
  const Path fed = evaluate(trellis, costs, task(true), with);
  EXPECT_TRUE(fed.follows);
  EXPECT_LT(fed.cost, 0.9 * evaluate(trellis, costs, task(true), without).cost);
}

TEST_F(TrellisSearchTest, EveryInstructionSetFindsTheSame) {
  for (const unsigned states : {4u, 8u, 64u}) {
    const Trellis trellis = make_trellis(states);
    const SymbolCosts costs(trellis_codec(trellis, 64, 1.5).decoder.tables.set, kWeight);
    for (const bool feedback : {false, true}) {
      std::vector<int32_t> reference(kRows), found(kRows);
      search_trellis(trellis, costs, 128, task(feedback), Isa::kScalar, reference.data());
      for (const Isa isa : available_isas()) {
        search_trellis(trellis, costs, 128, task(feedback), isa, found.data());
        EXPECT_EQ(found, reference) << states << " states, " << name_of(isa);
      }
    }
  }
}

// Numbers far outside of the tables are spelled out, and the path goes on; NaN counts as 0.
TEST_F(TrellisSearchTest, TakesAnyNumbers) {
  const Trellis trellis = make_trellis(8);
  const SymbolCosts costs(trellis_codec(trellis, 64, 1.5).decoder.tables.set, kWeight);
  base_[10] = 1e6f;
  base_[20] = -3e38f;
  base_[30] = std::numeric_limits<float>::quiet_NaN();
  base_[40] = std::numeric_limits<float>::infinity();
  std::vector<int32_t> found(kRows);
  search_trellis(trellis, costs, 128, task(false), current_isa(), found.data());
  EXPECT_TRUE(evaluate(trellis, costs, task(false), found).follows);
  EXPECT_NEAR(found[10] * 0.9 * factors_[10], 1e6, 4);
  EXPECT_LE(found[20], -(1 << 29) + 8);
  EXPECT_LE(std::abs(found[30]), 2);
  EXPECT_GE(found[40], (1 << 29) - 8);
}

}  // namespace
}  // namespace nwc

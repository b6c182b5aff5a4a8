#include "model/layers/layers.h"

#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "model/layers/attention.h"
#include "model/layers/mlp.h"
#include "model/layers/rope.h"

namespace nwc {
namespace {

at::Tensor tensor(const std::vector<float>& values, at::IntArrayRef shape) { return torch::tensor(values).view(shape); }

std::vector<float> values_of(const at::Tensor& t) {
  const at::Tensor flat = t.contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

void expect_near(const at::Tensor& actual, const std::vector<double>& expected, double tolerance) {
  const std::vector<float> values = values_of(actual);
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], tolerance) << "element " << i;
}

// Deterministic, dense values around zero.
at::Tensor wave(at::IntArrayRef shape, double step) {
  int64_t n = 1;
  for (const int64_t dim : shape) n *= dim;
  return (torch::arange(n, torch::kFloat64) * step).sin().to(torch::kFloat32).view(shape);
}

TEST(NormTest, LiteralCase) {
  // mean of squares (9 + 16) / 2 = 12.5; eps brings it to 16.
  Norm norm;
  norm.spec.eps = 3.5;
  norm.weight = tensor({2, -1}, {2});
  expect_near(norm.forward(tensor({3, 4}, {1, 2})), {1.5, -1}, 1e-6);
}

TEST(LinearTest, LiteralCaseAndHook) {
  const Linear linear{{"w", "b", 2, 3}, tensor({1, 2, 3, 4, 5, 6}, {3, 2}), tensor({10, 20, 30}, {3})};
  std::string seen;
  std::vector<float> input;
  const at::Tensor y =
      linear.forward(tensor({1, -1}, {1, 2}), [&](const LinearSpec& spec, const at::Tensor& x, const at::Tensor&) {
        seen = spec.weight;
        input = values_of(x);
      });
  expect_near(y, {9, 19, 29}, 0);
  EXPECT_EQ(seen, "w");
  EXPECT_EQ(input, (std::vector<float>{1, -1}));
}

TEST(GatedMlpTest, LiteralCase) {
  // gate(x) = x0 = 2, up(x) = x1 = 3, down multiplies by 5: 5 * 3 * 2 / (1 + e^-2).
  const GatedMlp mlp{{{"g", "", 2, 1}, tensor({1, 0}, {1, 2}), {}},
                     {{"u", "", 2, 1}, tensor({0, 1}, {1, 2}), {}},
                     {{"d", "", 1, 1}, tensor({5}, {1, 1}), {}}};
  std::vector<std::string> order;
  const at::Tensor y = mlp.forward(tensor({2, 3}, {1, 2}), [&](const LinearSpec& spec, const at::Tensor&,
                                                               const at::Tensor&) { order.push_back(spec.weight); });
  expect_near(y, {26.4239123}, 1e-5);
  EXPECT_EQ(order.size(), 3u);
  EXPECT_EQ(order.back(), "d");
}

TEST(RopeTest, UnscaledFrequencies) {
  // 10000^(-2 i / 8)
  EXPECT_EQ(rope_frequencies({}, 8), (std::vector<float>{1, 0.1f, 0.01f, 0.001f}));
}

TEST(RopeTest, LinearScalingDividesAll) {
  EXPECT_EQ(rope_frequencies({10000, RopeSpec::Scaling::kLinear, 4}, 4), (std::vector<float>{0.25f, 0.0025f}));
}

TEST(RopeTest, Llama3ScalingKeepsHighAndStretchesLowFrequencies) {
  // Turns within the 1000 original positions, 1000 f / 2 pi: 159 (kept), 1.59 (between), 0.0159 (divided by 8).
  const std::vector<float> f = rope_frequencies({1e6, RopeSpec::Scaling::kLlama3, 8, 1, 4, 1000}, 6);
  ASSERT_EQ(f.size(), 3u);
  EXPECT_FLOAT_EQ(f[0], 1);
  const double kept = (10 / (2 * std::numbers::pi) - 1) / 3;
  EXPECT_FLOAT_EQ(f[1], static_cast<float>((1 - kept) * 0.01 / 8 + kept * 0.01));
  EXPECT_FLOAT_EQ(f[2], 1.25e-5f);
}

TEST(RopeTest, RotatesPairsOfTheTwoHalves) {
  RopeTables tables;
  // Head dimension 4, frequencies 1 and 0.01; position 2: (1, 3) turns by 2, (2, 4) by 0.02.
  const at::Tensor y = tables.rotate(tensor({1, 2, 3, 4}, {1, 1, 1, 4}), {}, 2);
  expect_near(y,
              {std::cos(2.0) - 3 * std::sin(2.0), 2 * std::cos(0.02) - 4 * std::sin(0.02),
               3 * std::cos(2.0) + std::sin(2.0), 4 * std::cos(0.02) + 2 * std::sin(0.02)},
              1e-6);
}

TEST(RopeTest, RotatesNeighboursOfAPartOfTheHead) {
  RopeTables tables;
  // Of 6 dimensions 4 turn, in pairs of neighbours: (1, 2) by 2 and (3, 4) by 0.02; 5 and 6 pass.
  const RopeSpec rope{.partial = 0.7, .interleaved = true};
  const at::Tensor y = tables.rotate(tensor({1, 2, 3, 4, 5, 6}, {1, 1, 1, 6}), rope, 2);
  expect_near(y,
              {std::cos(2.0) - 2 * std::sin(2.0), 2 * std::cos(2.0) + std::sin(2.0),
               3 * std::cos(0.02) - 4 * std::sin(0.02), 4 * std::cos(0.02) + 3 * std::sin(0.02), 5, 6},
              1e-6);
}

TEST(RopeTest, LongRopeDividesEachPairByTheLengthOfTheSequence) {
  RopeSpec rope{.scaling = RopeSpec::Scaling::kLong, .original_positions = 4, .magnitude = 2};
  rope.short_factors = {1, 2};
  rope.long_factors = {4, 10};
  EXPECT_EQ(rope_frequencies(rope, 4, 4), (std::vector<float>{1, 0.005f}));
  EXPECT_EQ(rope_frequencies(rope, 4, 5), (std::vector<float>{0.25f, 0.001f}));
  // The last of 4 positions turns by 3; the last of 5 by 4 / 4.
  RopeTables tables;
  const at::Tensor x = tensor({1, 0, 0, 0}, {1, 1, 1, 4});
  expect_near(tables.rotate(x, rope, 3).narrow(3, 0, 1), {2 * std::cos(3.0)}, 1e-6);
  expect_near(tables.rotate(x, rope, 4).narrow(3, 0, 1), {2 * std::cos(1.0)}, 1e-6);
}

TEST(AttentionTest, SoftcapAndValuesOfAnotherWidth) {
  // Query 1 scores its keys 2 tanh(0) and 2 tanh(ln 3 / 2) = 1.
  const at::Tensor q = tensor({7, 1}, {1, 2, 1, 1}), k = tensor({0, std::log(3.0f)}, {1, 2, 1, 1});
  const at::Tensor v = tensor({1, 2, 3, 5, 6, 7}, {1, 2, 1, 3});
  const Visibility capped{.softcap = 2};
  const double share = 1 / (1 + std::exp(-1.0));
  for (const at::Tensor& y : {attend(q, k, v, capped), attend_together(q, k, v, capped)}) {
    expect_near(y, {1, 2, 3, 1 + 4 * share, 2 + 4 * share, 3 + 4 * share}, 1e-6);
  }
}

TEST(RopeTest, PositionsContinueAcrossCallsAndTablesGrow) {
  RopeTables tables;
  const at::Tensor x = wave({2, 700, 3, 8}, 0.37);
  const at::Tensor whole = tables.rotate(x, {}, 0);
  const at::Tensor tail = tables.rotate(x.narrow(1, 600, 100), {}, 600);
  EXPECT_TRUE(torch::equal(whole.narrow(1, 600, 100), tail));
  // Another spec of the same size must not get the first one's table.
  EXPECT_FALSE(torch::equal(whole, tables.rotate(x, {500, RopeSpec::Scaling::kNone}, 0)));
}

// The definition, in double precision.
std::vector<double> naive_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, double scale,
                                    int64_t window) {
  const int64_t batch = q.size(0), queries = q.size(1), heads = q.size(2), dim = q.size(3);
  const int64_t keys = k.size(1), group = heads / k.size(2);
  const auto qa = q.accessor<float, 4>(), ka = k.accessor<float, 4>(), va = v.accessor<float, 4>();
  std::vector<double> out;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = 0; t < queries; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t position = keys - queries + t;
        std::vector<double> mixed(dim);
        double total = 0;
        for (int64_t s = std::max<int64_t>(0, position - window + 1); s <= position; ++s) {
          double score = 0;
          for (int64_t d = 0; d < dim; ++d) score += double{qa[b][t][h][d]} * double{ka[b][s][h / group][d]};
          const double weight = std::exp(scale * score);
          total += weight;
          for (int64_t d = 0; d < dim; ++d) mixed[d] += weight * double{va[b][s][h / group][d]};
        }
        for (const double m : mixed) out.push_back(m / total);
      }
    }
  }
  return out;
}

TEST(AttentionTest, LiteralCase) {
  // One head of one dimension, scale 1: query 1 weighs its keys e^0 : e^ln3 = 1 : 3.
  const float ln3 = std::log(3.0f);
  const at::Tensor y =
      attend(tensor({5, 1}, {1, 2, 1, 1}), tensor({0, ln3}, {1, 2, 1, 1}), tensor({8, 16}, {1, 2, 1, 1}), {1});
  expect_near(y, {8, 14}, 1e-5);
}

struct AttentionCase {
  int64_t batch, queries, keys, heads, kv_heads, dim;
  std::optional<int64_t> window;
};

class AttentionAgainstLoops : public ::testing::TestWithParam<AttentionCase> {};

TEST_P(AttentionAgainstLoops, Agrees) {
  const AttentionCase& c = GetParam();
  const at::Tensor q = wave({c.batch, c.queries, c.heads, c.dim}, 0.71);
  const at::Tensor k = wave({c.batch, c.keys, c.kv_heads, c.dim}, 1.13);
  const at::Tensor v = wave({c.batch, c.keys, c.kv_heads, c.dim}, 0.29);
  const auto wanted = naive_attention(q, k, v, 0.8, c.window.value_or(1 << 30));
  expect_near(attend(q, k, v, {0.8, true, c.window}), wanted, 2e-6);
  expect_near(attend_together(q, k, v, {0.8, true, c.window}), wanted, 2e-6);
}

// The GPU's form masks scores without autograd's knowledge, and must have the gradients of the CPU's all the same.
TEST_P(AttentionAgainstLoops, BothFormsHaveTheSameGradients) {
  const AttentionCase& c = GetParam();
  const std::vector<at::Tensor> leaves{wave({c.batch, c.queries, c.heads, c.dim}, 0.71).requires_grad_(),
                                       wave({c.batch, c.keys, c.kv_heads, c.dim}, 1.13).requires_grad_(),
                                       wave({c.batch, c.keys, c.kv_heads, c.dim}, 0.29).requires_grad_(),
                                       wave({c.heads}, 0.37).requires_grad_()};
  const Visibility visibility{0.8, true, c.window, leaves[3]};
  const at::Tensor one = attend(leaves[0], leaves[1], leaves[2], visibility),
                   other = attend_together(leaves[0], leaves[1], leaves[2], visibility);
  EXPECT_LT((one - other).abs().max().item<float>(), 2e-6);
  const at::Tensor pull = wave(one.sizes().vec(), 0.53);
  const auto wanted = torch::autograd::grad({one}, leaves, {pull}),
             got = torch::autograd::grad({other}, leaves, {pull});
  for (size_t i = 0; i < leaves.size(); ++i)
    EXPECT_LT((got[i] - wanted[i]).norm().item<float>(), 1e-5 * wanted[i].norm().item<float>() + 1e-6) << i;
}

INSTANTIATE_TEST_SUITE_P(Shapes, AttentionAgainstLoops,
                         ::testing::Values(AttentionCase{2, 5, 5, 4, 2, 8, std::nullopt},  // grouped heads, a batch
                                           AttentionCase{1, 1, 9, 2, 2, 4, std::nullopt},  // one new token after eight
                                           AttentionCase{1, 3, 9, 6, 2, 4, std::nullopt},  // some new tokens after six
                                           AttentionCase{1, 600, 600, 2, 1, 4,
                                                         std::nullopt},                // several slices of queries
                                           AttentionCase{1, 600, 600, 2, 1, 4, 1},     // a window of itself only
                                           AttentionCase{1, 600, 600, 2, 1, 4, 7},     // a window narrower than a slice
                                           AttentionCase{1, 600, 600, 2, 1, 4, 300},   // a window wider than a slice
                                           AttentionCase{1, 600, 600, 2, 1, 4, 5000},  // a window that never matters
                                           AttentionCase{2, 3, 20, 2, 1, 4, 2},        // a window after cached keys
                                           AttentionCase{1, 1, 20, 2, 1, 4, 6}));

TEST(AttentionTest, KeysAndValuesMayBeViews) {
  const at::Tensor k = wave({2, 3, 7, 4}, 1.13), v = wave({2, 3, 7, 4}, 0.29), q = wave({2, 7, 3, 4}, 0.71);
  const at::Tensor y = attend(q, k.transpose(1, 2), v.transpose(1, 2), {1});
  EXPECT_TRUE(torch::equal(y, attend(q, k.transpose(1, 2).contiguous(), v.transpose(1, 2).contiguous(), {1})));
}

TEST(KvCacheTest, HoldsWhatWasAppendedWhileItGrows) {
  const at::Tensor k = wave({2, 200, 3, 4}, 1.13), v = wave({2, 200, 3, 4}, 0.29);
  LayerCache cache;
  EXPECT_EQ(cache.length(), 0);
  std::pair<at::Tensor, at::Tensor> held;
  for (const auto& [begin, count] : {std::pair{0, 50}, {50, 1}, {51, 60}, {111, 89}}) {
    held = cache.append(k.narrow(1, begin, count), v.narrow(1, begin, count));
    EXPECT_EQ(cache.length(), begin + count);
    EXPECT_TRUE(torch::equal(held.first, k.narrow(1, 0, begin + count)));
  }
  EXPECT_TRUE(torch::equal(held.second, v));
}

}  // namespace
}  // namespace nwc

#include "model/layers/mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <vector>

#include "model/layers/attention.h"
#include "model/parameters/once_source.h"

namespace nwc {
namespace {

// Deterministic, dense values around zero.
at::Tensor wave(at::IntArrayRef shape, double step) {
  int64_t n = 1;
  for (const int64_t dim : shape) n *= dim;
  return (torch::arange(n, torch::kFloat64) * step).sin().to(torch::kFloat32).view(shape);
}

// A source of such tensors for whatever is asked.
class Waves : public ParameterSource {
 public:
  Status check(const TensorSpec&) const override { return {}; }
  Result<at::Tensor> load(const TensorSpec& tensor) const override {
    ++loads[tensor.name];
    return wave(tensor.shape, 0.37 + 0.001 * std::accumulate(tensor.name.begin(), tensor.name.end(), 0));
  }
  mutable std::map<std::string, int> loads;
};

constexpr int64_t kHidden = 6, kWidth = 4, kExperts = 5, kChosen = 2;

MixtureSpec separate_experts(bool renormalise) {
  MixtureSpec mixture{{"router", "", kHidden, kExperts}, kChosen, renormalise, {}};
  for (int64_t i = 0; i < kExperts; ++i) {
    const std::string prefix = "expert" + std::to_string(i);
    mixture.experts.push_back(GatedMlpSpec{{prefix + ".gate", "", kHidden, kWidth},
                                           {prefix + ".up", "", kHidden, kWidth},
                                           {prefix + ".down", "", kWidth, kHidden}});
  }
  return mixture;
}

MixtureSpec fused_experts(bool transposed) {
  MixtureSpec mixture{{"router", "router_bias", kHidden, kExperts}, kChosen, true, {}};
  for (int64_t i = 0; i < kExperts; ++i) {
    const FusedSlice slice{i, kExperts, transposed};
    mixture.experts.push_back(FusedGateMlpSpec{{"gate_up", "gate_up_bias", kHidden, 2 * kWidth, slice},
                                               {"down", "down_bias", kWidth, kHidden, slice},
                                               true,
                                               {Activation::kQuickGelu, 0.4, 1}});
  }
  return mixture;
}

// The definition, token by token, in double precision; expert(i, token) is expert i's output.
template <class Expert>
std::vector<double> naive_mixture(const at::Tensor& tokens, const Linear& router, bool renormalise, Expert&& expert) {
  std::vector<double> out;
  for (int64_t t = 0; t < tokens.size(0); ++t) {
    const at::Tensor logits = router.forward(tokens[t], {}).to(torch::kFloat64);
    std::vector<double> weights(kExperts);
    for (int64_t i = 0; i < kExperts; ++i) weights[i] = std::exp(logits[i].item<double>());
    const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
    std::vector<int64_t> order(kExperts);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return weights[a] > weights[b]; });
    double chosen = 0;
    for (int64_t rank = 0; rank < kChosen; ++rank) chosen += weights[order[rank]];
    at::Tensor y = torch::zeros({kHidden}, torch::kFloat64);
    for (int64_t rank = 0; rank < kChosen; ++rank) {
      y += weights[order[rank]] / (renormalise ? chosen : all) * expert(order[rank], tokens[t]);
    }
    out.insert(out.end(), y.data_ptr<double>(), y.data_ptr<double>() + kHidden);
  }
  return out;
}

void expect_near(const at::Tensor& actual, const std::vector<double>& expected) {
  const at::Tensor flat = actual.contiguous().view(-1);
  ASSERT_EQ(static_cast<size_t>(flat.numel()), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(flat[i].item<double>(), expected[i], 2e-6) << i;
}

class SeparateExperts : public ::testing::TestWithParam<bool> {};

TEST_P(SeparateExperts, AgreeWithALoopOverTokens) {
  const Waves source;
  const Result<Mixture> mixture = load_mlp(separate_experts(GetParam()), source);
  ASSERT_TRUE(mixture) << mixture.error().to_string();
  const at::Tensor x = wave({2, 7, kHidden}, 0.83);
  const auto expert = [&](int64_t i, const at::Tensor& token) {
    return std::get<GatedMlp>(mixture->experts[i]).forward(token, {}).to(torch::kFloat64);
  };
  const at::Tensor y = mixture->forward(x, {});
  EXPECT_EQ(y.sizes(), x.sizes());
  expect_near(y, naive_mixture(x.view({14, kHidden}), mixture->router, GetParam(), expert));
}

INSTANTIATE_TEST_SUITE_P(WeightsOfChosenOrAll, SeparateExperts, ::testing::Bool());

class FusedExperts : public ::testing::TestWithParam<bool> {};

TEST_P(FusedExperts, AgreeWithALoopOverTokensAndFeatures) {
  const bool transposed = GetParam();
  const Waves source;
  const Result<Mixture> mixture = load_mlp(fused_experts(transposed), source);
  ASSERT_TRUE(mixture) << mixture.error().to_string();
  for (const auto& [name, loads] : source.loads) EXPECT_EQ(loads, 1) << name;
  EXPECT_EQ(source.loads.size(), 6u);

  // Straight from the stored tensors.
  const auto stored = [&](const LinearSpec& spec) { return *source.load(spec.weight_tensor()); };
  const FusedGateMlpSpec spec = std::get<FusedGateMlpSpec>(fused_experts(transposed).experts[0]);
  const at::Tensor gate_up = stored(spec.gate_up), down = stored(spec.down);
  EXPECT_EQ(gate_up.size(1), transposed ? kHidden : 2 * kWidth);
  const at::Tensor gate_up_bias = *source.load(spec.gate_up.bias_tensor());
  const at::Tensor down_bias = *source.load(spec.down.bias_tensor());
  const auto at = [&](const at::Tensor& w, int64_t e, int64_t out, int64_t in) {
    return (transposed ? w[e][in][out] : w[e][out][in]).item<double>();
  };
  const auto expert = [&](int64_t e, const at::Tensor& token) {
    std::vector<double> hidden;
    for (int64_t j = 0; j < kWidth; ++j) {
      double gate = gate_up_bias[e][2 * j].item<double>(), up = gate_up_bias[e][2 * j + 1].item<double>();
      for (int64_t i = 0; i < kHidden; ++i) {
        gate += at(gate_up, e, 2 * j, i) * token[i].item<double>();
        up += at(gate_up, e, 2 * j + 1, i) * token[i].item<double>();
      }
      gate = std::min(gate, 0.4);
      up = std::clamp(up, -0.4, 0.4);
      hidden.push_back((up + 1) * gate / (1 + std::exp(-1.702 * gate)));
    }
    at::Tensor y = down_bias[e].to(torch::kFloat64).clone();
    for (int64_t o = 0; o < kHidden; ++o) {
      for (int64_t j = 0; j < kWidth; ++j) y[o] += at(down, e, o, j) * hidden[j];
    }
    return y;
  };
  const at::Tensor x = wave({9, kHidden}, 1.31);
  expect_near(mixture->forward(x, {}), naive_mixture(x, mixture->router, true, expert));
}

INSTANTIATE_TEST_SUITE_P(StoredTransposedOrNot, FusedExperts, ::testing::Bool());

TEST(MixtureTest, HookSeesEachExpertsOwnTokens) {
  const Waves source;
  const Result<Mixture> mixture = load_mlp(fused_experts(true), source);
  ASSERT_TRUE(mixture) << mixture.error().to_string();
  const at::Tensor x = wave({20, kHidden}, 1.31);
  const at::Tensor chosen = std::get<1>(torch::topk(mixture->router.forward(x, {}), kChosen, -1));
  std::map<int64_t, std::vector<std::string>> announced;
  int64_t tokens = 0;
  mixture->forward(x, [&](const LinearSpec& linear, const at::Tensor& input, const at::Tensor&) {
    ASSERT_TRUE(linear.slice.has_value());
    const int64_t expert = linear.slice->index;
    announced[expert].push_back(linear.weight);
    if (linear.weight != "gate_up") return;
    const at::Tensor rows = (chosen == expert).any(-1).nonzero().view(-1);
    EXPECT_TRUE(torch::equal(input, x.index_select(0, rows)));
    tokens += input.size(0);
  });
  EXPECT_EQ(tokens, 20 * kChosen);
  for (const auto& [expert, names] : announced) EXPECT_EQ(names, (std::vector<std::string>{"gate_up", "down"}));
}

TEST(MixtureTest, UnusedExpertsAreSilentAndGradientsFlow) {
  const Waves source;
  Result<Mixture> mixture = load_mlp(separate_experts(true), source);
  ASSERT_TRUE(mixture) << mixture.error().to_string();
  // Experts 1 and 3 win for every token: the router's bias decides.
  mixture->router.bias = torch::tensor({0.f, 100.f, 0.f, 90.f, 0.f});
  const at::Tensor x = wave({3, kHidden}, 0.5).set_requires_grad(true);
  std::set<std::string> seen;
  const at::Tensor y = mixture->forward(
      x, [&](const LinearSpec& linear, const at::Tensor&, const at::Tensor&) { seen.insert(linear.weight); });
  EXPECT_EQ(seen, (std::set<std::string>{"expert1.gate", "expert1.up", "expert1.down", "expert3.gate", "expert3.up",
                                         "expert3.down"}));
  y.square().sum().backward();
  EXPECT_GT(x.grad().abs().min().item<double>(), 0);
}

// Of 6 experts in 3 groups, scores sigmoid(0, 3 | 1, 1 | 2, -9) and a bias for the choice.
Mixture::Choice choice_of(RouterRule rule, bool renormalise, const at::Tensor& bias = {}) {
  Mixture mixture;
  mixture.router.weight = torch::tensor({0.f, 3.f, 1.f, 1.f, 2.f, -9.f}).unsqueeze(1);
  mixture.experts_per_token = 2;
  mixture.renormalise = renormalise;
  mixture.rule = std::move(rule);
  mixture.choice_bias = bias;
  return mixture.choose(torch::ones({1, 1}));
}

std::map<int64_t, double> weights_of(const Mixture::Choice& choice) {
  std::map<int64_t, double> weights;
  for (int64_t i = 0; i < choice.experts.size(1); ++i) {
    weights[choice.experts[0][i].item<int64_t>()] = choice.weights[0][i].item<double>();
  }
  return weights;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(RouterRuleTest, GroupsCompeteBeforeExperts) {
  using Rule = RouterRule;
  // By their best expert groups 0 and 2 win, by their two best 0 and 1; either way expert 1 is chosen.
  Rule rule{.scores = Rule::Scores::kSigmoid, .groups = 3, .chosen_groups = 1};
  EXPECT_TRUE(weights_of(choice_of(rule, false)).contains(0));
  rule.chosen_groups = 2;
  EXPECT_TRUE(weights_of(choice_of(rule, false)).contains(4));
  rule.group_score = Rule::GroupScore::kSumOfTwoLargest;
  EXPECT_FALSE(weights_of(choice_of(rule, false)).contains(4));
}

TEST(RouterRuleTest, TheBiasCountsForTheChoiceOnly) {
  const RouterRule rule{.scores = RouterRule::Scores::kSigmoid, .scale = 2.5};
  const at::Tensor bias = torch::tensor({9.f, 0.f, 0.f, 0.f, 0.f, 9.f});
  std::map<int64_t, double> weights = weights_of(choice_of(rule, false, bias));
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_NEAR(weights.at(0), 2.5 * sigmoid(0), 1e-6);
  EXPECT_NEAR(weights.at(5), 2.5 * sigmoid(-9), 1e-6);
  weights = weights_of(choice_of(rule, true, bias));
  EXPECT_NEAR(weights.at(0), 2.5 * sigmoid(0) / (sigmoid(0) + sigmoid(-9)), 1e-6);
}

TEST(SharedExpertsTest, SeeEveryTokenAndAreAnnouncedLast) {
  const Waves source;
  MixtureSpec spec = separate_experts(true);
  const Result<Mixture> alone = load_mlp(spec, source);
  spec.shared =
      GatedMlpSpec{{"s.gate", "", kHidden, kWidth}, {"s.up", "", kHidden, kWidth}, {"s.down", "", kWidth, kHidden}};
  const Result<Mixture> mixture = load_mlp(spec, source);
  ASSERT_TRUE(alone && mixture);
  const at::Tensor x = wave({2, 7, kHidden}, 0.83);
  std::string last;
  const at::Tensor y = mixture->forward(x, [&](const LinearSpec& linear, const at::Tensor& input, const at::Tensor&) {
    if (linear.weight == "s.gate") {
      EXPECT_EQ(input.size(0), 14);
    }
    last = linear.weight;
  });
  EXPECT_EQ(last, "s.down");
  const at::Tensor added = std::get<GatedMlp>(*mixture->shared).forward(x, {});
  EXPECT_LT((y - alone->forward(x, {}) - added).abs().max().item<double>(), 1e-6);
  BlockSpec block;
  block.mlp = spec;
  EXPECT_EQ(linears_of(block).back().linear.weight, "s.down");
  EXPECT_FALSE(linears_of(block).back().expert.has_value());
}

TEST(LinearsOfTest, FusedAndLatentAttention) {
  const auto listed = [](const AttentionSpec& attention) {
    std::vector<std::pair<std::string, size_t>> list;
    for (const BlockLinear& l : linears_of(attention)) list.emplace_back(l.linear.weight, l.input);
    return list;
  };
  using List = std::vector<std::pair<std::string, size_t>>;
  AttentionSpec fused;
  fused.qkv = LinearSpec{.weight = "qkv"};
  fused.o.weight = "o";
  EXPECT_EQ(listed(fused), (List{{"qkv", 0}, {"o", 1}}));
  AttentionSpec latent;
  latent.q.weight = "q";
  latent.o.weight = "o";
  latent.latent = LatentSpec{.down = {.weight = "down"}, .up = {.weight = "up"}};
  EXPECT_EQ(listed(latent), (List{{"down", 0}, {"q", 0}, {"up", 1}, {"o", 2}}));
  latent.latent->q_down = LinearSpec{.weight = "q_down"};
  EXPECT_EQ(listed(latent), (List{{"q_down", 0}, {"down", 0}, {"q", 1}, {"up", 2}, {"o", 3}}));
}

TEST(LinearsOfTest, OrderSharedInputsAndExperts) {
  BlockSpec block;
  block.attention.q.weight = "q";
  block.attention.k.weight = "k";
  block.attention.v.weight = "v";
  block.attention.o.weight = "o";
  block.mlp = GatedMlpSpec{{"gate", ""}, {"up", ""}, {"down", ""}};
  std::vector<std::pair<std::string, size_t>> listed;
  for (const BlockLinear& l : linears_of(block)) {
    listed.emplace_back(l.linear.weight, l.input);
    EXPECT_FALSE(l.expert.has_value());
  }
  EXPECT_EQ(listed, (std::vector<std::pair<std::string, size_t>>{
                        {"q", 0}, {"k", 0}, {"v", 0}, {"o", 1}, {"gate", 2}, {"up", 2}, {"down", 3}}));

  block.mlp = fused_experts(true);
  const std::vector<BlockLinear> fused = linears_of(block);
  ASSERT_EQ(fused.size(), 4u + 2 * kExperts);
  EXPECT_EQ(fused[6].linear.weight, "gate_up");
  EXPECT_EQ(fused[6].linear.slice, (FusedSlice{1, kExperts, true}));
  EXPECT_EQ(fused[6].expert, 1);
  EXPECT_EQ(fused[6].input, 4u);
  EXPECT_EQ(fused[7].input, 5u);

  block.mlp = separate_experts(true);
  const std::vector<BlockLinear> separate = linears_of(block);
  ASSERT_EQ(separate.size(), 4u + 3 * kExperts);
  EXPECT_EQ(separate[8].linear.weight, "expert1.up");
  EXPECT_EQ(separate[8].expert, 1);
  EXPECT_EQ(separate[8].input, separate[7].input);
}

TEST(TensorsOfTest, FusedTensorsAndRoutersAreListedOnce) {
  BlockSpec block;
  block.mlp = fused_experts(true);
  std::map<std::string, std::vector<int64_t>> tensors;
  for (const TensorSpec& tensor : tensors_of(block)) {
    EXPECT_TRUE(tensors.emplace(tensor.name, tensor.shape).second) << tensor.name << " twice";
  }
  EXPECT_EQ(tensors, (std::map<std::string, std::vector<int64_t>>{{"router", {kExperts, kHidden}},
                                                                  {"router_bias", {kExperts}},
                                                                  {"gate_up", {kExperts, kHidden, 2 * kWidth}},
                                                                  {"gate_up_bias", {kExperts, 2 * kWidth}},
                                                                  {"down", {kExperts, kWidth, kHidden}},
                                                                  {"down_bias", {kExperts, kHidden}}}));
}

TEST(SinksTest, LiteralCase) {
  // One head of one dimension: query 1 weighs its keys and the sink e^0 : e^ln3 : e^ln4 = 1 : 3 : 4.
  const auto column = [](std::vector<float> v) { return torch::tensor(v).view({1, 2, 1, 1}); };
  const at::Tensor y = attend(column({5, 1}), column({0, std::log(3.0f)}), column({8, 16}),
                              {1, true, std::nullopt, torch::tensor({std::log(4.0f)})});
  EXPECT_NEAR(y[0][0][0].item<double>(), 8.0 / 5, 1e-6);
  EXPECT_NEAR(y[0][1][0].item<double>(), 8.0 / 8 + 16 * 3.0 / 8, 1e-5);
}

TEST(SinksTest, EqualAKeyWithoutAValueInEveryHead) {
  // Non-causal attention over one key more, with score sink_h and value 0, is the definition.
  const at::Tensor q = wave({2, 300, 4, 8}, 0.71), k = wave({2, 300, 2, 8}, 1.13), v = wave({2, 300, 2, 8}, 0.29);
  const at::Tensor sinks = torch::tensor({-2.f, 0.5f, 3.f, 9.f});
  const at::Tensor scores = torch::matmul(q.transpose(1, 2), k.repeat_interleave(2, 2).permute({0, 2, 3, 1})) * 0.4;
  const at::Tensor with_sink = torch::cat({scores, sinks.view({1, 4, 1, 1}).expand({2, 4, 300, 1})}, -1);
  const at::Tensor shares = torch::softmax(with_sink, -1).narrow(-1, 0, 300);
  const at::Tensor expected = torch::matmul(shares, v.repeat_interleave(2, 2).transpose(1, 2)).transpose(1, 2);
  const at::Tensor y = attend(q, k, v, {0.4, false, std::nullopt, sinks});
  EXPECT_LT((y - expected.reshape({2, 300, 32})).abs().max().item<double>(), 2e-6);
}

TEST(NonCausalTest, EveryQuerySeesEveryKey) {
  const at::Tensor q = wave({1, 3, 2, 4}, 0.71), k = wave({1, 9, 2, 4}, 1.13), v = wave({1, 9, 2, 4}, 0.29);
  const at::Tensor scores = torch::matmul(q.transpose(1, 2), k.permute({0, 2, 3, 1}));
  const at::Tensor expected = torch::matmul(torch::softmax(scores, -1), v.transpose(1, 2)).transpose(1, 2);
  EXPECT_LT((attend(q, k, v, {1, false}) - expected.reshape({1, 3, 8})).abs().max().item<double>(), 2e-6);
}

}  // namespace
}  // namespace nwc

// What blocks can be made of beyond Llama's: literal cases.
#include "model/layers/block.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "libtorch/tensors.h"
#include "model/layers/layers.h"
#include "model/layers/mlp.h"
#include "support/safetensors_builder.h"
#include "support/temp_dir.h"

namespace nwc {
namespace {

at::Tensor row(const std::vector<float>& values) { return torch::tensor(values).unsqueeze(0); }

void expect_near(const at::Tensor& actual, const std::vector<double>& expected, double tolerance = 1e-6) {
  const at::Tensor flat = actual.contiguous().view(-1);
  ASSERT_EQ(static_cast<size_t>(flat.numel()), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(flat[i].item<double>(), expected[i], tolerance) << i;
}

// Tensors by name, of whatever shape is asked.
class Given : public ParameterSource {
 public:
  explicit Given(std::map<std::string, std::vector<float>> tensors) : tensors_(std::move(tensors)) {}
  Status check(const TensorSpec&) const override { return {}; }
  Result<at::Tensor> load(const TensorSpec& tensor) const override {
    return torch::tensor(tensors_.at(tensor.name)).view(tensor.shape);
  }

 private:
  std::map<std::string, std::vector<float>> tensors_;
};

TEST(NormTest, WeightsMayBeStoredLessOne) {
  const Given source({{"w", {1, -2}}});
  const Result<Norm> norm = Norm::load({"w", 2, 3.5, NormSpec::Kind::kRms, 1}, source);
  ASSERT_TRUE(norm);
  expect_near(norm->forward(row({3, 4})), {1.5, -1});  // divided by 4, times 2 and -1
}

TEST(NormTest, LayerNormSubtractsTheMean) {
  const Given source({{"w", {1, 2}}, {"b", {10, 20}}});
  const Result<Norm> norm = Norm::load({"w", 2, 5, NormSpec::Kind::kLayer, 0, "b"}, source);
  ASSERT_TRUE(norm);
  expect_near(norm->forward(row({3, 7})), {10 - 2 / 3.0, 20 + 4 / 3.0});  // variance 4, eps 5
}

TEST(ActivationTest, LiteralCases) {
  const at::Tensor x = row({-1, 2});
  expect_near(activate(x, Activation::kSilu), {-0.26894142, 1.76159416});
  expect_near(activate(x, Activation::kGelu), {-0.15865525, 1.95449974});
  expect_near(activate(x, Activation::kGeluTanh), {-0.15880801, 1.95459769});
  expect_near(activate(x, Activation::kQuickGelu), {-1 / (1 + std::exp(1.702)), 2 / (1 + std::exp(-3.404))});
}

TEST(MlpTest, GateAndValueMayBeOneLayer) {
  // gate_up maps x to (x, 2x, 3x, 4x): halves (x, 2x) and (3x, 4x), interleaved (x, 3x) and (2x, 4x).
  FusedGateMlp mlp{{{"gu", "", 1, 4}, torch::tensor({1.f, 2.f, 3.f, 4.f}).view({4, 1}), {}},
                   {{"d", "", 2, 1}, torch::tensor({1.f, 10.f}).view({1, 2}), {}}};
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  const at::Tensor x = row({0.5});
  expect_near(mlp.forward(x, {}), {silu(0.5) * 1.5 + 10 * silu(1) * 2}, 1e-5);
  mlp.interleaved = true;
  expect_near(mlp.forward(x, {}), {silu(0.5) * 1 + 10 * silu(1.5) * 2}, 1e-5);
}

TEST(MlpTest, GatesMayBeClampedAndValuesShifted) {
  // gate = value = x; limit 2: a large gate counts 2, a large value 2, a small one -2; gates have no lower limit.
  const at::Tensor one = torch::ones({1, 1});
  const GatedMlp mlp{
      {{"g", "", 1, 1}, one, {}}, {{"u", "", 1, 1}, one, {}}, {{"d", "", 1, 1}, one, {}}, {Activation::kSilu, 2, 1}};
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  expect_near(mlp.forward(row({5, 1, -3}).view({3, 1}), {}), {silu(2) * 3, silu(1) * 2, silu(-3) * -1});
}

// One head of one dimension over one position attends to itself: attention is v, times o.
BlockSpec tiny_block() {
  BlockSpec block;
  block.attention_path.norm = {"n1", 1, 0};
  const auto linear = [](const char* name) { return LinearSpec{name, "", 1, 1}; };
  block.attention.q = linear("q");
  block.attention.k = linear("k");
  block.attention.v = linear("v");
  block.attention.o = linear("o");
  block.attention.heads = block.attention.kv_heads = block.attention.head_dim = 1;
  block.attention.scale = 1;
  block.mlp_path.norm = {"n2", 1, 0};
  block.mlp = GatedMlpSpec{linear("gate"), linear("up"), linear("down")};
  return block;
}

TEST(BlockTest, PostNormsAndScalesStandBeforeTheSums) {
  const Given source({{"n1", {2}},
                      {"q", {1}},
                      {"k", {1}},
                      {"v", {3}},
                      {"o", {1}},
                      {"n2", {1}},
                      {"gate", {1}},
                      {"up", {1}},
                      {"down", {1}},
                      {"p1", {0.5f}},
                      {"p2", {7}},
                      {"s1", {10}},
                      {"s2", {100}}});
  const double silu1 = 1 / (1 + std::exp(-1.0));
  const auto run = [&](const BlockSpec& spec) {
    const Result<Block> block = Block::load(spec, source, nullptr);
    EXPECT_TRUE(block);
    return block->forward(torch::full({1, 1, 1}, 4.0), {}).item<double>();
  };
  // Without: norms make 4 a 1; 4 + 2 * 3 + silu(1).
  BlockSpec block = tiny_block();
  EXPECT_NEAR(run(block), 10 + silu1, 1e-5);
  // Post-norms make each half's result 1, times 0.5 and 7.
  block.attention_path.post_norm = NormSpec{"p1", 1, 0};
  block.mlp_path.post_norm = NormSpec{"p2", 1, 0};
  EXPECT_NEAR(run(block), 4 + 0.5 + 7, 1e-5);
  block.attention_path.scale = {"s1", {1}};
  block.mlp_path.scale = {"s2", {1}};
  EXPECT_NEAR(run(block), 4 + 5 + 700, 1e-4);
}

TEST(BlockTest, PlainMlpsHaveNoGate) {
  const Given source(
      {{"n1", {0}}, {"q", {1}}, {"k", {1}}, {"v", {3}}, {"o", {1}}, {"n2", {2}}, {"up", {1}}, {"down", {5}}});
  BlockSpec block = tiny_block();
  block.mlp = PlainMlpSpec{{"up", "", 1, 1}, {"down", "", 1, 1}, Activation::kSilu};
  const Result<Block> loaded = Block::load(block, source, nullptr);
  ASSERT_TRUE(loaded);
  EXPECT_NEAR(loaded->forward(torch::full({1, 1, 1}, 4.0), {}).item<double>(), 4 + 10 / (1 + std::exp(-2.0)), 1e-5);
}

TEST(RopeTest, YarnKeepsFastAndDividesSlowFrequencies) {
  // 4096 positions, theta 150000, 64 dimensions: the ramp runs from pair 8.09 to pair 17.40.
  RopeSpec rope{150000, RopeSpec::Scaling::kYarn, 32};
  rope.original_positions = 4096;
  rope.whole_dimensions = false;
  const auto plain = [](int pair) { return std::pow(150000.0, -pair / 32.0); };
  const auto ramp_end = [](double turns) {
    return 64 * std::log(4096 / (turns * 2 * 3.14159265358979)) / (2 * std::log(150000.0));
  };
  EXPECT_NEAR(ramp_end(32), 8.09, 0.01);
  EXPECT_NEAR(ramp_end(1), 17.40, 0.01);
  const std::vector<float> ramped = rope_frequencies(rope, 64);
  EXPECT_FLOAT_EQ(ramped[8], static_cast<float>(plain(8)));
  EXPECT_FLOAT_EQ(ramped[18], static_cast<float>(plain(18) / 32));
  const double share = (12 - ramp_end(32)) / (ramp_end(1) - ramp_end(32));
  EXPECT_FLOAT_EQ(ramped[12], static_cast<float>(share * plain(12) / 32 + (1 - share) * plain(12)));

  rope.whole_dimensions = true;  // from 8 to 18
  EXPECT_FLOAT_EQ(rope_frequencies(rope, 64)[12], static_cast<float>(0.4 * plain(12) / 32 + 0.6 * plain(12)));
}

TEST(RopeTest, YarnScalesCosinesAndSines) {
  RopeSpec rope{10000, RopeSpec::Scaling::kYarn, 2};
  rope.original_positions = 100;
  RopeTables tables;
  const at::Tensor x = torch::tensor({3.f, 4.f}).view({1, 1, 1, 2});
  const at::Tensor plain = tables.rotate(x, rope, 5);
  rope.magnitude = 1.5;
  EXPECT_TRUE(torch::allclose(tables.rotate(x, rope, 5), plain * 1.5));
}

// A checkpoint directory with one tensor [2, 64, 3] in MXFP4.
struct FourBits {
  testing::TempDir dir;
  static constexpr int64_t kRows = 3, kColumns = 64;

  // Byte j of block (m, row, b).
  static uint8_t byte(int m, int r, int b, int j) {
    return static_cast<uint8_t>(37 * m + 11 * r + 101 * b + 29 * j + 5);
  }
  static uint8_t scale(int m, int r, int b) { return static_cast<uint8_t>(120 + m + 2 * r + 3 * b); }

  explicit FourBits(const std::vector<uint64_t>& scales_shape = {2, 3, 2}) {
    std::vector<uint8_t> blocks, scales;
    for (int m = 0; m < 2; ++m) {
      for (int r = 0; r < 3; ++r) {
        for (int b = 0; b < 2; ++b) {
          for (int j = 0; j < 16; ++j) blocks.push_back(byte(m, r, b, j));
          scales.push_back(scale(m, r, b));
        }
      }
    }
    testing::SafetensorsBuilder builder;
    builder.add("experts_blocks", "U8", {2, 3, 2, 16}, testing::raw<uint8_t>(blocks));
    builder.add("experts_scales", "U8", scales_shape, testing::raw<uint8_t>(scales));
    dir.add("model.safetensors", builder.bytes());
  }
  WeightsSource source() const {
    Result<Weights> weights = Weights::open(dir.path());
    EXPECT_TRUE(weights) << weights.error().to_string();
    return WeightsSource(*std::move(weights), 2);
  }
};

TEST(WeightsSourceTest, ReadsFourBitTensorsUnderTheirPlainName) {
  const FourBits stored;
  const Result<at::Tensor> tensor = stored.source().load({"experts", {2, 64, 3}});
  ASSERT_TRUE(tensor) << tensor.error().to_string();
  ASSERT_TRUE(tensor->is_contiguous());
  constexpr double kMagnitudes[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  for (int m = 0; m < 2; ++m) {
    for (int column = 0; column < 64; ++column) {
      for (int r = 0; r < 3; ++r) {
        const int b = column / 32, within = column % 32;
        const int code = FourBits::byte(m, r, b, within / 2) >> (within % 2 * 4) & 15;
        const double value =
            (code < 8 ? 1 : -1) * kMagnitudes[code % 8] * std::ldexp(1, FourBits::scale(m, r, b) - 127);
        EXPECT_EQ((*tensor)[m][column][r].item<double>(), value) << m << " " << column << " " << r;
      }
    }
  }
}

TEST(WeightsSourceTest, FourBitTensorsOfAnotherShapeAreNamed) {
  const FourBits stored;
  EXPECT_TRUE(stored.source().check({"experts", {2, 64, 3}}));
  const Status wrong = stored.source().check({"experts", {2, 96, 3}});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().tensor(), "experts_blocks");
  EXPECT_EQ(wrong.error().message(), "has shape [2, 3, 2, 16] where config.json asks for [2, 3, 3, 16]");

  const FourBits misscaled({2, 2, 3});
  const Status scales = misscaled.source().check({"experts", {2, 64, 3}});
  ASSERT_FALSE(scales);
  EXPECT_EQ(scales.error().tensor(), "experts_scales");
  // A width that blocks cannot have, and another name: simply missing.
  EXPECT_EQ(stored.source().check({"experts", {2, 60, 3}}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(stored.source().check({"others", {2, 64, 3}}).error().tensor(), "others");
}

}  // namespace
}  // namespace nwc

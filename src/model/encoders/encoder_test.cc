#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "libtorch/tensors.h"
#include "model/encoders/encoder_model.h"
#include "support/toy_encoder.h"

namespace nwc {
namespace {

using testing::TempDir;

// Deterministic, dense values around zero.
at::Tensor wave(at::IntArrayRef shape, double step) {
  int64_t n = 1;
  for (const int64_t dim : shape) n *= dim;
  return (torch::arange(n, torch::kFloat64) * step).sin().to(torch::kFloat32).view(shape);
}

// Tensors by name; others are waves.
class Given : public ParameterSource {
 public:
  explicit Given(std::map<std::string, at::Tensor> tensors = {}) : tensors_(std::move(tensors)) {}
  Status check(const TensorSpec&) const override { return {}; }
  Result<at::Tensor> load(const TensorSpec& tensor) const override {
    const auto found = tensors_.find(tensor.name);
    return found != tensors_.end() ? found->second.view(tensor.shape) : wave(tensor.shape, 0.1 * tensor.name.size());
  }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

// Images of 2 channels, 4 x 4, in patches of 2 x 2; hidden size 3; a class token.
EncoderSpec image_tower() {
  EncoderSpec tower;
  tower.hidden_size = 3;
  PatchInputSpec input;
  input.projection = {"p", {3, 2, 2, 2}};
  input.projection_bias = {"b", {3}};
  input.class_token = {"c", {1, 1, 3}};
  input.positions = {"positions", {1, 5, 3}};
  input.image_size = 4;
  tower.input = input;
  tower.output.norm = {"n", 3, 0.5, NormSpec::Kind::kLayer, 0, "nb"};
  return tower;
}

at::Tensor through_input(const EncoderSpec& tower, const ParameterSource& source, const at::Tensor& input) {
  const Result<EncoderInput> loaded = EncoderInput::load(tower, source);
  EXPECT_TRUE(loaded);
  return loaded->forward(input);
}

at::Tensor through_output(const EncoderSpec& tower, const ParameterSource& source, const at::Tensor& hidden,
                          const at::Tensor& input) {
  const Result<EncoderOutput> loaded = EncoderOutput::load(tower, source);
  EXPECT_TRUE(loaded);
  return loaded->forward(hidden, input);
}

TEST(EncoderInputTest, PatchesRowByRowAfterTheClassToken) {
  const Given source;
  const EncoderSpec tower = image_tower();
  const PatchInputSpec& spec = std::get<PatchInputSpec>(tower.input);
  const at::Tensor pixels = wave({2, 2, 4, 4}, 0.7);
  const at::Tensor y = through_input(tower, source, pixels);
  ASSERT_EQ(y.sizes().vec(), (std::vector<int64_t>{2, 5, 3}));
  const at::Tensor p = *source.load(spec.projection), bias = *source.load(spec.projection_bias);
  const at::Tensor positions = *source.load(spec.positions), token = *source.load(spec.class_token);
  for (int64_t image = 0; image < 2; ++image) {
    EXPECT_LT((y[image][0] - token[0][0] - positions[0][0]).abs().max().item<double>(), 1e-6);
    for (int64_t patch = 0; patch < 4; ++patch) {
      const at::Tensor pixels_of_patch =
          pixels[image].narrow(1, patch / 2 * 2, 2).narrow(2, patch % 2 * 2, 2).unsqueeze(0);
      const at::Tensor wanted = (p * pixels_of_patch).sum({1, 2, 3}) + bias + positions[0][1 + patch];
      EXPECT_LT((y[image][1 + patch] - wanted).abs().max().item<double>(), 1e-5) << patch;
    }
  }
}

TEST(EncoderInputTest, OtherSizesNeedStretchedPositions) {
  EncoderSpec tower = image_tower();
  PatchInputSpec& spec = std::get<PatchInputSpec>(tower.input);
  // The patches say nothing, the positions are the same everywhere but at the class token.
  at::Tensor positions = torch::full({1, 5, 3}, 7.0);
  positions[0][0] = 2;
  const Given source(
      {{"p", torch::zeros({24})}, {"b", torch::zeros({3})}, {"c", torch::zeros({3})}, {"positions", positions}});
  const at::Tensor wide = torch::zeros({1, 2, 4, 10});
  EXPECT_THROW(through_input(tower, source, wide), std::invalid_argument);
  spec.resize_positions = true;
  const at::Tensor y = through_input(tower, source, wide);
  ASSERT_EQ(y.sizes().vec(), (std::vector<int64_t>{1, 11, 3}));
  EXPECT_TRUE(torch::allclose(y[0].narrow(0, 1, 10), torch::full({10, 3}, 7.0)));
  EXPECT_TRUE(torch::equal(y[0][0], torch::full({3}, 2.0)));

  // Along an axis that keeps its size, positions keep their order: rows 1 and 5 here.
  positions[0].narrow(0, 1, 2) = 1;
  positions[0].narrow(0, 3, 2) = 5;
  const Given rows(
      {{"p", torch::zeros({24})}, {"b", torch::zeros({3})}, {"c", torch::zeros({3})}, {"positions", positions}});
  const at::Tensor z = through_input(tower, rows, wide);
  EXPECT_TRUE(torch::allclose(z[0].narrow(0, 1, 5), torch::full({5, 3}, 1.0)));
  EXPECT_TRUE(torch::allclose(z[0].narrow(0, 6, 5), torch::full({5, 3}, 5.0)));
}

TEST(EncoderInputTest, TextsMayNotOutgrowThePositions) {
  EncoderSpec tower;
  tower.hidden_size = 3;
  tower.input = TokenInputSpec{{"tokens", {10, 3}}, {"positions", {4, 3}}};
  const Given source;
  const at::Tensor ids = torch::tensor({{1, 9, 1, 0}}, torch::kInt64);
  const at::Tensor y = through_input(tower, source, ids);
  const at::Tensor tokens = *source.load({"tokens", {10, 3}}), positions = *source.load({"positions", {4, 3}});
  EXPECT_TRUE(torch::allclose(y[0][1], tokens[9] + positions[1]));
  EXPECT_TRUE(torch::allclose(y[0][2], tokens[1] + positions[2]));
  EXPECT_THROW(through_input(tower, source, torch::zeros({1, 5}, torch::kInt64)), std::invalid_argument);
}

TEST(EncoderOutputTest, PoolsAtAPosition) {
  using Position = PositionPoolSpec::Position;
  EncoderSpec tower = image_tower();
  const Given source;
  const at::Tensor hidden = wave({2, 4, 3}, 0.9);
  const at::Tensor ids = torch::tensor({{3, 8, 8, 5}, {7, 2, 5, 5}}, torch::kInt64);
  const at::Tensor all = through_output(tower, source, hidden, ids);
  ASSERT_EQ(all.sizes(), hidden.sizes());
  const auto pooled = [&](Position position, int64_t end_token) {
    tower.output.pool = PositionPoolSpec{position, end_token};
    return through_output(tower, source, hidden, ids);
  };
  const auto at_positions = [&](int64_t first, int64_t second) {
    return torch::stack({all[0][first], all[1][second]});
  };
  EXPECT_TRUE(torch::equal(pooled(Position::kFirst, 0), at_positions(0, 0)));
  EXPECT_TRUE(torch::equal(pooled(Position::kLast, 0), at_positions(3, 3)));
  EXPECT_TRUE(torch::equal(pooled(Position::kLargestToken, 0), at_positions(1, 0)));
  EXPECT_TRUE(torch::equal(pooled(Position::kEndToken, 5), at_positions(3, 2)));
  EXPECT_TRUE(torch::equal(pooled(Position::kEndToken, 8), at_positions(1, 0))) << "none in the second text";

  tower.output.projection = LinearSpec{"projection", "", 3, 2};
  tower.output.unit_length = true;
  const at::Tensor y = pooled(Position::kFirst, 0);
  EXPECT_EQ(y.sizes().vec(), (std::vector<int64_t>{2, 2}));
  EXPECT_TRUE(torch::allclose(y.norm(2, -1), torch::ones({2})));
}

TEST(EncoderOutputTest, AttentionPoolOfEqualPositionsIsTheirValue) {
  // Whatever the query, the mixture of equal values is that value: v = W_v x + b_v, then out, then the residual MLP
  // whose second layer is zero.
  EncoderSpec tower = image_tower();
  AttentionPoolSpec pool;
  pool.probe = {"probe", {1, 1, 4}};
  pool.in_weight = {"in", {12, 4}};
  pool.in_bias = {"in_bias", {12}};
  pool.out = {"out", "", 4, 4};
  pool.heads = 2;
  pool.norm = {"pool_norm", 4, 1e-6, NormSpec::Kind::kLayer, 0, "pool_norm_bias"};
  pool.mlp = {{"up", "", 4, 5}, {"down", "", 5, 4}, Activation::kGelu};
  tower.output.norm = {"n", 4, 0.5, NormSpec::Kind::kLayer, 0, "nb"};
  tower.output.pool = pool;
  const Given source({{"down", torch::zeros({20})}});
  const at::Tensor hidden = wave({2, 1, 4}, 0.9).expand({2, 6, 4});
  EncoderSpec plain = tower;
  plain.output.pool = std::monostate();
  const at::Tensor x = through_output(plain, source, hidden, {}).select(1, 0);
  const at::Tensor in = *source.load(pool.in_weight), in_bias = *source.load(pool.in_bias);
  const at::Tensor out = *source.load(pool.out.weight_tensor());
  const at::Tensor wanted = torch::linear(torch::linear(x, in.narrow(0, 8, 4), in_bias.narrow(0, 8, 4)), out);
  EXPECT_TRUE(torch::allclose(through_output(tower, source, hidden, {}), wanted, 1e-5, 1e-6));
}

TEST(SimilarityTest, ScaleIsALogarithm) {
  const Given source({{"s", torch::tensor({std::log(10.0f)})}, {"b", torch::tensor({-3.0f})}});
  const Result<Similarity> similarity = Similarity::load({{"s", {1}}, {"b", {1}}}, source);
  ASSERT_TRUE(similarity);
  const at::Tensor y = similarity->forward(torch::eye(2), torch::tensor({{1.f, 0.f}, {0.6f, 0.8f}, {0.f, 1.f}}));
  EXPECT_TRUE(torch::allclose(y, torch::tensor({{7.f, 3.f, -3.f}, {-3.f, 5.f, 7.f}})));
}

using testing::kToyDinov2;
using testing::toy_dinov2;

TEST(EncoderModelTest, ToyModelRunsBlockByBlock) {
  const TempDir dir;
  write_toy_checkpoint(dir, toy_dinov2(), kToyDinov2);
  const Result<EncoderModel> model = EncoderModel::open(dir.path(), 1);
  ASSERT_TRUE(model) << model.error().to_string();
  EXPECT_EQ(model->spec().model_type, "dinov2");
  EXPECT_EQ(model->tower("text"), nullptr);
  EXPECT_EQ(model->similarity().error().code(), ErrorCode::kUnsupported);
  const EncoderTower* vision = model->tower("vision");
  ASSERT_NE(vision, nullptr);
  ASSERT_EQ(vision->blocks(), 2u);
  const at::Tensor pixels = wave({1, 3, 8, 8}, 0.3);
  at::Tensor hidden = (*vision->input())->forward(pixels);
  std::vector<std::string> announced;
  for (size_t i = 0; i < 2; ++i) {
    hidden = (*vision->block(i))
                 ->forward(hidden, {nullptr, [&](const LinearSpec& linear, const at::Tensor& input, const at::Tensor&) {
                                      announced.push_back(linear.weight);
                                      EXPECT_EQ(input.size(1), 5);
                                    }});
  }
  EXPECT_EQ((*vision->output())->forward(hidden, pixels).sizes().vec(), (std::vector<int64_t>{1, 5, 8}));
  ASSERT_EQ(announced.size(), 12u);
  EXPECT_EQ(announced[3], "encoder.layer.0.attention.output.dense.weight");
  EXPECT_EQ(announced[11], "encoder.layer.1.mlp.fc2.weight");
}

TEST(EncoderModelTest, MissingTensorsAreNamed) {
  for (const std::string name : {"embeddings.cls_token", "encoder.layer.1.layer_scale2.lambda1", "layernorm.bias"}) {
    const TempDir dir;
    testing::ToyTensors tensors = toy_dinov2();
    tensors.erase(name);
    write_toy_checkpoint(dir, tensors, kToyDinov2);
    const Result<EncoderModel> model = EncoderModel::open(dir.path(), 1);
    ASSERT_FALSE(model);
    EXPECT_EQ(model.error().tensor(), name);
  }
}

}  // namespace
}  // namespace nwc

// The trainable modules against the library that encodes and decodes.
#include "learn/networks.h"

#include <gtest/gtest.h>

#include <cmath>

#include "codec/encode/codec_tables.h"
#include "codec/encode/density.h"
#include "support/tiny_codec.h"

namespace nwc {
namespace {

void randomise(const std::vector<torch::Tensor>& parameters, double deviation) {
  torch::NoGradGuard no_grad;
  for (torch::Tensor p : parameters) p.add_(torch::randn(p.sizes()) * deviation);
}

TEST(TransformNet, IsTheTransformOfTheLibrary) {
  torch::manual_seed(1);
  for (const int64_t depth : {0, 1, 3}) {
    for (const auto& [inputs, outputs, width] : {std::tuple{16, 16, 32}, {16, 5, 9}, {3, 17, 65}}) {
      TransformNet net(inputs, outputs, NetworkShape{width, depth}, 4);
      randomise(net->parameters(), 0.2);
      const TransformWeights weights = net->weights();
      EXPECT_EQ(weights.depth, static_cast<size_t>(depth));
      EXPECT_EQ(weights.width, static_cast<size_t>(depth == 0 ? inputs : width));
      const Transform transform(weights);

      const int64_t n = 70, first_level = 1, count = 3;
      const torch::Tensor x = torch::randn({count, n, inputs}) * 2;
      torch::NoGradGuard no_grad;
      const torch::Tensor y = net->forward(x, first_level).contiguous();
      ASSERT_EQ(y.sizes(), (std::vector<int64_t>{count, n, outputs}));
      const size_t stride = Transform::padded(n);
      double error = 0, size = 0;
      for (int64_t l = 0; l < count; ++l) {
        AlignedVector<float> in(static_cast<size_t>(inputs) * stride, 0.0f), out(transform.output_rows() * stride),
            scratch;
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t k = 0; k < inputs; ++k)
            in[static_cast<size_t>(k) * stride + static_cast<size_t>(i)] = x[l][i][k].item<float>();
        }
        transform.apply(static_cast<size_t>(first_level + l), n, in.data(), out.data(), stride, available_isas().back(),
                        scratch);
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t j = 0; j < outputs; ++j) {
            const double wanted = y[l][i][j].item<float>(),
                         got = out[static_cast<size_t>(j) * stride + static_cast<size_t>(i)];
            error += (wanted - got) * (wanted - got);
            size += wanted * wanted;
          }
        }
      }
      EXPECT_LT(std::sqrt(error / size), 1e-5) << "depth " << depth << ", width " << width;
    }
  }
}

TEST(TransformNet, WeightsThereAndBack) {
  torch::manual_seed(2);
  for (const int64_t depth : {0, 2}) {
    TransformNet a(8, 5, NetworkShape{12, depth}, 3), b(8, 5, NetworkShape{12, depth}, 3);
    randomise(a->parameters(), 0.3);
    b->set_weights(a->weights());
    torch::NoGradGuard no_grad;
    const torch::Tensor x = torch::randn({3, 10, 8});
    EXPECT_TRUE(torch::equal(a->forward(x, 0), b->forward(x, 0)));
  }
  // An embedding that the blocks of a codec share goes to each of them.
  std::mt19937 random(3);
  const TransformWeights shared = testing::random_transform(8, 5, 12, 3, 2, 1, random);
  TransformNet net(8, 5, NetworkShape{12, 3}, 2);
  net->set_weights(shared);
  const TransformWeights back = net->weights();
  EXPECT_EQ(back.embedding_sets, 3u);
  for (size_t i = 0; i < back.embedding.size(); ++i)
    EXPECT_EQ(back.embedding[i], shared.embedding[i % shared.embedding.size()]);
}

TEST(TransformNet, TheLinearStartIsNearlyLinear) {
  torch::manual_seed(4);
  torch::NoGradGuard no_grad;
  for (const int64_t depth : {0, 1, 3}) {
    TransformNet net(16, 16, NetworkShape{64, depth}, 2);
    net->start_linear({4.0, 0.5});
    const torch::Tensor x = torch::randn({2, 500, 16});
    const torch::Tensor y = net->forward(x, 0);
    for (int64_t l = 0; l < 2; ++l) {
      const torch::Tensor wanted = x[l] * (l == 0 ? 4.0 : 0.5);
      EXPECT_LT(((y[l] - wanted).norm() / wanted.norm()).item<double>(), depth == 0 ? 1e-6 : 0.2) << depth;
    }
  }
}

FactorizedDensity random_density(int64_t sets, int64_t latents) {
  FactorizedDensity density(sets, latents, std::vector<double>(static_cast<size_t>(sets), 8.0));
  randomise(density->model_parameters(), 0.3);
  return density;
}

TEST(FactorizedDensity, LikelihoodIsThatOfTheLibrary) {
  torch::manual_seed(5);
  torch::NoGradGuard no_grad;
  for (const int64_t sets : {1, 3}) {
    FactorizedDensity density = random_density(sets, 4);
    const DensityWeights weights = density->weights();
    EXPECT_EQ(weights.sets, static_cast<uint64_t>(sets));
    const int64_t first_level = 1, count = 2, n = 40;
    const torch::Tensor z = torch::randn({count, n, 4}) * 6;
    const torch::Tensor p = density->likelihood(z, first_level);
    ASSERT_EQ(p.sizes(), z.sizes());
    for (int64_t l = 0; l < count; ++l) {
      for (int64_t c = 0; c < 4; ++c) {
        const ChannelDensity channel =
            channel_density(weights, static_cast<uint64_t>(sets == 1 ? 0 : first_level + l), static_cast<uint64_t>(c));
        for (int64_t i = 0; i < n; ++i) {
          const double wanted = std::max(1e-9, channel.likelihood(z[l][i][c].item<float>())),
                       got = p[l][i][c].item<float>();
          EXPECT_NEAR(got / wanted, 1.0, 1e-4)
              << "set " << l << ", channel " << c << ", z " << z[l][i][c].item<float>();
        }
      }
    }
  }
}

TEST(FactorizedDensity, LikelihoodsAreBoundedBelow) {
  torch::NoGradGuard no_grad;
  FactorizedDensity density(1, 1, std::vector<double>{2.0});
  EXPECT_FLOAT_EQ(density->likelihood(torch::full({1, 1, 1}, 1e4), 0).item<float>(), 1e-9f);
}

TEST(FactorizedDensity, WeightsThereAndBack) {
  torch::manual_seed(6);
  torch::NoGradGuard no_grad;
  FactorizedDensity a = random_density(2, 3), b = random_density(2, 3);
  EXPECT_TRUE(FactorizedDensityImpl::has_our_shape(a->weights()));
  EXPECT_FALSE(FactorizedDensityImpl::has_our_shape(testing::logistic_density(3)));
  b->set_weights(a->weights());
  const torch::Tensor z = torch::randn({2, 9, 3});
  EXPECT_TRUE(torch::equal(a->likelihood(z, 0), b->likelihood(z, 0)));
}

TEST(FactorizedDensity, AuxiliaryLossIsTheDistanceOfTheQuantiles) {
  torch::manual_seed(7);
  FactorizedDensity density = random_density(2, 3);
  randomise({density->quantiles()}, 2.0);
  const DensityWeights weights = density->weights();
  const double tail = std::log(2e9 - 1);
  const double targets[] = {-tail, 0.0, tail};
  double wanted = 0;
  for (int64_t i = 0; i < 6; ++i) {
    const ChannelDensity channel = channel_density(weights, static_cast<uint64_t>(i / 3), static_cast<uint64_t>(i % 3));
    for (int64_t q = 0; q < 3; ++q)
      wanted += std::abs(channel.cumulative_logit(density->quantiles()[i][q].item<float>()) - targets[q]);
  }
  const torch::Tensor loss = density->auxiliary_loss();
  EXPECT_NEAR(loss.item<float>() / wanted, 1.0, 1e-5);
  loss.backward();
  EXPECT_TRUE(density->quantiles().grad().defined());
  for (const torch::Tensor& p : density->model_parameters())
    EXPECT_FALSE(p.grad().defined()) << "the quantiles follow the density, never the other way round";
}

}  // namespace
}  // namespace nwc

// The factorised density, trained (LibTorch) and deployed (binary64), against CompressAI's EntropyBottleneck with the
// same parameters (tests/data/density).
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "codec/encode/codec_tables.h"
#include "codec/encode/density.h"
#include "entropy/encode/table_fit.h"
#include "learn/networks.h"
#include "nwcodec/checkpoint.h"

namespace nwc {
namespace {

class DensityParity : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<SafetensorsFile> opened =
        SafetensorsFile::open(std::filesystem::path(NWC_SOURCE_DIR) / "tests/data/density/compressai.safetensors");
    ASSERT_TRUE(opened.ok()) << opened.error().to_string();
    golden_.emplace(*std::move(opened));
    latents_ = view("centers").shape[0];
    weights_.sets = 1;
    weights_.latents = latents_;
    for (int i = 0; i < 5; ++i) {
      const std::string number = "." + std::to_string(i);
      const TensorView& matrix = view("matrices" + number);
      weights_.layers.push_back({matrix.shape[1], matrix.shape[2], floats("matrices" + number),
                                 floats("biases" + number), i < 4 ? floats("factors" + number) : std::vector<float>()});
    }
  }

  const TensorView& view(std::string_view name) const {
    for (const TensorView& t : golden_->tensors()) {
      if (t.name == name) return t;
    }
    throw std::runtime_error("golden lacks " + std::string(name));
  }
  std::vector<float> floats(const std::string& name) const { return values<float>(view(name)); }
  std::vector<double> doubles(const std::string& name) const { return values<double>(view(name)); }

  FactorizedDensity module() const {
    FactorizedDensity density(1, static_cast<int64_t>(latents_), std::vector<double>{1.0});
    density->set_weights(weights_);
    torch::NoGradGuard no_grad;
    std::vector<float> quantiles = floats("quantiles");
    density->quantiles().copy_(torch::from_blob(quantiles.data(), {static_cast<int64_t>(latents_), 3}));
    return density;
  }

  std::optional<SafetensorsFile> golden_;
  uint64_t latents_ = 0;
  DensityWeights weights_;

 private:
  template <class T>
  static std::vector<T> values(const TensorView& t) {
    std::vector<T> v(t.bytes.size() / sizeof(T));
    for (size_t i = 0; i < v.size(); ++i) v[i] = load_le<T>(t.bytes.data() + i * sizeof(T));
    return v;
  }
};

TEST_F(DensityParity, LikelihoodsInBinary64) {
  const std::vector<float> points = floats("points");
  const std::vector<double> wanted = doubles("likelihoods");
  const size_t n = points.size() / latents_;
  double worst = 0;
  for (uint64_t c = 0; c < latents_; ++c) {
    const ChannelDensity channel = channel_density(weights_, 0, c);
    for (size_t i = 0; i < n; ++i)
      worst = std::max(worst, std::abs(channel.likelihood(points[c * n + i]) / wanted[c * n + i] - 1));
  }
  std::printf("largest relative error of a likelihood, deployed density: %.2e\n", worst);
  EXPECT_LT(worst, 1e-9);
}

TEST_F(DensityParity, LikelihoodsOfTheTrainableModule) {
  std::vector<float> points = floats("points");
  const std::vector<double> wanted = doubles("likelihoods");
  const int64_t n = static_cast<int64_t>(points.size() / latents_);
  const torch::Tensor z = torch::from_blob(points.data(), {static_cast<int64_t>(latents_), n}).t().unsqueeze(0);
  FactorizedDensity density = module();
  torch::NoGradGuard no_grad;
  const torch::Tensor single = density->likelihood(z, 0).squeeze(0).t().contiguous();
  density->to(torch::kFloat64);
  const torch::Tensor twofold = density->likelihood(z.to(torch::kFloat64), 0).squeeze(0).t().contiguous();
  double worst = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    worst = std::max(worst, std::abs(twofold.data_ptr<double>()[i] / wanted[i] - 1));
    // A likelihood is a difference of two cumulative probabilities, which binary32 knows to 6e-8 each.
    EXPECT_NEAR(single.data_ptr<float>()[i], wanted[i], 1e-5 * wanted[i] + 5e-7);
  }
  std::printf("largest relative error of a likelihood, trainable density: %.2e\n", worst);
  EXPECT_LT(worst, 1e-9);
}

TEST_F(DensityParity, AuxiliaryLoss) {
  const double wanted = doubles("auxiliary_loss")[0];
  FactorizedDensity density = module();
  EXPECT_NEAR(density->auxiliary_loss().item<double>() / wanted, 1.0, 1e-5);
  density->to(torch::kFloat64);
  EXPECT_NEAR(density->auxiliary_loss().item<double>() / wanted, 1.0, 1e-7)
      << "CompressAI keeps the targets in binary32";
}

// Its likelihoods on the integers around the medians, quantised by our rule, are our tables.
TEST_F(DensityParity, IntegerTables) {
  const CodecTables tables = make_codec_tables(weights_, 1);
  const std::vector<float> centers = floats("centers");
  const std::vector<double> grid = doubles("grid_likelihoods");
  const size_t n = grid.size() / latents_;
  for (uint64_t c = 0; c < latents_; ++c) {
    EXPECT_EQ(tables.centers[c], centers[c]);
    Histogram histogram;
    for (size_t i = 0; i < n; ++i) {
      const auto count = static_cast<uint64_t>(std::round(std::ldexp(grid[c * n + i], 40)));
      if (count > 0) histogram.emplace_back(static_cast<int32_t>(i) - static_cast<int32_t>(n / 2), count);
    }
    ASSERT_GT(histogram.size(), 20u);
    EXPECT_EQ(tables.set.at(c), fit_table(histogram)) << "channel " << c;
  }
}

}  // namespace
}  // namespace nwc

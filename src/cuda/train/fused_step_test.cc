// The step on the GPU against LibTorch's autograd on the CPU: the same networks, chunks and noise. Skipped without a
// GPU.
#include "cuda/train/fused_step.h"

#include <c10/cuda/CUDAFunctions.h>
#include <gtest/gtest.h>

namespace nwc {
namespace {

struct Case {
  const char* name;
  int64_t chunk, latents;
  NetworkShape analysis, synthesis;
  bool density_per_level;
  double lambda;
};

std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }

class FusedStepParity : public testing::TestWithParam<Case> {};

Networks make_networks(const TrainOptions& o) {
  torch::manual_seed(5);
  const int64_t levels = static_cast<int64_t>(o.level_coefficients.size());
  const std::vector<double> scales = o.density_per_level ? std::vector<double>{4, 6, 20, 30} : std::vector<double>{20};
  Networks networks{TransformNet(o.chunk, o.latents, o.analysis, levels),
                    TransformNet(o.latents, o.chunk, o.synthesis, levels),
                    FactorizedDensity(static_cast<int64_t>(scales.size()), o.latents, scales)};
  torch::NoGradGuard no_grad;
  for (const auto& net : {networks.analysis, networks.synthesis}) {
    for (torch::Tensor& p : net->parameters()) p += 0.05 * torch::randn_like(p);
  }
  for (torch::Tensor& p : networks.density->model_parameters()) p += 0.2 * torch::randn_like(p);
  return networks;
}

double relative_error(const torch::Tensor& got, const torch::Tensor& expected) {
  const torch::Tensor reference = expected.to(torch::kFloat64);
  return ((got.cpu().to(torch::kFloat64) - reference).norm() / (reference.norm() + 1e-12)).item<double>();
}

TEST_P(FusedStepParity, GradientsAreAutograds) {
  if (c10::cuda::device_count() == 0) GTEST_SKIP() << "no GPU";
  const Case& c = GetParam();
  TrainOptions o;
  o.chunk = c.chunk, o.latents = c.latents, o.analysis = c.analysis, o.synthesis = c.synthesis;
  o.density_per_level = c.density_per_level, o.lambda = c.lambda, o.batch = 4000;
  Networks reference = make_networks(o), trained = make_networks(o);
  const torch::Tensor training = torch::randn({5000, c.chunk});
  FusedStep step(o, trained, training);
  step.draw();
  step.gradients();
  step.mean_loss();  // waits

  const torch::Tensor x = step.chunks().cpu().view({4, 1000, c.chunk}),
                      noise = step.noise().cpu().view({4, 1000, c.latents});
  EXPECT_LE(noise.abs().max().item<double>(), 0.5);
  EXPECT_NEAR(noise.mean().item<double>(), 0.0, 0.01);
  EXPECT_NEAR(noise.var().item<double>(), 1.0 / 12.0, 0.002);
  // Every drawn chunk is one of the training chunks.
  EXPECT_LT(torch::cdist(x.view({-1, c.chunk}).slice(0, 0, 50), training).amin(1).max().item<double>(), 1e-2);

  const torch::Tensor coefficients = torch::tensor(o.level_coefficients, torch::kFloat32).view({4, 1, 1});
  training_loss(reference, x, reference.analysis->forward(x, 0) + noise, coefficients, o.lambda).backward();
  reference.density->auxiliary_loss().backward();
  const auto compare = [&](const torch::nn::Module& expected, const torch::nn::Module& got, double bound) {
    const auto of_reference = expected.named_parameters();
    for (const auto& p : got.named_parameters()) {
      EXPECT_LT(relative_error(step.gradient_of(p.value()), of_reference[p.key()].grad()), bound) << p.key();
    }
  };
  compare(*reference.analysis, *trained.analysis, 3e-2);  // bf16 products; single gradients average out
  compare(*reference.synthesis, *trained.synthesis, 3e-2);
  compare(*reference.density, *trained.density, 5e-3);
}

INSTANTIATE_TEST_SUITE_P(Shapes, FusedStepParity,
                         testing::Values(Case{"paper", 16, 16, {512, 4}, {512, 4}, true, 100.0},
                                         Case{"shared density", 16, 16, {512, 2}, {256, 1}, false, 30.0},
                                         Case{"narrow", 16, 16, {128, 3}, {32, 2}, true, 1000.0},
                                         Case{"odd", 12, 20, {200, 2}, {72, 1}, true, 300.0},
                                         Case{"wide", 16, 16, {1024, 1}, {768, 1}, true, 100.0},
                                         Case{"linear", 16, 16, {128, 1}, {16, 0}, true, 300.0}));

TEST(FusedStep, TheSameSeedGivesTheSameWeights) {
  if (c10::cuda::device_count() == 0) GTEST_SKIP() << "no GPU";
  TrainOptions o;
  o.analysis = {256, 2}, o.synthesis = {64, 1}, o.batch = 4096, o.steps = 30;
  const torch::Tensor training = torch::randn({20000, 16});
  const auto run = [&](int64_t interrupted_at) {
    Networks networks = make_networks(o);
    auto step = std::make_unique<FusedStep>(o, networks, training);
    for (int64_t s = 0; s < o.steps; ++s) {
      if (s == interrupted_at) {
        // Weights stay in the modules; the moments go through an archive.
        torch::serialize::OutputArchive out;
        step->save(out);
        std::stringstream bytes;
        out.save_to(bytes);
        step = std::make_unique<FusedStep>(o, networks, training);
        torch::serialize::InputArchive in;
        in.load_from(bytes);
        step->load(in);
      }
      step->advance(s);
    }
    EXPECT_TRUE(std::isfinite(step->mean_loss()));
    std::vector<torch::Tensor> weights;
    for (const torch::Tensor& p : networks.analysis->parameters()) weights.push_back(p.detach().cpu());
    for (const torch::Tensor& p : networks.density->parameters()) weights.push_back(p.detach().cpu());
    return weights;
  };
  const std::vector<torch::Tensor> once = run(-1), again = run(-1), resumed = run(13);
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_TRUE(torch::equal(once[i], again[i]));
    EXPECT_TRUE(torch::equal(once[i], resumed[i]));
  }
}

TEST(FusedStep, TheLossFalls) {
  if (c10::cuda::device_count() == 0) GTEST_SKIP() << "no GPU";
  TrainOptions o;
  o.analysis = o.synthesis = {512, 2}, o.batch = 8192, o.steps = 300, o.lambda = 100;
  Networks networks = make_networks(o);
  FusedStep step(o, networks, torch::randn({100000, 16}));
  for (int64_t s = 0; s < 20; ++s) step.advance(s);
  const double before = step.mean_loss();
  for (int64_t s = 20; s < 300; ++s) step.advance(s);
  step.mean_loss();
  for (int64_t s = 300; s < 310; ++s) step.advance(s);
  EXPECT_LT(step.mean_loss(), 0.7 * before);
}

}  // namespace
}  // namespace nwc

#include <cmath>
#include <numbers>

#include "learn/training_step.h"

namespace nwc {
namespace {

class AutogradStep : public TrainingStep {
 public:
  AutogradStep(const TrainOptions& options, const Networks& networks, torch::Tensor training)
      : options_(options),
        networks_(networks),
        training_(std::move(training)),
        levels_(static_cast<int64_t>(options.level_coefficients.size())) {
    std::vector<torch::Tensor> transforms;
    const auto add = [&](torch::nn::Module& net, bool learns) {
      for (torch::Tensor& p : net.parameters()) {
        p.set_requires_grad(learns);
        transforms.push_back(p);
      }
    };
    add(*networks_.analysis, learns_analysis(options));
    add(*networks_.synthesis, learns_synthesis(options));
    for (torch::Tensor& p : networks_.density->model_parameters()) p.set_requires_grad(learns_density(options));
    const std::vector<torch::optim::OptimizerParamGroup> groups{
        torch::optim::OptimizerParamGroup(transforms),
        torch::optim::OptimizerParamGroup(networks_.density->model_parameters())};
    optimizer_ = std::make_unique<torch::optim::Adam>(groups, torch::optim::AdamOptions(options.learning_rate));
    auxiliary_ = std::make_unique<torch::optim::Adam>(std::vector<torch::Tensor>{networks_.density->quantiles()},
                                                      torch::optim::AdamOptions(options.auxiliary_learning_rate));
    coefficients_ = torch::tensor(options.level_coefficients, torch::kFloat32).view({levels_, 1, 1});
  }

  void advance(int64_t step) override {
    torch::Generator random =
        at::detail::createCPUGenerator(options_.seed * 0x9E3779B97F4A7C15ull + static_cast<uint64_t>(step));
    set_learning_rate(step);
    const int64_t per_level = options_.batch / levels_;
    const torch::Tensor picked =
        torch::randint(training_.size(0), {levels_ * per_level}, random, torch::TensorOptions().dtype(torch::kInt64));
    const torch::Tensor x = training_.index_select(0, picked).view({levels_, per_level, options_.chunk});
    const torch::Tensor z = networks_.analysis->forward(x, 0);
    const torch::Tensor noise = torch::rand(z.sizes(), random, torch::TensorOptions()) - 0.5;
    const torch::Tensor loss = training_loss(networks_, x, z + noise, coefficients_, options_.lambda);
    optimizer_->zero_grad();
    loss.backward();
    optimizer_->step();
    auxiliary_->zero_grad();
    networks_.density->auxiliary_loss().backward();
    auxiliary_->step();
    loss_ += loss.item<double>();
    ++steps_;
  }

  double mean_loss() override {
    const double mean = steps_ > 0 ? loss_ / static_cast<double>(steps_) : 0.0;
    loss_ = 0;
    steps_ = 0;
    return mean;
  }

  void save(torch::serialize::OutputArchive& archive) override {
    torch::serialize::OutputArchive optimizer, auxiliary;
    optimizer_->save(optimizer);
    auxiliary_->save(auxiliary);
    archive.write("optimizer", optimizer);
    archive.write("auxiliary", auxiliary);
  }

  void load(torch::serialize::InputArchive& archive) override {
    torch::serialize::InputArchive optimizer, auxiliary;
    archive.read("optimizer", optimizer);
    archive.read("auxiliary", auxiliary);
    optimizer_->load(optimizer);
    auxiliary_->load(auxiliary);
  }

 private:
  void set_learning_rate(int64_t step) {
    if (options_.recipe == TrainRecipe::kPaper) return;
    const double progress = static_cast<double>(step) / static_cast<double>(options_.steps);
    const double rate = options_.learning_rate * std::max(0.01, 0.5 * (1.0 + std::cos(std::numbers::pi * progress)));
    const double of_group[] = {rate, rate * kDensityRate};
    for (size_t g = 0; g < 2; ++g)
      static_cast<torch::optim::AdamOptions&>(optimizer_->param_groups()[g].options()).lr(of_group[g]);
  }

  const TrainOptions& options_;
  Networks networks_;
  torch::Tensor training_, coefficients_;
  int64_t levels_, steps_ = 0;
  double loss_ = 0;
  std::unique_ptr<torch::optim::Adam> optimizer_, auxiliary_;
};

}  // namespace

torch::Tensor training_loss(Networks networks, const torch::Tensor& x, const torch::Tensor& noisy,
                            const torch::Tensor& coefficients, double lambda) {
  const torch::Tensor bits =
      networks.density->likelihood(noisy, 0).log2().neg().sum(2) / static_cast<double>(x.size(2));
  const torch::Tensor error = (networks.synthesis->forward(noisy, 0) - x).square().mean(2);
  return (bits / coefficients.squeeze(2) + lambda * error).mean();
}

std::unique_ptr<TrainingStep> make_autograd_step(const TrainOptions& options, const Networks& networks,
                                                 const torch::Tensor& training) {
  return std::make_unique<AutogradStep>(options, networks, training);
}

}  // namespace nwc

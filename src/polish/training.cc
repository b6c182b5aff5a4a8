#include "polish/training.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "base/random_variates.h"
#include "format/stream_header.h"
#include "polish/divergence_gradient.h"

namespace nwc {
namespace {

constexpr int64_t kMeasurements = 8, kPatience = 3, kWarmUp = 10;
constexpr double kSetback = 1e-3;  // of the divergence: less is what rounding theta hides
constexpr double kFirstDecay = 0.9, kSecondDecay = 0.99, kEpsilon = 1e-8;

at::Tensor tensor_of(const std::vector<float>& values, const at::Device& device) {
  return torch::tensor(at::ArrayRef<float>(values), torch::kFloat32).to(device);
}
std::vector<float> values_of(const at::Tensor& tensor) {
  const at::Tensor here = tensor.detach().cpu().contiguous();
  return {here.data_ptr<float>(), here.data_ptr<float>() + here.numel()};
}

// Of each text in turn a sequence at a random place, which depends on seed and step alone.
std::vector<std::vector<int32_t>> draw(const PolishOptions& options, std::span<const std::vector<int32_t>> texts,
                                       int64_t step) {
  std::vector<std::vector<int32_t>> sequences;
  for (int64_t i = 0; i < options.batch; ++i) {
    const auto number = static_cast<size_t>(step * options.batch + i);
    const std::vector<int32_t>& text = texts[number % texts.size()];
    std::mt19937_64 random(seed_of_part(options.seed, number));
    const auto first = static_cast<ptrdiff_t>(random() % (text.size() - static_cast<size_t>(options.length) + 1));
    sequences.emplace_back(text.begin() + first, text.begin() + first + options.length);
  }
  return sequences;
}

double rate_at(const PolishOptions& options, int64_t step) {
  const double warm = std::min(1.0, static_cast<double>(step + 1) / kWarmUp);
  const double share = static_cast<double>(step) / static_cast<double>(options.steps);
  return options.rate * warm * 0.5 * (1 + std::cos(std::numbers::pi * share));
}

}  // namespace

Status train_factors(const PolishModels& models, const PolishOptions& options,
                     std::span<const std::vector<int32_t>> texts, TrainingState& state,
                     const std::function<Result<double>(const at::Tensor& theta)>& measure,
                     const std::function<Status(const TrainingState&)>& keep, const Progress& progress) {
  const torch::NoGradGuard no_gradients;
  const at::Device device = models.source.device();
  at::Tensor theta = tensor_of(state.theta, device), first = tensor_of(state.first, device),
             second = tensor_of(state.second, device);
  const int64_t between = std::max<int64_t>(1, (options.steps + kMeasurements - 1) / kMeasurements);
  while (state.step < options.steps && state.setbacks < kPatience) {
    progress.at(static_cast<uint64_t>(state.step), static_cast<uint64_t>(options.steps), "polishing");
    models.source.set_theta(theta);
    NWC_ASSIGN_OR_RETURN(const DivergenceGradient gradient,
                         divergence_gradient(models.reference, models.compressed, models.source, theta,
                                             draw(options, texts, state.step), progress));
    const double rate = state.rate_share * rate_at(options, state.step);
    ++state.step;
    first.mul_(kFirstDecay).add_(gradient.theta, 1 - kFirstDecay);
    second.mul_(kSecondDecay).addcmul_(gradient.theta, gradient.theta, 1 - kSecondDecay);
    const auto number = static_cast<double>(state.step);
    const double of_first = 1 / (1 - std::pow(kFirstDecay, number)),
                 of_second = 1 / (1 - std::pow(kSecondDecay, number));
    theta = theta - rate * (first * of_first) / ((second * of_second).sqrt() + kEpsilon);
    if (state.step % between != 0 && state.step != options.steps) continue;
    NWC_ASSIGN_OR_RETURN(const double divergence, measure(models.factors.rounded(theta, kMaxCorrectionBits)));
    if (divergence < state.best_divergence - kLeastGain) {
      state.best_divergence = divergence;
      state.best = values_of(theta);
      state.setbacks = 0;
    } else if (divergence > (1 + kSetback) * state.best_divergence) {
      ++state.setbacks;
      theta = state.best.empty() ? torch::zeros_like(theta) : tensor_of(state.best, device);
      first.zero_();
      state.rate_share /= 2;
    }
    state.theta = values_of(theta);
    state.first = values_of(first);
    state.second = values_of(second);
    NWC_RETURN_IF_ERROR(keep(state));
  }
  return {};
}

}  // namespace nwc

#include "calibrate/effective_tokens.h"

#include <vector>

namespace nwc {
namespace {

constexpr double kScale = 0x1p20;  // of weights that are squared, as binary32 has no numbers below 1e-38

}  // namespace

void EffectiveTokens::add(const at::Tensor& weights) {
  const at::Tensor w = weights.to(torch::kFloat64);
  // As terms of a sum whose order does not matter (calibrate/second_moment.h).
  const at::Tensor sums = torch::stack({w.sum(), (w * kScale).square().sum()}).to(torch::kFloat32).to(torch::kFloat64);
  sums_ = sums_.defined() ? sums_ + sums : sums;
}

void EffectiveTokens::add(const EffectiveTokens& other) {
  if (!other.sums_.defined()) return;
  sums_ = sums_.defined() ? sums_ + other.sums_.to(sums_.device()) : other.sums_;
}

Status EffectiveTokens::add_up(Team& team) {
  if (team.size() == 1) return {};
  sums_ = sums_.defined() ? sums_.cpu().contiguous() : torch::zeros({2}, torch::kFloat64);
  return team.sum({sums_.data_ptr<double>(), 2});
}

float EffectiveTokens::count() const {
  if (!sums_.defined()) return 0;
  const double sum = sums_[0].item<double>(), squares = sums_[1].item<double>() / (kScale * kScale);
  return squares > 0 ? static_cast<float>(sum * sum / squares) : 0.0f;
}

float merged_effective_tokens(double sum_a, float count_a, double sum_b, float count_b) {
  const auto squares = [](double sum, float count) { return count > 0 ? sum * sum / static_cast<double>(count) : 0.0; };
  const double both = squares(sum_a, count_a) + squares(sum_b, count_b);
  return both > 0 ? static_cast<float>((sum_a + sum_b) * (sum_a + sum_b) / both) : 0.0f;
}

}  // namespace nwc

#include "evaluate/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace nwc {

Result<Sampler> Sampler::create(const SamplingOptions& options) {
  if (!std::isfinite(options.temperature) || options.temperature < 0) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the temperature is {}; it must be 0 or more", options.temperature));
  }
  if (options.top_k < 0) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("top_k is {}; it must be 0 or more", options.top_k));
  }
  return Sampler(options);
}

Result<int32_t> Sampler::next(std::span<const float> logits) {
  if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); })) {
    return Error(ErrorCode::kNonFinite, "the model's logits are not finite");
  }
  const float highest = *std::max_element(logits.begin(), logits.end());
  if (options_.temperature == 0) {
    return static_cast<int32_t>(std::find(logits.begin(), logits.end(), highest) - logits.begin());
  }

  std::vector<int32_t> candidates(logits.size());
  std::iota(candidates.begin(), candidates.end(), 0);
  if (options_.top_k > 0 && static_cast<size_t>(options_.top_k) < candidates.size()) {
    std::nth_element(candidates.begin(), candidates.begin() + options_.top_k, candidates.end(),
                     [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
    candidates.resize(static_cast<size_t>(options_.top_k));
    std::sort(candidates.begin(), candidates.end());
  }

  std::vector<double> cumulative;
  double sum = 0;
  for (const int32_t candidate : candidates) {
    sum += std::exp((static_cast<double>(logits[candidate]) - highest) / options_.temperature);
    cumulative.push_back(sum);
  }
  // 53 random bits; std::uniform_real_distribution differs between standard libraries.
  const double share = static_cast<double>(random_() >> 11) * 0x1p-53;
  const auto picked = std::upper_bound(cumulative.begin(), cumulative.end(), share * sum);
  const auto index = std::min<std::ptrdiff_t>(picked - cumulative.begin(), std::ssize(cumulative) - 1);
  return candidates[static_cast<size_t>(index)];
}

}  // namespace nwc

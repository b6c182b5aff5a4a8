#include "decode/range_losses.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nwc {
namespace {

constexpr double kNegligible = 1e-4;  // of a tensor's weights, rounded up
constexpr size_t kNamed = 20;

}  // namespace

void RangeLosses::add(const WeightInfo& tensor, const NarrowingLoss& loss) {
  sum_ += loss;
  const double flushed = static_cast<double>(loss.flushed), weights = static_cast<double>(tensor.elements());
  if (loss.saturated > 0 || flushed > std::ceil(kNegligible * weights))
    list_.push_back({tensor.name, tensor.elements(), loss});
}

std::string RangeLosses::sentence(const Entry& entry) const {
  const auto [saturated, flushed] = entry.loss;
  std::string what;
  if (saturated > 0) what = fmt::format("{} too large, cut to the largest number", saturated);
  if (flushed > 0) what += fmt::format("{}{} too small, now 0", what.empty() ? "" : "; ", flushed);
  return fmt::format("{} does not fit {}: of {} weights {}; --dtype {} holds them", entry.name, name_of(dtype_),
                     entry.weights, what, dtype_ == DType::kF16 ? "BF16 or F32" : "F32");
}

std::vector<std::string> RangeLosses::warnings() const {
  std::vector<Entry> sorted = list_;
  const auto share = [](const Entry& e) {
    return static_cast<double>(e.loss.saturated + e.loss.flushed) / static_cast<double>(e.weights);
  };
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Entry& a, const Entry& b) { return share(a) > share(b); });
  std::vector<std::string> sentences;
  for (size_t i = 0; i < std::min(kNamed, sorted.size()); ++i) sentences.push_back(sentence(sorted[i]));
  if (sorted.size() > kNamed)
    sentences.push_back(fmt::format("{} more tensors do not fit {}", sorted.size() - kNamed, name_of(dtype_)));
  return sentences;
}

}  // namespace nwc

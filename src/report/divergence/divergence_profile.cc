#include "report/divergence/divergence_profile.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>

namespace nwc {
namespace {

// Collects the tokens of a set.
class Collector {
 public:
  void add(const TokenScore& score) {
    kl_.push_back(score.kl);
    figures_.kl_sum += score.kl;
    figures_.reference_nll += score.reference_nll;
    figures_.candidate_nll += score.candidate_nll;
    figures_.same_top += score.same_top() ? 1 : 0;
  }
  bool empty() const { return kl_.empty(); }
  DivergenceFigures figures() {
    std::sort(kl_.begin(), kl_.end());
    figures_.tokens = static_cast<int64_t>(kl_.size());
    figures_.kl_median = at_share(0.5);
    figures_.kl_99th_percentile = at_share(0.99);
    figures_.kl_maximum = kl_.back();
    return figures_;
  }
  // After figures(). Between two values, linearly interpolated.
  double at_share(double share) const {
    const double place = share * static_cast<double>(kl_.size() - 1);
    const auto below = static_cast<size_t>(place);
    if (below + 1 >= kl_.size()) return kl_.back();
    return kl_[below] + (place - static_cast<double>(below)) * (kl_[below + 1] - kl_[below]);
  }
  const std::vector<double>& sorted() const { return kl_; }

 private:
  DivergenceFigures figures_;
  std::vector<double> kl_;
};

// The largest `count` of `all` by `value`, the earlier first of equals.
template <class T, class Value>
void keep_largest(std::vector<T>& all, size_t count, const Value& value) {
  std::stable_sort(all.begin(), all.end(), [&](const T& a, const T& b) { return value(a) > value(b); });
  if (all.size() > count) all.erase(all.begin() + static_cast<ptrdiff_t>(count), all.end());
}

std::vector<DivergenceProfile::Positions> by_position(const TokenScores& scores) {
  const int64_t scored = scores.context - 1;
  std::vector<DivergenceProfile::Positions> groups;
  for (int64_t first = 2; first <= scores.context;) {
    // 2, 3, 4-5, 6-7, 8-11, 12-15, ...: powers of two are halved.
    const auto power = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(first))), half = power + power / 2;
    const int64_t last = std::min(first < half ? half - 1 : 2 * power - 1, scores.context);
    Collector collector;
    for (int64_t w = 0; w < scores.windows; ++w) {
      for (int64_t p = first; p <= last; ++p) collector.add(scores.tokens[static_cast<size_t>(w * scored + p - 2)]);
    }
    groups.push_back({first, last, collector.figures()});
    first = last + 1;
  }
  return groups;
}

std::vector<DivergenceProfile::Class> by_class(const TokenScores& scores, const WindowTexts& texts) {
  std::array<Collector, kTokenClasses> collectors;
  for (size_t i = 0; i < scores.tokens.size(); ++i)
    collectors[static_cast<size_t>(texts.classes[place_of(scores, i).in_text])].add(scores.tokens[i]);
  std::vector<DivergenceProfile::Class> classes;
  for (size_t c = 0; c < kTokenClasses; ++c) {
    if (!collectors[c].empty()) classes.push_back({static_cast<TokenClass>(c), collectors[c].figures()});
  }
  return classes;
}

std::vector<DivergenceProfile::Type> by_type(const TokenScores& scores, const WindowTexts& texts, size_t count) {
  std::map<int32_t, Collector> collectors;
  for (size_t i = 0; i < scores.tokens.size(); ++i)
    collectors[texts.ids[place_of(scores, i).in_text]].add(scores.tokens[i]);
  std::vector<DivergenceProfile::Type> types;
  for (auto& [id, collector] : collectors) types.push_back({id, collector.figures()});
  keep_largest(types, count, [](const DivergenceProfile::Type& t) { return t.figures.kl_sum; });
  return types;
}

std::vector<DivergenceProfile::Window> by_window(const TokenScores& scores) {
  const auto scored = static_cast<size_t>(scores.context - 1);
  std::vector<DivergenceProfile::Window> windows;
  for (int64_t w = 0; w < scores.windows; ++w) {
    Collector collector;
    for (size_t i = 0; i < scored; ++i) collector.add(scores.tokens[static_cast<size_t>(w) * scored + i]);
    windows.push_back({w, collector.figures()});
  }
  return windows;
}

std::optional<double> standard_error(const std::vector<DivergenceProfile::Window>& windows) {
  if (windows.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(windows.size());
  double mean = 0, squares = 0;
  for (const auto& w : windows) mean += w.figures.mean_kl() / n;
  for (const auto& w : windows) squares += (w.figures.mean_kl() - mean) * (w.figures.mean_kl() - mean);
  return std::sqrt(squares / (n - 1) / n);
}

std::vector<size_t> worst_tokens(const TokenScores& scores, size_t count) {
  std::vector<size_t> order(scores.tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  count = std::min(count, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(), [&](size_t a, size_t b) {
    return scores.tokens[a].kl != scores.tokens[b].kl ? scores.tokens[a].kl > scores.tokens[b].kl : a < b;
  });
  order.resize(count);
  return order;
}

}  // namespace

TokenPlace place_of(const TokenScores& scores, size_t score) {
  const auto scored = static_cast<size_t>(scores.context - 1);
  const size_t window = score / scored, position = score % scored + 1;
  return {static_cast<int64_t>(window), static_cast<int64_t>(position), window * (scored + 1) + position};
}

double DivergenceProfile::perplexity() const { return std::exp(all.mean_candidate_nll()); }
double DivergenceProfile::reference_perplexity() const { return std::exp(all.mean_reference_nll()); }

DivergenceProfile profile_of(const TokenScores& scores, const WindowTexts& texts, const ProfileOptions& options) {
  DivergenceProfile profile{.context = scores.context, .windows = scores.windows};
  Collector all;
  for (const TokenScore& score : scores.tokens) all.add(score);
  profile.all = all.figures();
  const double tokens = static_cast<double>(scores.tokens.size());
  for (const double share : {0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999}) {
    if ((1 - share) * tokens >= 1) profile.quantiles.push_back({share, all.at_share(share)});
  }
  profile.quantiles.push_back({1.0, profile.all.kl_maximum});
  const std::vector<double>& sorted = all.sorted();
  double sum = 0;
  auto next = sorted.rbegin();
  for (const double share : {0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0}) {
    if (share * tokens < 1) continue;
    const auto end = sorted.rbegin() + static_cast<ptrdiff_t>(std::llround(share * tokens));
    while (next != end) sum += *next++;
    profile.concentration.push_back({share, profile.all.kl_sum > 0 ? sum / profile.all.kl_sum : 0});
  }
  profile.positions = by_position(scores);
  profile.classes = by_class(scores, texts);
  profile.costly_types = by_type(scores, texts, options.types);
  profile.worst_windows = by_window(scores);
  profile.mean_kl_standard_error = standard_error(profile.worst_windows);
  keep_largest(profile.worst_windows, options.windows,
               [](const DivergenceProfile::Window& w) { return w.figures.mean_kl(); });
  profile.worst_tokens = worst_tokens(scores, options.tokens);
  return profile;
}

}  // namespace nwc

#include "report/divergence/excerpt.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/page.h"

namespace nwc {
namespace {

// Of token `position` of a window, counted from 0, which must not be the first.
size_t score_index(const DivergenceReport& r, int64_t window, int64_t position) {
  return static_cast<size_t>(window * (r.scores.context - 1) + position - 1);
}

// Where the stretch of `tokens` tokens with the largest sum of divergence begins.
int64_t worst_stretch(const DivergenceReport& r, int64_t window, int64_t tokens) {
  const auto kl = [&](int64_t position) {
    return position > 0 ? r.scores.tokens[score_index(r, window, position)].kl : 0.0;
  };
  double sum = 0;
  for (int64_t p = 0; p < tokens; ++p) sum += kl(p);
  double largest = sum;
  int64_t begin = 0;
  for (int64_t first = 1; first + tokens <= r.scores.context; ++first) {
    sum += kl(first + tokens - 1) - kl(first - 1);
    if (sum > largest) largest = sum, begin = first;
  }
  return begin;
}

std::string title_of(const std::string& text) { return corpus_html(text, /*lines=*/false); }

}  // namespace

std::array<double, 3> mark_thresholds(const DivergenceProfile& profile) {
  std::array<double, 3> thresholds{};
  const std::array<double, 3> shares{0.9, 0.99, 0.999};
  for (size_t i = 0; i < shares.size(); ++i) {
    const auto found = std::find_if(profile.quantiles.begin(), profile.quantiles.end(),
                                    [&](const DivergenceProfile::Quantile& q) { return q.share >= shares[i]; });
    thresholds[i] = found->kl;  // the last is the maximum
  }
  return thresholds;
}

std::string expectation_text(const DivergenceReport& r, size_t score) {
  const TokenScore& s = r.scores.tokens[score];
  return fmt::format("KL {:.3g}; p(token) {:.2g} to {:.2g}; likeliest '{}' to '{}'", s.kl, std::exp(-s.reference_nll),
                     std::exp(-s.candidate_nll), r.text_of(s.reference_top), r.text_of(s.candidate_top));
}

std::string window_html(const DivergenceReport& r, int64_t window, size_t tokens) {
  const std::array<double, 3> thresholds = mark_thresholds(r.profile);
  const int64_t length = std::min(static_cast<int64_t>(tokens), r.scores.context);
  const int64_t begin = worst_stretch(r, window, length);
  std::string html = begin > 0 ? "... " : "";
  int64_t worst = -1;  // of the tokens that make one character, the one that is marked
  for (int64_t p = begin; p < begin + length; ++p) {
    const auto kl_of = [&](int64_t position) { return r.scores.tokens[score_index(r, window, position)].kl; };
    if (p > 0 && (worst < 0 || kl_of(p) > kl_of(worst))) worst = p;
    const std::string& piece = r.tokens.pieces[static_cast<size_t>(window * r.scores.context + p)];
    if (piece.empty()) continue;
    const std::string text = corpus_html(piece, /*lines=*/true);
    const double kl = worst < 0 ? 0 : kl_of(worst);
    const auto strength = static_cast<size_t>(
        std::count_if(thresholds.begin(), thresholds.end(), [&](double t) { return kl > 0 && kl >= t; }));
    html += strength == 0 ? text
                          : fmt::format("<mark class=\"k{}\" title=\"{}\">{}</mark>", strength,
                                        title_of(expectation_text(r, score_index(r, window, worst))), text);
    worst = -1;
  }
  return html + (begin + length < r.scores.context ? " ..." : "");
}

std::string context_html(const DivergenceReport& r, size_t score, size_t before, size_t after) {
  const TokenPlace place = place_of(r.scores, score);
  const auto position = static_cast<size_t>(place.position);
  const size_t begin = place.in_text - std::min(before, position);
  const size_t last = place.in_text + std::min(after, static_cast<size_t>(r.scores.context) - 1 - position);
  std::string html;
  for (size_t i = begin; i <= last; ++i) {
    const std::string text = corpus_html(r.tokens.pieces[i], /*lines=*/false);
    html += i == place.in_text ? "<mark class=\"k3\">" + text + "</mark>" : text;
  }
  return html;
}

}  // namespace nwc

#include "compress/rate/divergence_search.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace nwc {
namespace {

using Point = DivergenceSearch::Point;

constexpr double kUsualSlope = -1.45;  // nats of log(divergence) per bit: a factor of 4.3
constexpr double kSteepest = -3.0, kFlattest = -0.7;
constexpr double kAim = 0.95;           // of the limit: as far from it as from a result that wastes a tenth
constexpr double kPredictedWell = 0.1;  // a prediction so near the aim, as a logarithm, is near enough
constexpr double kLeastMove = 0.002;    // bits: what rate control can tell apart

std::optional<double> slope_between(const Point& a, const Point& b) {
  if (std::abs(a.bits - b.bits) < kLeastMove) return std::nullopt;
  return std::clamp(std::log(a.divergence / b.divergence) / (a.bits - b.bits), kSteepest, kFlattest);
}

// A float's worth of digits keeps the last bits of logarithms out of the result.
double rounded(double bits) { return std::nearbyint(bits * 4096) / 4096; }

double moved(const Point& from, double to_divergence, double slope) {
  const double bits = from.bits + std::log(to_divergence / from.divergence) / slope;
  return rounded(std::clamp(bits, DivergenceSearch::kLeastBits, DivergenceSearch::kMostBits));
}

const Point& nearest(std::span<const Point> points, double divergence) {
  return *std::min_element(points.begin(), points.end(), [&](const Point& a, const Point& b) {
    return std::abs(std::log(a.divergence / divergence)) < std::abs(std::log(b.divergence / divergence));
  });
}

}  // namespace

double DivergenceSearch::aim() const { return kAim * limit_; }

// Of the measurements, else of the predictions: between the last two, which are the nearest.
double DivergenceSearch::slope() const {
  for (const std::vector<Point>* points : {&trials_, &predictions_}) {
    if (points->size() < 2) continue;
    if (const auto slope = slope_between((*points)[points->size() - 2], points->back())) return *slope;
  }
  return kUsualSlope;
}

std::optional<double> DivergenceSearch::next_prediction() const {
  if (predictions_.empty()) return 3.0;
  const Point& near = nearest(predictions_, aim());
  if (std::abs(std::log(near.divergence / aim())) < kPredictedWell || predictions_.size() == 3) return std::nullopt;
  const double next = moved(near, aim(), slope());
  if (std::abs(next - near.bits) < kLeastMove) return std::nullopt;
  return next;
}

std::optional<double> DivergenceSearch::next_trial() const {
  if (trials_.empty()) return std::max(kLeastFirst, moved(nearest(predictions_, aim()), aim(), slope()));
  const Point& near = nearest(trials_, aim());
  if (trials_.size() == kMostTrials || (within_limit(near) && near.divergence >= kNearEnough * limit_))
    return std::nullopt;
  const double next = moved(near, aim(), slope());
  const bool tried = std::any_of(trials_.begin(), trials_.end(),
                                 [&](const Point& trial) { return std::abs(trial.bits - next) < kLeastMove; });
  if (tried) return std::nullopt;
  return next;
}

DivergenceSearch::Point DivergenceSearch::best() const {
  return *std::min_element(trials_.begin(), trials_.end(), [&](const Point& a, const Point& b) {
    if (within_limit(a) != within_limit(b)) return within_limit(a);
    return within_limit(a) ? a.bits < b.bits : a.divergence < b.divergence;
  });
}

}  // namespace nwc
